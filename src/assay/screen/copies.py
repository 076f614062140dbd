"""Groups of rows with one content, and what their labels say of them. Shared by the duplicate screens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from assay.dataset.data import MISSING

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

# Largest group number on the way: below the largest 64-bit integer.
MOST_NUMBERS = 2**62
# In a group of copies the usual label stands only if it has at least this share of the labels; else all are in doubt.
CLEAR_MAJORITY = 2 / 3
# The highest score a row gets for being a copy alone; a copy whose label is in doubt scores above.
COPY_SCORE = 0.5
# Where more rows than this are copies, content is coarse (a table of a few yes/no columns): to be alike then means
# nothing, and unlike labels are ordinary. Measured in benchmarks/screens.py.
COARSE = 0.5


def number_groups(*codes: Int) -> Int:
    """(n,) 0-based group numbers: rows are together where all their codes are equal.

    >>> number_groups(np.array([5, 5, 7]), np.array([1, 1, 1])).tolist()
    [0, 0, 1]
    """
    n = len(codes[0])
    together = np.unique(codes[0], return_inverse=True)[1].astype(np.int64)
    groups = int(together.max(initial=-1)) + 1
    bound = groups  # the numbers in `together` are below this; they are made dense again before it overflows
    for code in codes[1:]:
        if groups == n:
            break
        low = int(code.min(initial=0))
        width = int(code.max(initial=0)) - low + 1
        if width > MOST_NUMBERS // max(n, 1):
            code, low = np.unique(code, return_inverse=True)[1].astype(np.int64), 0
            width = int(code.max(initial=-1)) + 1
        if bound > MOST_NUMBERS // max(width, 1):
            together = np.unique(together, return_inverse=True)[1].astype(np.int64)
            bound = groups = int(together.max(initial=-1)) + 1
        together = together * width + (code - low)
        bound *= width
    return np.unique(together, return_inverse=True)[1].astype(np.int64)


def join_pairs(n: int, left: Int, right: Int) -> Int:
    """(n,) group numbers after joining the pairs, and what hangs together through them."""
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def coarse(group: Int) -> bool:
    """Whether more than `COARSE` of the rows are copies, so that to be alike means nothing."""
    group = number_groups(group)
    return bool((np.bincount(group)[group] > 1).mean() > COARSE)


def copy_reason(group: Int, reason: str) -> str:
    """The reason, or why nothing was flagged."""
    return f"more than {COARSE:.0%} of the rows are copies, so unlike labels mean nothing" if coarse(group) else reason


def judge_copies(group: Int, y: Int | None) -> tuple[Float, Bool]:
    """(n,) scores and (n,) flags for rows in groups of copies.

    A row alone scores 0; a copy scores towards `COPY_SCORE` with the size of its group; a copy whose label is not the
    clear usual one of its group scores above, up to 1 with the share of the others, and is flagged. Unlabelled rows
    (MISSING, or `y` None) are only copies. Nothing is flagged where content is coarse (`coarse`).

    >>> score, flag = judge_copies(np.array([0, 0, 0, 1, 2, 3]), np.array([1, 1, 0, 1, 0, 0]))
    >>> score.round(2).tolist(), flag.tolist()
    ([0.33, 0.33, 0.83, 0.0, 0.0, 0.0], [False, False, True, False, False, False])
    """
    group = number_groups(group)
    size = np.bincount(group)[group]
    score = COPY_SCORE * (1 - 1 / size)
    flag = np.zeros(len(group), bool)
    known = np.zeros(len(group), bool) if y is None else (y != MISSING)
    if y is None or not known.any() or coarse(group):
        return score, flag
    labels = int(y.max()) + 1
    cell = group[known] * labels + y[known]
    kinds, back, count = np.unique(cell, return_inverse=True, return_counts=True)
    total = np.bincount(group[known], minlength=group.max() + 1)
    share = count / total[kinds // labels]
    doubtful = share[back] < CLEAR_MAJORITY
    rows = np.flatnonzero(known)[doubtful]
    flag[rows] = True
    score[rows] = COPY_SCORE + (1 - COPY_SCORE) * (1 - share[back][doubtful])
    return score, flag
