"""Is a group over-represented among chosen rows?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import hypergeom

Int = NDArray[np.int64]
Floats = NDArray[np.float64]


def enrichment(drawn: Int, of: Int, chosen: int, total: int) -> Floats:
    """(groups,) P(a group of `of` rows has `drawn` or more among the `chosen`), if those were any of the `total` rows.

    The upper tail of the hypergeometric distribution (Fisher 1935's exact test, one-sided), each group by itself. It assumes that
    one row is chosen like another; where groups differ in what they bring (specialists), a small value says that the chosen
    rows are theirs, and not that they did wrong.

    >>> enrichment(np.array([3]), np.array([3]), 3, 10).round(6).tolist()
    [0.008333]
    """
    return np.asarray(hypergeom.sf(np.asarray(drawn) - 1, total, np.asarray(of), chosen), float)


def log_enrichment(drawn: Int, of: Int, chosen: Int, total: int) -> Floats:
    """(m,) natural logs of the same tails, each of `chosen` (m,) rows of its own; they go on where floats end.

    Above what is expected: the chance of `drawn` itself, and the terms after it by their ratios until they add nothing, a few dozen
    far out in the tail.

    >>> log_enrichment(np.array([2, 0]), np.array([2, 3]), np.array([2, 4]), 4).round(4).tolist()
    [-1.7918, 0.0]
    """
    above = drawn * total > of * chosen
    logs = np.zeros(len(drawn))
    k, mine, taken = (x[above].astype(float) for x in (drawn, of, chosen))
    logs[above] = _log_tail(k, mine, taken, float(total))
    logs[~above] = hypergeom.logsf(drawn[~above] - 1, total, of[~above], chosen[~above])
    return np.minimum(logs, 0.0)


def _log_tail(k: Floats, of: Floats, chosen: Floats, total: float) -> Floats:
    """Logs of P(k or more), k above the mean."""
    first = _log_ways(of, k) + _log_ways(total - of, chosen - k) - _log_ways(total, chosen)
    term, tail, going = np.ones(len(k)), np.ones(len(k)), np.arange(len(k))
    at = k.copy()
    while len(going):
        here, mine, taken = at[going], of[going], chosen[going]
        term[going] *= (mine - here) * (taken - here) / ((here + 1) * (total - mine - taken + here + 1))
        tail[going] += term[going]
        at[going] += 1
        going = going[term[going] > np.finfo(float).eps * tail[going]]
    return np.asarray(first + np.log(tail))


def _log_ways(n: Floats | float, k: Floats) -> Floats:
    """Logs of n over k."""
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
