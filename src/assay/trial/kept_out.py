"""Rows on trial that a second probe is taught without: as many as leave it something to learn from.

Where texts repeat a few sentences, or tables a few values, most rows of a class may hold something that is tried; a probe without them all
knows nothing of that class, and would give every row another.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]

LEFT = 0.5  # of each label's rows, that stay


def kept_out(carriers: Iterable[Int], y: Int, widest: float) -> NDArray[np.bool_]:
    """(n,) the rows of these candidates, strongest first, while each label of `y` (n,) keeps half of its rows, or one alone has more.

    Who would take more from a label, or holds over `widest` of all rows, is passed over: those rows teach, as they did before. A y of -1
    is no label.

    >>> y = np.repeat([0, 1], [90, 10])
    >>> np.flatnonzero(kept_out([np.arange(93, 100), np.arange(90, 94), np.arange(3)], y, 0.1))
    array([ 0,  1,  2, 93, 94, 95, 96, 97, 98, 99])
    """
    out = np.zeros(len(y), bool)
    labels = y + 1
    size = int(labels.max(initial=0)) + 1
    half = np.bincount(labels, minlength=size) * (1 - LEFT)
    for rows in carriers:
        fresh = rows[~out[rows]]
        if len(rows) > widest * len(y):
            continue
        more = np.bincount(labels[fresh], minlength=size)
        taken = np.bincount(labels[out], minlength=size) + more
        if not ((more > 0) & (taken > half) & (taken > np.bincount(labels[rows], minlength=size))).any():
            out[rows] = True
    return out
