"""Is what rows share a natural subpopulation: many near-copies of one thing, that a model which never saw them knows all the same?

A font among printed letters, a product among sales: its rows are alike in every column, not only in the ones on trial, so that the rest
of them is strange as well, and every trial that takes columns out finds the label unforeseen. Poison is put into rows that are as
different from one another as the rows of a class are, and a model that never saw it does not give it its label.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from assay.learn.columns import Coded

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

PAIRS = 400  # pairs of rows whose distance is taken: the mean to some 3 %
CLOSE = 0.85  # of the mean distance in the closest class; planted: .91 and more; fonts in Letter: .54 to .79
KNOWN = 0.5  # share of the carriers that a probe without them gives their label all the same
SAMPLE = 20_000  # rows that distances are ranked among


def closeness(coded: Coded, y: Int, carriers: Int, columns: tuple[int, ...], rng: np.random.Generator) -> float:
    """Mean distance between carriers in the columns not on trial, as a share of that within the closest class.

    The distance of two cells is that of their ranks in the column (numbers), or whether they differ (categories).
    """
    others = np.array([j for j in range(len(coded.names)) if j not in columns])
    rows = np.flatnonzero(y >= 0)
    if len(rows) > SAMPLE:
        rows = rng.choice(rows, SAMPLE, replace=False)
    both = np.concatenate([carriers, rows])
    if not len(others) or len(carriers) < 2:
        return 1.0
    cells = np.stack([_ranked(coded.cells[both, j]) if coded.numeric[j] else coded.cells[both, j] for j in others], 1)
    numeric = coded.numeric[others]
    label = y[both]
    label[: len(carriers)] = -1
    ours = _distance(cells, numeric, np.arange(len(carriers)), rng)
    classes = [np.flatnonzero(label == c) for c in np.unique(label[label >= 0])]
    theirs = [_distance(cells, numeric, members, rng) for members in classes if len(members) > 5]
    return ours / max(min(theirs, default=ours), 1e-12)


def _ranked(column: Floats) -> Floats:
    known = ~np.isnan(column)
    out = np.full(len(column), np.nan)
    out[known] = rankdata(column[known]) / max(known.sum(), 1)
    return out


def _distance(cells: Floats, numeric: NDArray[np.bool_], rows: Int, rng: np.random.Generator) -> float:
    first = rng.integers(0, len(rows), PAIRS)
    second = (first + rng.integers(1, len(rows), PAIRS)) % len(rows)
    a, b = cells[rows[first]], cells[rows[second]]
    missing = np.isnan(a) != np.isnan(b)
    apart = np.where(numeric, np.abs(a - b), a != b)
    apart = np.where(np.isnan(a) & np.isnan(b), 0.0, apart)
    return float(np.where(missing, 1.0, apart).mean())


def natural_subpopulation(close: float, known: float) -> str | None:
    """Why the carriers look like one natural thing, if they do: `close` as `closeness` says, `known` as `KNOWN` does."""
    if close >= CLOSE or known < KNOWN:
        return None
    return (
        f"Its rows are alike in all their other columns too ({close:.0%} of the distance within the closest class), and a probe that "
        f"never saw them gives {known:.0%} of them their label all the same: a natural subpopulation. A trigger put into these very "
        "rows could not be told from it"
    )
