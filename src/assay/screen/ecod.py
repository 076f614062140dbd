"""Values in the tails of several columns at once: empirical cumulative distributions.

Li, Zhao, Hu, Botta, Ionescu and Chen 2022, "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions",
IEEE TKDE. Their share flagged ("contamination") is not used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.finding import RowScore
from assay.learn.threads import in_parallel
from assay.screen.context import Context
from assay.screen.statistics import finite_or
from assay.screen.tail import BOUNDED, beyond_tail, tail_bound

Float = NDArray[np.float64]


def tail_sum(values: Float) -> Float:
    """(n,) sum over columns of -ln of the share of rows at least as far out on the value's own side. `values` (n, m) finite.

    The paper sums each side over the row and takes the larger sum; here, as in PyOD, the larger tail is taken cell by cell, since a row
    high in one column and low in another is odd in both. Takes columns as independent: columns that repeat one another count
    double. Cannot see odd combinations of ordinary values.

    >>> tail_sum(np.array([[1.0], [2.0], [3.0], [90.0]])).round(2).tolist()
    [1.39, 0.69, 0.69, 1.39]
    """
    total = np.zeros(len(values))
    for tail in in_parallel(_tails, values.T):
        total -= tail
    return total


def _tails(column: Float) -> Float:
    """(n,) log of the share of rows at least as far out, of each row."""
    n = len(column)
    order = np.argsort(column)
    ordered = column[order]
    start = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))  # of each run of equal values
    end = np.append(start[1:], n)
    out = np.empty(n)
    out[order] = np.repeat(np.log(np.minimum(end, n - start) / n), end - start)
    return out


def run(context: Context) -> RowScore:
    """The screen: a table's columns, else what can be measured of a text or picture."""
    if context.data.modality == "table":
        values = context.table_values
    else:
        values = finite_or(context.numbers.values, np.nanmedian(context.numbers.values, axis=0))
    score = tail_sum(values)
    flag = beyond_tail(score, lightest=BOUNDED)
    return RowScore("ecod", score, flag, "its values lie in the tails of many columns at once", tail_bound(score, lightest=BOUNDED))
