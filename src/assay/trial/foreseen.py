"""How often do rows that say as much have the label? A probe's probabilities, checked on rows that have lost as much as the carriers.

A probe that reads a row without its most telling part knows less than it says: it was taught on whole rows. Of a natural kind with a
phrase taken out (240 messages of a news feed) it foresees 84 % ham where nine in ten of the rows that say as much are ham. `foreseen`
counts them: of the `NEAR` other rows that say as much or a little more, each with its own most supporting part removed, the share that
have the label, at the upper end of what so many rows leave open. Support that means more where it is greater makes this too much rather
than too little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NEAR = 100  # rows a share is counted from: known to some ten points at worst; a set of few hundred rows has so many of a kind
SURE = 0.975  # that the share of all such rows is no greater: the upper end of a 95 % Clopper-Pearson interval


def foreseen(support: Floats, others: Floats, labelled: Bools) -> Floats:
    """(m,) for each `support` (m,): the greatest share of a label that the rows with as much or a little more leave open.

    `others` (n,): the support for that label of other rows, whole ties taken; `labelled` (n,): which of them have it.

    >>> others = np.repeat([0.1, 0.8], 400)
    >>> foreseen(np.array([0.1, 0.8]), others, np.arange(800) % 400 < 40 + 280 * (others > 0.5)).round(2).tolist()
    [0.13, 0.84]
    """
    if not len(others):
        return np.ones(len(support))
    order = np.argsort(others, kind="stable")
    values, hits = others[order], np.r_[0, np.cumsum(labelled[order])]
    first = np.minimum(np.searchsorted(values, support), max(len(values) - NEAR, 0))
    last = np.maximum(np.searchsorted(values, support, side="right"), np.minimum(first + NEAR, len(values)))
    seen, with_it = last - first, hits[last] - hits[first]
    upper = beta.ppf(SURE, with_it + 1, np.maximum(seen - with_it, 1))
    return np.where(with_it == seen, 1.0, upper)
