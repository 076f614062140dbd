"""Values many robust standard deviations from their column's median, on a scale that undoes skew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assay.finding import RowScore
from assay.screen.by_column import by_values
from assay.screen.counted import Counted
from assay.stats.counts import Counts, median, quantiles

if TYPE_CHECKING:
    from assay.screen.context import Context

Float = NDArray[np.float64]

# Median absolute deviation to standard deviation, for a Gaussian.
TO_SIGMA = 1.4826
# Iglewicz and Hoaglin 1993 ("How to Detect and Handle Outliers", section 3): 3.5 in units of MAD; nothing within is
# flagged.
LEAST = 3.5
INFINITE = 1e6
FEWEST = 4  # values, that have a deviation


def robust_z(column: Float) -> Float:
    """(n,) |value - median| / (1.4826 MAD), after log(1 + value / median) where that makes a positive column less
    skewed.

    0 for NaN, `INFINITE` for inf, and 0 throughout where more than half of the values are equal (no MAD).

    >>> robust_z(np.array([1.0, 2, 3, 4, 5, 6, 7, np.nan, np.inf])).round(2).tolist()[5:]
    [0.67, 1.01, 0.0, 1000000.0]
    """
    return Deviations.of(Counted.of(column)).score(column)


@dataclass(frozen=True)
class Deviations:
    """What `robust_z` needs of a column: its centre and its robust deviation, on the scale log(1 + value / `unit`) where there is a unit;
    no deviation where nothing can be told."""

    centre: float
    deviation: float
    unit: float | None

    @staticmethod
    def of(column: Counted) -> Deviations:
        values, unit = column.finite, None
        if values.counts.sum() < FEWEST:
            return Deviations(0.0, 0.0, None)
        x = column.numbers
        middle = median(values)
        if x[0] >= 0 and middle > 0:
            logged = np.log1p(x / middle)
            if abs(_skew(Counts(logged, values.counts))) < abs(_skew(values)):
                x, unit = logged, middle
                middle = median(Counts(logged, values.counts))
        away = Counts.of_equal(np.abs(x - middle), values.counts, 2)
        return Deviations(middle, TO_SIGMA * median(away), unit)

    def score(self, column: Float) -> Float:
        """(n,) of any values of the column."""
        out = np.zeros(len(column))
        out[np.isinf(column)] = INFINITE
        if self.deviation <= 0:
            return out
        known = np.isfinite(column)
        x = column if known.all() else column[known]
        z = np.abs((x if self.unit is None else np.log1p(x / self.unit)) - self.centre) / self.deviation
        if len(x) == len(column):
            return np.asarray(z, np.float64)
        out[known] = z
        return out


def _skew(x: Counts) -> float:
    """Skewness from octiles, in [-1, 1], which outliers cannot move (Hinkley 1975, Biometrika 62)."""
    low, mid, high = quantiles(x, (0.125, 0.5, 0.875)).tolist()
    return float((high + low - 2 * mid) / (high - low)) if high > low else 0.0


def run(context: Context) -> RowScore:
    """The screen: a row's score is its worst column; the flag is read on the whole column's own tail."""
    found = by_values(context.number_blocks, context.numbers.names, context.laws.deviations, LEAST)
    return RowScore("robust_z", found.score, found.flag, "a value many robust deviations from its column's median", found.bound)
