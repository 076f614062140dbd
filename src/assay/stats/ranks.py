"""Do these values stand low among those? A test by ranks alone.

If the carriers are exchangeable with the reference, `low_rank_e` is an e-value: its expectation is at most 1, so that
P(e >= 1/alpha) <= alpha. It is the exact likelihood ratio of the observed rank order under Lehmann alternatives (the carriers follow
F to the power kappa; Savage 1956, Ann. Math. Statist. 27, Theorem 7.a.1), averaged over kappa: over all orders it sums to 1.

`log_bets` is the same bet on each rank by itself, for a first look at many candidates at once: close to exact where carriers are few
beside the reference, but it is not what convicts.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import mannwhitneyu

Floats = NDArray[np.float64]

# Betting densities kappa * u^(kappa - 1) on [0, 1]: from a strong to a faint lean to low ranks.
KAPPAS = np.array([0.03, 0.08, 0.15, 0.25, 0.4, 0.6])

EXACT = 50_000  # pairs up to which the exact law of Mann and Whitney's count is worth its time (some .05 s; it grows with the square)


def stands_low(carriers: Floats, reference: Floats) -> float:
    """P-value by Mann and Whitney of carriers (a,) that stand no lower than the reference (b,).

    Exact for few values without ties; else by the normal law, whose lower tail is the heavier one where the carriers are few.

    >>> round(stands_low(np.array([0.0, 0.1]), np.arange(1, 9.0)), 4)
    0.0222
    """
    method: Literal["auto", "asymptotic"] = "auto" if len(carriers) * len(reference) <= EXACT else "asymptotic"
    return float(mannwhitneyu(carriers, reference, alternative="less", method=method).pvalue)


def log_bets(u: Floats) -> Floats:
    """(len(u), kappas) log densities of each bet at each rank."""
    return np.log(KAPPAS)[None, :] + (KAPPAS - 1)[None, :] * np.log(np.asarray(u, float))[:, None]


def log_mixture(sums: Floats) -> Floats:
    """Log of the mean over bets of their products; `sums` (..., kappas) are sums of `log_bets` over carriers."""
    return np.asarray(logsumexp(sums, axis=-1) - np.log(len(KAPPAS)))


def log_order_ratios(carriers: Floats, reference: Floats) -> Floats:
    """(kappas,) log likelihood ratio of the rank order, Lehmann alternative against exchangeability. Ties count against low ranks.

    >>> log_order_ratios(np.array([0.0]), np.array([])).round(6).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    values = np.concatenate([reference, carriers])
    mine = np.repeat([0.0, 1.0], [len(reference), len(carriers)])
    order = np.lexsort((mine, values))
    ours = np.cumsum(mine[order])
    rank = np.arange(1, len(values) + 1)
    weighted = (rank - ours)[None, :] + KAPPAS[:, None] * ours[None, :]
    return np.asarray(len(carriers) * np.log(KAPPAS) + np.log(rank).sum() - np.log(weighted).sum(1))


def low_rank_e(carriers: Floats, reference: Floats) -> float:
    """Natural log of an e-value against "the carriers are exchangeable with the reference".

    >>> low_rank_e(np.zeros(20), np.linspace(1, 2, 500)) > 30
    True
    """
    return float(log_mixture(log_order_ratios(np.asarray(carriers, float), np.asarray(reference, float))))
