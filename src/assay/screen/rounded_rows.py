"""Near-duplicate table rows: the same categories, and numbers that agree after rounding on two shifted grids."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.dataset.numbers import as_doubles
from assay.screen.copies import join_pairs, number_groups
from assay.screen.exact_duplicates import column_codes

Int = NDArray[np.int64]
Float = NDArray[np.float64]

# A cell of the grid, as a share of the column's interquartile range: closer than that, two numbers are the same but
# for noise.
CELL = 0.01
# Grids: the first shifted at random, so that nobody can place rows across its borders; each next by an equal part of
# a cell. Two rows at a distance of d cells in one column are parted by all g grids with probability at most d**g.
GRIDS = 3
# Cells are numbered up to here; farther values share the last.
FARTHEST = 2.0**52
# A column that is constant but for rarities has no range; then a cell is this share of its largest magnitude.
FLAT_CELL = 1e-4


def near_row_groups(data: Dataset, rng: np.random.Generator) -> Int:
    """(n,) group numbers of rows that agree in every category and, but for a hundredth of its range, in every number.

    Whole numbers of at most `2 / CELL` distinct values, text and booleans count as categories. Cannot see rows that
    differ in one column.
    """
    exact: list[Int] = []
    scaled: list[Float] = []
    for name in data.columns.content:
        column = data.table.column(name)
        numeric = pa.types.is_floating(column.type) or pa.types.is_decimal(column.type) or pa.types.is_integer(column.type)
        codes = column_codes(column)
        if not numeric or (pa.types.is_integer(column.type) and codes.max(initial=0) < 2 / CELL):
            exact.append(codes)
            continue
        values = as_doubles(column)
        known = np.isfinite(values)
        exact.append(np.where(np.isnan(values), 1, np.where(known, 0, np.where(values > 0, 2, 3))).astype(np.int64))
        scaled.append(np.where(known, values, 0.0) / _cell_size(values[known]))
    if not scaled:
        return number_groups(*exact) if exact else np.arange(len(data))
    left: list[Int] = []
    right: list[Int] = []
    shifts = rng.random(len(scaled))
    for grid in range(GRIDS):
        cells = [
            np.floor(np.clip(s + shift + grid / GRIDS, -FARTHEST, FARTHEST)).astype(np.int64)
            for s, shift in zip(scaled, shifts, strict=True)
        ]
        group = number_groups(*exact, *cells)
        order = np.argsort(group, kind="stable")
        together = group[order[:-1]] == group[order[1:]]
        left.append(order[:-1][together])
        right.append(order[1:][together])
    return join_pairs(len(data), np.concatenate(left), np.concatenate(right))


def _cell_size(known: Float) -> float:
    if not len(known):
        return 1.0
    low, high = np.quantile(known, [0.25, 0.75])
    if high > low:
        return float(CELL * (high - low))
    return float(FLAT_CELL * np.abs(known).max()) or 1.0
