"""Values that are odd given the others of their row, though not by themselves: a tall child, a cheap villa."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.finding import RowScore
from assay.screen.by_column import by_column
from assay.screen.context import Context
from assay.screen.robust_z import LEAST, TO_SIGMA

Float = NDArray[np.float64]

# Residuals are measured against others of like expected value: their spread grows with it.
BINS = 10
MEAN_TO_SIGMA = 1.2533  # mean absolute deviation to standard deviation, for a Gaussian
# A bin's spread is at least this share of the whole column's: residuals of a column that is almost always 0 are no unit.
LEAST_SPREAD = 0.25


def residual_z(actual: Float, expected: Float) -> Float:
    """(n,) |actual - expected| in robust deviations of the rows whose expected value is alike; NaN where either is missing.

    >>> x = np.linspace(0, 1, 200); y = x.copy(); y[50] = 0.9
    >>> int(np.nanargmax(residual_z(y + 0.01 * np.sin(40 * x), x)))
    50
    """
    r = actual - expected
    known = np.flatnonzero(np.isfinite(r))
    out = np.full(len(r), np.nan)
    if len(known) < BINS:
        return out
    r = r[known] - np.median(r[known])
    whole = _spread(r)
    if whole <= 0:
        return out
    order = np.argsort(expected[known], kind="stable")
    z = np.empty(len(known))
    for part in np.array_split(order, BINS):
        own = r[part] - np.median(r[part])
        z[part] = np.abs(own) / max(_spread(own), LEAST_SPREAD * whole)
    out[known] = z
    return out


def _spread(r: Float) -> float:
    """Standard deviation by the median or by the mean absolute residual, whichever is more.

    Where most residuals are nearly 0 (a column of zeros) the median says nothing of the others.
    """
    size = np.abs(r)
    return max(TO_SIGMA * float(np.median(size)), MEAN_TO_SIGMA * float(size.mean()))


def run(context: Context) -> RowScore:
    """The screen: a row's score is its oddest column given the others; the flag is read on that column's own tail."""
    seen = context.foreseen
    found = by_column(len(context.data), seen.names, lambda j: residual_z(seen.actual[:, j], seen.expected[:, j]), LEAST)
    often = f" (most often {', '.join(found.named)})" if found.named else ""
    return RowScore(
        "conditional", found.score, found.flag, f"a value that the rest of its row does not lead one to expect{often}", found.bound
    )
