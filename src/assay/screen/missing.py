"""Missing values in disguise (-999, 9999), and cells that are missing where hardly any is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.finding import RowScore
from assay.screen.context import Context
from assay.screen.iqr import FAR_OUT, beyond_quartiles

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

# A disguise recurs; one far value is an outlier, and the other screens see it.
FEWEST = 5
# It stands far out, and alone: the next value is this many times nearer to the quartiles, or on the other side.
ALONE = 1.5
# Columns of fewer different numbers are categories: a rare one is no disguise.
FEWEST_VALUES = 20
# A column in which at most this share of cells is missing is meant to be full.
FULL = 0.0005


def disguises(column: Float) -> dict[float, Bool]:
    """Values that recur far outside the quartiles with nothing near: value -> (n,) rows.

    A column of which more than a quarter is disguised has it inside its quartiles, and is not seen.

    >>> x = np.r_[np.linspace(20, 60, 95), [-999.0] * 5]
    >>> {value: int(rows.sum()) for value, rows in disguises(x).items()}
    {-999.0: 5}
    """
    distance = beyond_quartiles(column)
    out: dict[float, Bool] = {}
    if len(np.unique(column[np.isfinite(column)])) < FEWEST_VALUES:
        return out
    far = np.isfinite(column) & (distance > FAR_OUT)
    values, count = np.unique(column[far], return_counts=True)
    middle = np.nanmedian(column)
    for value in values[count >= FEWEST]:
        rows = column == value
        same_side = np.isfinite(column) & ~rows & ((column > middle) == (value > middle))
        nearest = float(distance[same_side].max(initial=0.0))
        if nearest * ALONE < float(distance[rows][0]):
            out[float(value)] = rows
    return out


def run(context: Context) -> RowScore:
    """The screen: a disguised cell scores 1; a missing cell scores by how seldom its column is missing."""
    n = len(context.data)
    score, flag = np.zeros(n), np.zeros(n, bool)
    named: list[str] = []
    numbers = context.numbers
    for j, name in enumerate(numbers.names):
        for value, rows in disguises(numbers.values[:, j]).items():
            flag |= rows
            score[rows] = 1.0
            named.append(f"{name} = {value:g} in {int(rows.sum()):,} rows")
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
