"""Are rows like any others? How much alike they are in some columns, and how far off, beside groups drawn at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.learn.columns import Coded

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

DRAWS = 999  # groups of as many rows, drawn at random
ORDINARY = 0.002  # above this share of them must be as much alike, and as far off: four random groups in a thousand are lost
MOST = 5_000  # rows that are compared: of more, so many
FEWEST_COLUMNS = 4  # that are compared and say something: fewer would hardly tell natural rows
SILENT = 0.9  # share of rows with one value, from which on a column says next to nothing
CATEGORIES = 10  # values of a column of categories that are looked at, the commonest


def ordinary(
    coded: Coded, columns: Int, mine: Int, others: Int, rng: np.random.Generator, fewest: int = FEWEST_COLUMNS
) -> tuple[float, float]:
    """Shares of groups drawn from `mine` and the `others` that are as much alike in these columns, and as far from their middle.

    Nothing, twice, where fewer columns than the `fewest` say something, or other rows are too few.
    """
    if len(mine) > MOST:
        mine = rng.choice(mine, MOST, replace=False)
    rows = np.concatenate([mine, others])
    if len(others) < 2 * len(mine) or sum(_speaks(coded.cells[rows, j]) for j in columns) < fewest:
        return 0.0, 0.0
    places = _places(coded, columns, rows)
    own = _spread_and_shift(places[: len(mine)])
    drawn = np.array([_spread_and_shift(places[rng.choice(len(places), len(mine), replace=False)]) for _ in range(DRAWS)])
    return float((1 + (drawn[:, 0] <= own[0]).sum()) / (1 + DRAWS)), float((1 + (drawn[:, 1] >= own[1]).sum()) / (1 + DRAWS))


def _speaks(cells: Floats) -> bool:
    return bool(np.unique(cells, return_counts=True)[1].max() < SILENT * len(cells))


def _places(coded: Coded, columns: Int, rows: Int) -> Floats:
    """(n, m) each cell's place among the column's sorted cells; of categories, one column for each of the commonest values, 1 where it
    stands. Centred, of spread 1; missing cells in the middle.
    """
    made = []
    for j in columns:
        cells = coded.cells[rows, j]
        if coded.numeric[j]:
            known = np.sort(cells[~np.isnan(cells)])
            place = (np.searchsorted(known, cells, "left") + np.searchsorted(known, cells, "right")) / (2 * max(len(known), 1))
            made.append(np.where(np.isnan(cells), 0.5, place))
        else:
            values, count = np.unique(cells[~np.isnan(cells)], return_counts=True)
            made += [(cells == v).astype(np.float64) for v in values[np.argsort(-count, kind="stable")][:CATEGORIES]]
    places = np.column_stack(made)
    places -= places.mean(0)
    return np.asarray(places / np.maximum(places.std(0), 1e-9))


def _spread_and_shift(places: Floats) -> tuple[float, float]:
    return float(places.var(0).sum()), float((places.mean(0) ** 2).sum())
