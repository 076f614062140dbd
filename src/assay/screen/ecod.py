"""Values in the tails of several columns at once: empirical cumulative distributions.

Li, Zhao, Hu, Botta, Ionescu and Chen 2022, "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions",
IEEE TKDE. Their share flagged ("contamination") is not used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, skew

from assay.finding import RowScore
from assay.screen.context import Context
from assay.screen.isolation import table_values
from assay.screen.statistics import finite_or
from assay.screen.tail import BOUNDED, beyond_tail, tail_bound

Float = NDArray[np.float64]


def tail_sum(values: Float) -> Float:
    """(n,) the largest of three sums over columns: -ln of the share at most as low, of the share at least as high, and of the one on
    the side to which the column is skewed. `values` (n, m) finite.

    Takes columns as independent: columns that repeat one another count double. Cannot see odd combinations of ordinary values.

    >>> tail_sum(np.array([[1.0], [2.0], [3.0], [90.0]])).round(2).tolist()
    [1.39, 0.69, 0.69, 1.39]
    """
    n = len(values)
    low, high, skewed = np.zeros(n), np.zeros(n), np.zeros(n)
    for column in values.T:
        left = -np.log(rankdata(column, "max") / n)
        right = -np.log(rankdata(-column, "max") / n)
        low += left
        high += right
        skewed += left if skew(column) < 0 else right
    return np.maximum(np.maximum(low, high), skewed)


def run(context: Context) -> RowScore:
    """The screen: a table's columns, else what can be measured of a text or picture."""
    if context.data.modality == "table":
        values = table_values(context.data, context.numbers)
    else:
        values = finite_or(context.numbers.values, np.nanmedian(context.numbers.values, axis=0))
    score = tail_sum(values)
    flag = beyond_tail(score, lightest=BOUNDED)
    return RowScore("ecod", score, flag, "its values lie in the tails of many columns at once", tail_bound(score, lightest=BOUNDED))
