"""Missing values in disguise (-999, 9999), and cells that are missing where hardly any is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assay.finding import RowScore
from assay.screen.counted import Counted
from assay.screen.iqr import FAR_OUT, Fences
from assay.stats.counts import median

if TYPE_CHECKING:
    from assay.screen.context import Context

# A disguise recurs; one far value is an outlier, and the other screens see it.
FEWEST = 5
# It stands far out, and alone: the next value is this many times nearer to the quartiles, or on the other side.
ALONE = 1.5
# Columns of fewer different numbers are categories: a rare one is no disguise.
FEWEST_VALUES = 20
# A column in which at most this share of cells is missing is meant to be full.
FULL = 0.0005


def disguises(column: Counted) -> dict[float, int]:
    """Values that recur far outside the quartiles with nothing near: value -> rows.

    A column of which more than a quarter is disguised has it inside its quartiles, and is not seen.

    >>> x = np.r_[np.linspace(20, 60, 95), [-999.0] * 5]
    >>> disguises(Counted.of(x))
    {-999.0: 5}
    """
    values, count = column.numbers, column.finite.counts
    out: dict[float, int] = {}
    if len(values) < FEWEST_VALUES:
        return out
    distance = Fences.of(column).score(values)
    middle = median(column.values)
    for at in np.flatnonzero((distance > FAR_OUT) & (count >= FEWEST)):
        same_side = (values > middle) == (values[at] > middle)
        same_side[at] = False
        nearest = float(distance[same_side].max(initial=0.0))
        if nearest * ALONE < float(distance[at]):
            out[float(values[at])] = int(count[at])
    return out


def run(context: Context) -> RowScore:
    """The screen: a disguised cell scores 1; a missing cell scores by how seldom its column is missing."""
    n = len(context.data)
    score, flag = np.zeros(n), np.zeros(n, bool)
    named: list[str] = []
    numbers = context.numbers
    for j, name in enumerate(numbers.names):
        for value, count in context.laws.disguises[j].items():
            rows = numbers.values[:, j] == value
            flag |= rows
            score[rows] = 1.0
            named.append(f"{name} = {value:g} in {count:,} rows")
    for name in context.data.columns.content:
        values = context.data.table.column(name)
        if not values.null_count:
            continue
        gone = np.asarray(values.is_null())
        score[gone] = np.maximum(score[gone], 0.5 * (1 - gone.mean()))
        if gone.mean() <= FULL:
            flag |= gone
            named.append(f"{name} missing in {int(gone.sum()):,} rows and nowhere else")
    reason = "a missing value, in disguise or where there is hardly one" + (f" ({'; '.join(named[:3])})" if named else "")
    return RowScore("missing", score, flag, reason)
