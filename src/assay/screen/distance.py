"""Rows far from their nearest neighbours, whatever their label.

Ramaswamy, Rastogi and Shim 2000, "Efficient Algorithms for Mining Outliers from Large Data Sets", SIGMOD, with the mean over the
neighbours (Angiulli and Pizzuti 2002) and a sample of rows that may be neighbours, so that cost is linear.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.finding import RowScore
from assay.screen.context import Context
from assay.screen.nearest_others import drawn_among, nearest_others
from assay.screen.row_blocks import RowBlocks
from assay.screen.statistics import finite_or
from assay.screen.tail import beyond_tail, tail_bound

Float = NDArray[np.float64]
Int = NDArray[np.int64]

NEIGHBOURS = 10
# Rows that may be neighbours, and distances computed in all: past 100,000 rows fewer may be, down to 1,000.
REFERENCE = 5_000
DISTANCES = 500_000_000
FEWEST_REFERENCE = 1_000
BLOCK = 2_000
# A column counts with at most this many of its own robust deviations: one wild value must not hide all others.
CLIPPED = 20.0


def neighbour_distance(values: NDArray[np.floating[Any]], rng: np.random.Generator) -> Float:
    """(n,) mean distance to the nearest of at most `REFERENCE` rows, itself left out. `values` (n, d) finite, on one scale.

    Cannot see strangers that come in numbers: a few dozen alike are one another's neighbours.
    """
    reference = drawn_among(len(values), REFERENCE, DISTANCES, FEWEST_REFERENCE, rng)
    blocks = RowBlocks.of(values)
    index = blocks.engine.put((reference, values[reference]))
    return np.concatenate(list(blocks.map_from(_mean_distance, index, min(NEIGHBOURS, len(reference) - 1))))


def _mean_distance(block: NDArray[np.floating[Any]], first: int, index: tuple[Int, NDArray[np.floating[Any]]], count: int) -> Float:
    """(m,) of the rows of a block, which begins at row `first`."""
    return np.concatenate([distance.mean(axis=1) for _, distance, _ in nearest_others(block, first, index, count, BLOCK)])


def scaled(values: Float) -> NDArray[np.float32]:
    """(n, m) columns in robust deviations from their median, clipped; constant columns become 0."""
    out = np.empty(values.shape, np.float32)
    for j, column in enumerate(values.T):
        low, middle, high = np.quantile(column, [0.25, 0.5, 0.75])
        spread = (high - low) / 1.349 if high > low else float(column.std())
        out[:, j] = np.clip((column - middle) / (spread or 1.0), -CLIPPED, CLIPPED)
    return out


def run(context: Context) -> RowScore:
    """The screen: a table's columns on one scale, else features, else plain measurements."""
    values: NDArray[np.floating[Any]]
    if context.data.modality == "table":
        values = scaled(context.table_values)
    elif context.features is not None:
        values = finite_or(np.asarray(context.features, np.float64), np.zeros(context.features.shape[1]))
    else:
        values = scaled(finite_or(context.numbers.values, np.nanmedian(context.numbers.values, axis=0)))
    score = neighbour_distance(values, context.rng)
    return RowScore("distance", score, beyond_tail(score), f"its {NEIGHBOURS} nearest rows are far", tail_bound(score))
