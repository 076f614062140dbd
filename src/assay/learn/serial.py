"""Whether rows that stand side by side repeat one another, as in a time series or a record of visits.

The half-hours of one quiet night have one price, and one event behind all their labels: they are one witness of it, not twenty. Contents
that are alike do not tell (a table may be sorted by age); what tells is whether a row is as typical of its label as the rows beside it are.
A table in no order has a rank correlation of 0 there, and nothing changes for it.

It cannot see rows that repeat one another far apart (every Monday), nor an order of which the file's rows keep no trace.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

BLOCKS, BLOCK = 20, 1_024  # stretches of rows that are looked at, spread over the file: a correlation to .01
FARTHEST = 256  # rows; the answer is a power of two
REPEATS = 0.3  # correlation of two rows that are told as repeats: eleven tables of the benchmarks have .14 at most, electricity prices .86
BEYOND = 3.0  # standard errors that it must be from 0: small tables are never serial by chance alone


def stretches(n: int) -> Int:
    """(m,) rows of a file of n to ask about, in order: all of a small one, else blocks of consecutive rows."""
    if n <= BLOCKS * BLOCK:
        return np.arange(n)
    starts = np.linspace(0, n - BLOCK, BLOCKS).astype(np.int64)
    return np.asarray((starts[:, None] + np.arange(BLOCK)).ravel())


def reach(rows: Int, typical: Floats, kind: Int) -> int:
    """How many rows away a row's like may stand: 0 where rows side by side have nothing to do with one another.

    `rows` (m,) ascending row numbers, as of `stretches`; `typical` (m,) how well each row's contents support its label; `kind` (m,) its
    label, negative where there is none. Rows are compared with rows of their own kind only, so that a file sorted by label is in no order.
    """
    score = np.full(len(rows), np.nan)
    for label in np.unique(kind[kind >= 0]):
        mine = kind == label
        score[mine] = (rankdata(typical[mine]) - 0.5) / mine.sum() - 0.5
    found = 0
    for lag in (2**i for i in range(FARTHEST.bit_length())):
        if lag >= len(rows):
            break
        pair = (rows[lag:] - rows[:-lag] == lag) & (kind[lag:] == kind[:-lag]) & (kind[lag:] >= 0)
        if not pair.any():
            break
        correlation = float((score[lag:] * score[:-lag])[pair].mean()) * 12  # a uniform's variance is 1/12
        if correlation < max(REPEATS, BEYOND / np.sqrt(pair.sum())):
            break
        found = lag
    return found


def reach_by_label(asked: Callable[[Int], Floats], y: Int) -> int:
    """`reach` in rows labelled y (n,), negative where missing, by the probabilities (m, k) that `asked` gives of m rows."""
    rows = stretches(len(y))
    return reach(rows, asked(rows)[np.arange(len(rows)), y[rows]], y[rows])


def side_by_side(rows: Int, within: int) -> Floats:
    """(m,) how many of the distinct `rows` (m,) are in each one's run, itself among them; a run has no gap of more than `within` rows.

    >>> side_by_side(np.array([3, 90, 4, 6]), 2).tolist()
    [3.0, 1.0, 3.0, 3.0]
    """
    order = np.argsort(rows, kind="stable")
    run = np.concatenate([[0], np.cumsum(np.diff(rows[order]) > within)])
    count = np.empty(len(rows))
    count[order] = np.bincount(run)[run] if len(rows) else 0
    return count
