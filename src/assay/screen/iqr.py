"""Values far outside the quartiles of their column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assay.finding import RowScore
from assay.screen.by_column import by_values
from assay.screen.counted import Counted
from assay.stats.counts import Counts, quantiles

if TYPE_CHECKING:
    from assay.screen.context import Context

Float = NDArray[np.float64]

# Tukey's far-out fence (Exploratory Data Analysis, 1977): nothing within three interquartile ranges is ever flagged.
FAR_OUT = 3.0
# An infinite value lies outside any fence; it gets this many ranges.
INFINITE = 1e6
QUARTERS = (0.25, 0.5, 0.75)
FEWEST = 4  # values, that have quartiles


def beyond_quartiles(column: Float) -> Float:
    """(n,) how far a value lies outside the quartiles, in units of the quarter-spread on its own side, doubled.

    Each side has its own spread (median to quartile), so that a skewed column is not all outliers. Where half of the
    values are one and the same (a column of zeros), the others are judged among themselves. NaN scores 0, inf
    `INFINITE`.

    >>> beyond_quartiles(np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 29])).round(1).tolist()[-2:]
    [0.3, 4.7]
    """
    return Fences.of(Counted.of(column)).score(column)


@dataclass(frozen=True)
class Fences:
    """What `beyond_quartiles` needs of a column: `quartiles`, None where they say nothing, and the value that half of the rows have, if
    one does: it is left out of them."""

    quartiles: tuple[float, float, float] | None
    usual: float | None = None

    @staticmethod
    def of(column: Counted) -> Fences:
        values, usual = column.finite, None
        if values.counts.sum() < FEWEST:
            return Fences(None)
        low, middle, high = quantiles(values, QUARTERS).tolist()
        if low == high:
            usual, others = middle, values.keys != middle
            values = Counts(values.keys[others], values.counts[others])
            if values.counts.sum() < FEWEST:
                return Fences(None)
            low, middle, high = quantiles(values, QUARTERS).tolist()
        return Fences(None if low == high else (low, middle, high), usual)

    def score(self, column: Float) -> Float:
        """(n,) of any values of the column."""
        out = np.zeros(len(column))
        out[np.isinf(column)] = INFINITE
        if self.quartiles is None:
            return out
        low, middle, high = self.quartiles
        half = (high - low) / 2
        # a side that is squeezed flat takes the other's spread rather than none
        above = max(high - middle, 0.25 * half)
        below = max(middle - low, 0.25 * half)
        known = np.isfinite(column) if self.usual is None else np.isfinite(column) & (column != self.usual)
        x = column if known.all() else column[known]
        distance = np.maximum(np.maximum((x - high) / (2 * above), (low - x) / (2 * below)), 0.0)
        if len(x) == len(column):
            return np.asarray(distance, np.float64)
        out[known] = distance
        return out


def run(context: Context) -> RowScore:
    """The screen: a row's score is its worst column; a column's values are flagged past the fence and past its own
    tail.
    """
    found = by_values(context.number_blocks, context.numbers.names, context.laws.fences, FAR_OUT)
    reason = "a value far outside the quartiles of its column" + (f" (most often {', '.join(found.named)})" if found.named else "")
    return RowScore("iqr", found.score, found.flag, reason, found.bound)
