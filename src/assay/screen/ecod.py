"""Values in the tails of several columns at once: empirical cumulative distributions.

Li, Zhao, Hu, Botta, Ionescu and Chen 2022, "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions",
IEEE TKDE. Their share flagged ("contamination") is not used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.finding import RowScore
from assay.learn.threads import in_parallel
from assay.screen.context import Context
from assay.screen.row_blocks import RowBlocks
from assay.screen.statistics import finite_or
from assay.screen.tail import BOUNDED, beyond_tail, tail_bound
from assay.stats.counts import Counts

Float = NDArray[np.float64]


def tail_sum(values: Float) -> Float:
    """(n,) sum over columns of -ln of the share of rows at least as far out on the value's own side. `values` (n, m) finite.

    The paper sums each side over the row and takes the larger sum; here, as in PyOD, the larger tail is taken cell by cell, since a row
    high in one column and low in another is odd in both. Takes columns as independent: columns that repeat one another count
    double. Cannot see odd combinations of ordinary values.

    >>> tail_sum(np.array([[1.0], [2.0], [3.0], [90.0]])).round(2).tolist()
    [1.39, 0.69, 0.69, 1.39]
    """
    return tails(RowBlocks.of(values))


def tails(values: RowBlocks) -> Float:
    """The same of values in blocks of rows: each value's rank among all rows is told from the counts of its column, merged."""
    engine = values.engine
    if not engine.remote:
        return _tail_sum(engine.result(values.blocks[0]))
    ranks = [
        engine.submit(_shares, engine.folded(_counted, [(block, j) for block in values.blocks]), stay=True) for j in range(values.columns)
    ]
    return np.concatenate(list(values.map(_tail_sum, *ranks)))


@dataclass(frozen=True)
class _Shares:
    """The different values of a column, sorted, and the log of the share of rows at least as far out as each."""

    values: Float
    log: Float


def _counted(block: Float, j: int) -> Counts:
    return Counts.empty().add(block[:, j])


def _shares(column: Counts) -> _Shares:
    end = np.cumsum(column.counts)
    rows = end[-1]
    return _Shares(np.asarray(column.keys, np.float64), np.log(np.minimum(end, rows - end + column.counts) / rows))


def _tail_sum(block: Float, *whole: _Shares) -> Float:
    """(n,) of the rows of a block, columns added in their order; `whole`: of each column's values in all rows, none where these are all."""

    def of_column(j: int) -> Float:
        column = block[:, j]
        order = np.argsort(column)
        ordered = column[order]
        start = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))  # of each run of equal values
        count = np.diff(np.append(start, len(column)))
        shares = whole[j] if whole else _shares(Counts(ordered[start], count))
        log = shares.log if len(shares.values) == len(start) else shares.log[np.searchsorted(shares.values, ordered[start])]
        out = np.empty(len(column))
        out[order] = np.repeat(log, count)
        return out

    total = np.zeros(len(block))
    for log in in_parallel(of_column, range(block.shape[1])):
        total -= log
    return total


def run(context: Context) -> RowScore:
    """The screen: a table's columns, else what can be measured of a text or picture."""
    if context.data.modality == "table":
        values = context.table_blocks
    else:
        values = RowBlocks.of(finite_or(context.numbers.values, np.nanmedian(context.numbers.values, axis=0)))
    score = tails(values)
    flag = beyond_tail(score, lightest=BOUNDED)
    return RowScore("ecod", score, flag, "its values lie in the tails of many columns at once", tail_bound(score, lightest=BOUNDED))
