"""Do some values fix others? Two prices that are always equal are one value, however many columns it stands in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.learn.columns import Coded

Int = NDArray[np.int64]

RECUR, OFTEN, FIXED = 10, 0.1, 0.9  # rows, and share of all, from which on it is told whether a column fixes another; so many of them agree
BEYOND_CHANCE = 3.0  # times as often as by chance two columns must hold the same number for one to fix the other
OTHERWISE = 0.5  # of few other rows with the value, fewer than this have the other one: it is not what the value fixes


def free_columns(coded: Coded, columns: tuple[int, ...], rows: Int, outside: Int, few_tell: bool = False) -> int:
    """How many of the `columns` no other of them fixes at the values of `rows`, by what rows `outside` them hold.

    `few_tell`: a value fixes nothing that the few other rows with it mostly do not hold, whatever its column fixes elsewhere.
    """
    free = list(columns)
    for j in columns:
        if any(_fixes(coded, rows, outside, i, j, few_tell) for i in free if i != j):
            free.remove(j)
    return len(free)


def _fixes(coded: Coded, rows: Int, outside: Int, i: int, j: int, few_tell: bool) -> bool:
    """Whether in rows `outside` the value of column i nearly always tells that of column j.

    Told by the value of i that `rows` hold; where too few rows have that one, by all values that recur, or where both hold one number, as
    many other rows do (a house of one storey has its area on the first).
    """
    one, other = coded.cells[outside, i], coded.cells[outside, j]
    mine, theirs = (np.nanmedian(coded.cells[rows, column]) for column in (i, j))
    has = one == mine
    if has.sum() >= RECUR:
        return bool((other[has] == theirs).mean() >= FIXED)
    if few_tell and has.any() and (other[has] == theirs).mean() < OTHERWISE:
        return False
    if mine == theirs and coded.numeric[i] and coded.numeric[j] and _often_equal(one, other):
        return True
    known = ~np.isnan(one) & ~np.isnan(other)
    value, place, count = np.unique(one[known], return_inverse=True, return_counts=True)
    _, pair = np.unique(np.column_stack([place, other[known]]), axis=0, return_inverse=True)
    commonest = np.zeros(len(value), np.int64)
    np.maximum.at(commonest, place, np.bincount(pair)[pair])
    again = count > 1
    recur = int(count[again].sum())
    most = np.unique(other[known], return_counts=True)[1].max(initial=0) / max(int(known.sum()), 1)
    return bool(recur >= max(RECUR, OFTEN * len(outside)) and commonest[again].sum() >= FIXED * recur and most < FIXED)


def _often_equal(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether two columns (n,) hold the same number in many rows, and not by chance. One number that many have (0 in what is left blank)
    says nothing of others."""
    known = ~np.isnan(one) & ~np.isnan(other)
    value, count = np.unique(one[known & (one == other)], return_counts=True)
    if len(value):
        known &= ~((one == value[count.argmax()]) & (other == value[count.argmax()]))
    value, place = np.unique(np.concatenate([one[known], other[known]]), return_inverse=True)
    share = [np.bincount(half, minlength=len(value)) / max(int(known.sum()), 1) for half in np.split(place, 2)]
    chance = float(share[0] @ share[1])
    return bool(known.any() and (one[known] == other[known]).mean() >= max(OFTEN, BEYOND_CHANCE * chance))
