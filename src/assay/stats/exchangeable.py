"""Are new rows drawn like the old ones? p-values that are exact where both are exchangeable, whatever their law.

Guarantee of each function: if the m new rows and the n old ones are exchangeable, P(p <= a) <= a. Nothing is assumed of the law, and
nothing of the old rows is needed but a few counts and order statistics, so that they can be kept in a small file. Ties make the tests
conservative. They say nothing of rows that depend on one another (copies, tracks): such rows count as several.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import hypergeom

Int = NDArray[np.int64]


def more_beyond(beyond: int, new: int, rank: int, old: int) -> float:
    """p-value of `beyond` new values above the `rank`-th smallest (1-based) of `old` old ones, or more of them.

    For values below it, count ranks from the other end. Exceedances of an order statistic (Gumbel and von Schelling 1950, Annals of
    Mathematical Statistics 21): at least k new values exceed it exactly where it is not among the k + old - rank highest of all.

    >>> round(more_beyond(1, 1, 99, 99), 4)  # one new row above the highest of 99
    0.01
    >>> more_beyond(0, 50, 10, 99)
    1.0
    """
    if not 1 <= rank <= old:
        raise ValueError(f"a rank lies between 1 and {old}, got {rank}")
    if beyond <= 0:
        return 1.0
    return min(float(hypergeom.cdf(old - rank, new + old, old, beyond + old - rank)), 1.0)


def more_often(marked: int, new: int, seen: int, old: int) -> float:
    """p-value of `marked` of `new` rows with some mark, or more, where `seen` of `old` rows have it (Fisher's exact test, one-sided).

    >>> round(more_often(5, 10, 0, 10), 4)
    0.0163
    """
    if marked <= 0:
        return 1.0
    return min(float(hypergeom.sf(marked - 1, new + old, marked + seen, new)), 1.0)


def unseen_values(old: Int, new: Int) -> float:
    """p-value of the values that only new rows have. `old`, `new`: (values,) counts of each value that occurs, in one order.

    Given the pooled counts, a value of c rows falls among the new rows alone with probability q(c). Two statistics, each at half
    the level: how many values do so (their indicators are negatively associated, Joag-Dev and Proschan 1983, so that Chernoff's bound
    holds), and how many rows the commonest of them has (a union bound over all values of as many rows). So one typing error among
    names that hardly recur says nothing, and a new value of many rows, or among values that all recur often, says much.

    >>> unseen_values(np.array([500, 500, 0]), np.array([50, 40, 10])) < 1e-8
    True
    >>> unseen_values(np.r_[np.ones(100, int), 0], np.r_[np.zeros(100, int), 1]) > 0.05
    True
    """
    old, new = np.asarray(old, np.int64), np.asarray(new, np.int64)
    fresh = (old == 0) & (new > 0)
    if not fresh.any():
        return 1.0
    n, m = int(old.sum()), int(new.sum())
    copies = old + new
    # q(c) = C(n + m - c, m - c) / C(n + m, m): all c copies among the new rows
    fits = copies <= m
    log_q = np.full(len(copies), -np.inf)
    c = copies[fits].astype(np.float64)
    log_q[fits] = gammaln(n + m - c + 1) - gammaln(m - c + 1) - gammaln(n + m + 1) + gammaln(m + 1)
    q = np.exp(np.minimum(log_q, 0.0))
    many = _chernoff(int(fresh.sum()), float(q[copies > 0].sum()))
    most = int(new[fresh].max())
    large = float(q[copies >= most].sum())
    return min(1.0, 2 * min(many, large))


def _chernoff(count: int, mean: float) -> float:
    """Bound on P(S >= count) for a sum of negatively associated indicators of this mean."""
    if count <= mean:
        return 1.0
    if mean <= 0:
        return 0.0
    return math.exp(min(count - mean - count * math.log(count / mean), 0.0))
