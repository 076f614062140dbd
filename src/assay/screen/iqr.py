"""Values far outside the quartiles of their column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.finding import RowScore
from assay.screen.by_column import by_column
from assay.screen.context import Context

Float = NDArray[np.float64]

# Tukey's far-out fence (Exploratory Data Analysis, 1977): nothing within three interquartile ranges is ever flagged.
FAR_OUT = 3.0
# An infinite value lies outside any fence; it gets this many ranges.
INFINITE = 1e6


def beyond_quartiles(column: Float) -> Float:
    """(n,) how far a value lies outside the quartiles, in units of the quarter-spread on its own side, doubled.

    Each side has its own spread (median to quartile), so that a skewed column is not all outliers. Where half of the
    values are one and the same (a column of zeros), the others are judged among themselves. NaN scores 0, inf
    `INFINITE`.

    >>> beyond_quartiles(np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 29])).round(1).tolist()[-2:]
    [0.3, 4.7]
    """
    out = np.zeros(len(column))
    known = np.isfinite(column)
    out[np.isinf(column)] = INFINITE
    x = column[known]
    if len(x) < 4:
        return out
    low, mid, high = np.quantile(x, [0.25, 0.5, 0.75])
    usual = np.ones(len(x), bool)
    if low == high:
        usual = x != mid
        if usual.sum() < 4:
            return out
        low, mid, high = np.quantile(x[usual], [0.25, 0.5, 0.75])
        if low == high:
            return out
    half = (high - low) / 2
    # a side that is squeezed flat takes the other's spread rather than none
    above = max(high - mid, 0.25 * half)
    below = max(mid - low, 0.25 * half)
    distance = np.maximum(np.maximum((x - high) / (2 * above), (low - x) / (2 * below)), 0.0)
    out[known] = np.where(usual, distance, 0.0)
    return out


def run(context: Context) -> RowScore:
    """The screen: a row's score is its worst column; a column's values are flagged past the fence and past its own
    tail.
    """
    numbers = context.numbers
    found = by_column(len(context.data), numbers.names, lambda j: beyond_quartiles(numbers.values[:, j]), FAR_OUT)
    reason = "a value far outside the quartiles of its column" + (f" (most often {', '.join(found.named)})" if found.named else "")
    return RowScore("iqr", found.score, found.flag, reason, found.bound)
