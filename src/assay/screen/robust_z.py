"""Values many robust standard deviations from their column's median, on a scale that undoes skew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.finding import RowScore
from assay.screen.by_column import by_column
from assay.screen.context import Context

Float = NDArray[np.float64]

# Median absolute deviation to standard deviation, for a Gaussian.
TO_SIGMA = 1.4826
# Iglewicz and Hoaglin 1993 ("How to Detect and Handle Outliers", section 3): 3.5 in units of MAD; nothing within is
# flagged.
LEAST = 3.5
INFINITE = 1e6


def robust_z(column: Float) -> Float:
    """(n,) |value - median| / (1.4826 MAD), after log(1 + value / median) where that makes a positive column less
    skewed.

    0 for NaN, `INFINITE` for inf, and 0 throughout where more than half of the values are equal (no MAD).

    >>> robust_z(np.array([1.0, 2, 3, 4, 5, 6, 7, np.nan, np.inf])).round(2).tolist()[5:]
    [0.67, 1.01, 0.0, 1000000.0]
    """
    out = np.zeros(len(column))
    out[np.isinf(column)] = INFINITE
    known = np.isfinite(column)
    x = column[known]
    if len(x) < 4:
        return out
    middle = float(np.median(x))
    if x.min() >= 0 and middle > 0:
        logged = np.log1p(x / middle)
        if abs(_skew(logged)) < abs(_skew(x)):
            x = logged
    distance = np.abs(x - np.median(x))
    spread = TO_SIGMA * float(np.median(distance))
    if spread > 0:
        out[known] = distance / spread
    return out


def _skew(x: Float) -> float:
    """Skewness from octiles, in [-1, 1], which outliers cannot move (Hinkley 1975, Biometrika 62)."""
    low, mid, high = np.quantile(x, [0.125, 0.5, 0.875])
    return float((high + low - 2 * mid) / (high - low)) if high > low else 0.0


def run(context: Context) -> RowScore:
    """The screen: a row's score is its worst column; the flag is read on the whole column's own tail."""
    numbers = context.numbers
    found = by_column(len(context.data), numbers.names, lambda j: robust_z(numbers.values[:, j]), LEAST)
    return RowScore("robust_z", found.score, found.flag, "a value many robust deviations from its column's median", found.bound)
