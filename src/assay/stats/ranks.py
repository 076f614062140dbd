"""Do these values stand low among those? A test by ranks alone.

If the carriers are exchangeable with the reference, `low_rank_e` is an e-value: its expectation is at most 1, so that
P(e >= 1/alpha) <= alpha. It is the product of betting densities on sequential conformal ranks (Vovk, Gammerman & Shafer 2022,
Algorithmic Learning in a Random World, ch. 8), averaged over how strongly to bet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Floats = NDArray[np.float64]

# Betting densities kappa * u^(kappa - 1) on [0, 1]: from a strong to a faint lean to low ranks.
KAPPAS = np.array([0.03, 0.08, 0.15, 0.25, 0.4, 0.6])


def conformal_ranks(carriers: Floats, reference: Floats) -> Floats:
    """(a,) for each carrier the share of reference, earlier carriers and itself that is no larger: super-uniform in (0, 1].

    Under exchangeability the ranks are jointly super-uniform given the past, so betting products on them are e-values.

    >>> conformal_ranks(np.array([0.0, 5.0]), np.array([1.0, 2.0, 3.0]))
    array([0.25, 1.  ])
    """
    carriers = np.asarray(carriers, float)
    below = np.searchsorted(np.sort(reference), carriers, side="right")
    earlier = np.tril(carriers[None, :] <= carriers[:, None], -1).sum(1)
    return (below + earlier + 1) / (len(reference) + np.arange(1, len(carriers) + 1))


def log_bets(u: Floats) -> Floats:
    """(len(u), kappas) log densities of each bet at each rank."""
    return np.log(KAPPAS)[None, :] + (KAPPAS - 1)[None, :] * np.log(np.asarray(u, float))[:, None]


def log_mixture(sums: Floats) -> Floats:
    """Log of the mean over bets of their products; `sums` (..., kappas) are sums of `log_bets` over carriers."""
    return np.asarray(logsumexp(sums, axis=-1) - np.log(len(KAPPAS)))


def low_rank_e(carriers: Floats, reference: Floats) -> float:
    """Natural log of an e-value against "the carriers are exchangeable with the reference".

    >>> low_rank_e(np.zeros(20), np.linspace(1, 2, 500)) > 30
    True
    """
    if not len(carriers):
        return 0.0
    return float(log_mixture(log_bets(conformal_ranks(carriers, reference)).sum(0)))
