"""How often do rows that say as much have the label? A probe's probabilities, checked on rows that have lost as much as the carriers.

A probe that reads a row without its most telling part knows less than it says: it was taught on whole rows. Of a natural kind with a
phrase taken out (240 messages of a news feed) it foresees 84 % ham where nine in ten of the rows that say as much are ham. `foreseen`
counts them: of the other rows that say as much or a little more, each with its own most supporting part removed, the share that have the
label, at the upper end of what so many rows leave open. Support that means more where it is greater makes this too much rather than too
little, and the more so the further it reaches; few rows leave more open. So the nearest are counted in each of the `WINDOWS`, and the least
is taken: of 800 messages the 56 spams that no one relabelled are soon past, and a hundred rows reach far into the ham.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Int = NDArray[np.int64]

WINDOWS = (12, 25, 50, 100)  # rows a share is counted from: a dozen leave a fifth open at best, a hundred know it to some ten points
SURE = 1 - 0.025 / len(WINDOWS)  # that the share of all such rows is no greater: upper ends of Clopper-Pearson intervals, 97.5 % together


def foreseen(support: Floats, others: Floats, labelled: Bools) -> Floats:
    """(m,) for each `support` (m,): the greatest share of a label that the rows with as much or a little more leave open.

    `others` (n,): the support for that label of other rows, whole ties taken; `labelled` (n,): which of them have it.

    >>> others = np.repeat([0.1, 0.8], 400)
    >>> foreseen(np.array([0.1, 0.8]), others, np.arange(800) % 400 < 40 + 280 * (others > 0.5)).round(2).tolist()
    [0.14, 0.85]
    """
    if not len(others):
        return np.ones(len(support))
    order = np.argsort(others, kind="stable")
    values, hits = others[order], np.r_[0, np.cumsum(labelled[order])]
    start, ties = np.searchsorted(values, support), np.searchsorted(values, support, side="right")
    return np.min([_within(window, start, ties, hits) for window in WINDOWS], axis=0)


def _within(window: int, start: Int, ties: Int, hits: Int) -> Floats:
    """(m,) the upper limit by so many of the n rows from `start` on, those before `ties` in any case; `hits` (n + 1,): labelled before."""
    rows = len(hits) - 1
    first = np.minimum(start, max(rows - window, 0))
    last = np.maximum(ties, np.minimum(first + window, rows))
    seen, with_it = last - first, hits[last] - hits[first]
    upper = beta.ppf(SURE, with_it + 1, np.maximum(seen - with_it, 1))
    return np.where(with_it == seen, 1.0, upper)
