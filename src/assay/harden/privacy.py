"""How much privacy noisy training gives, and what that is worth against k poisons.

Neighbours: two training sets that differ in one unit (a row, or a contributor), which in one of them counts for nothing ("zero-out";
Kairouz et al. 2021, Practical and Private (Deep) Learning, section 2). The number of rows is public. A changed row is one taken out and
one put in.

- `gaussian_epsilon`: T releases of everything with noise multiplier s are, exactly, one Gaussian mechanism with mu = sqrt(T) / s (Dong,
  Roth & Su 2022, Gaussian Differential Privacy, corollary 2), whose exact epsilon is Balle & Wang (2018, theorem 8).
- `sampled_epsilon`: where each step sees a Poisson sample, Renyi DP at whole orders (Mironov, Talwar & Zhang 2019, equation 6), added up
  over steps (Mironov 2017, proposition 1) and turned into epsilon (Canonne, Kamath & Steinke 2020, proposition 12). An upper bound.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp
from scipy.stats import norm

ORDERS = np.r_[2:64, 64:513:16]  # of Renyi DP; the best is 2 to 30 at the noise that heads need, higher with little loss of privacy
MOST_NOISE = 1e6  # beyond which nothing would be learnt
CLOSE = 1e-6  # relative, of the noise found


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The least epsilon of a Gaussian mechanism with sensitivity over noise `mu`, at `delta`.

    >>> round(gaussian_epsilon(1.0, 1e-5), 3)
    4.377
    """

    def excess(epsilon: float) -> float:
        return float(norm.cdf(mu / 2 - epsilon / mu) - np.exp(epsilon + norm.logcdf(-mu / 2 - epsilon / mu)) - delta)

    if excess(0.0) <= 0:
        return 0.0
    high = 1.0
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, 0.0, high, xtol=1e-12, rtol=1e-12))


def sampled_epsilon(noise: float, steps: int, rate: float, delta: float) -> float:
    """An upper bound on epsilon of `steps` steps, each with noise multiplier `noise` on a Poisson sample at `rate` in (0, 1].

    >>> round(sampled_epsilon(4.0, 10_000, 0.01, 1e-5), 2)  # Abadi et al. (2016, section 3.2) have 1.26 with a looser conversion
    1.04
    """
    orders = ORDERS.astype(np.float64)
    spent = steps * np.array([_renyi(int(order), noise, rate) for order in ORDERS])
    epsilon = spent + np.log1p(-1 / orders) - (np.log(delta) + np.log(orders)) / (orders - 1)
    return float(max(epsilon.min(), 0.0))


def epsilon_of(noise: float, steps: int, rate: float, delta: float) -> float:
    """Epsilon of noisy gradient descent: exact where every step sees every row, else a bound."""
    return gaussian_epsilon(np.sqrt(steps) / noise, delta) if rate == 1 else sampled_epsilon(noise, steps, rate, delta)


@lru_cache(maxsize=256)
def noise_for(epsilon: float, delta: float, steps: int, rate: float = 1.0) -> float:
    """The least noise multiplier at which training spends no more than `epsilon`. ValueError where none does.

    >>> noise = noise_for(1.0, 1e-5, 50)
    >>> 0.9999 < epsilon_of(noise, 50, 1.0, 1e-5) <= 1.0
    True
    """
    low, high = 1e-3, 1e-2
    while epsilon_of(high, steps, rate, delta) > epsilon:
        low, high = high, high * 2
        if high > MOST_NOISE:
            raise ValueError(f"no noise gives epsilon {epsilon} at delta {delta} over {steps} steps; ask for more of either")
    while high - low > CLOSE * high:
        middle = (low + high) / 2
        low, high = (middle, high) if epsilon_of(middle, steps, rate, delta) > epsilon else (low, middle)
    return high  # of the two ends the one that keeps the promise


def raised_gaussian(probability: float, poisons: int, mu: float) -> float:
    """**Guarantee**: an outcome that has this probability without `poisons` units has at most this one with them, exactly.

    Groups of a Gaussian mechanism are one with k mu (Dong, Roth & Su 2022, theorem 6).

    >>> round(raised_gaussian(0.01, 1, 0.25), 4), round(raised_gaussian(0.01, 10, 0.25), 4)
    (0.0189, 0.5689)
    """
    return float(norm.cdf(norm.ppf(probability) + poisons * mu))


def raised(probability: float, poisons: int, epsilon: float, delta: float) -> float:
    """**Guarantee**: as above, from epsilon and delta alone: e^(k eps) p + delta (e^(k eps) - 1) / (e^eps - 1), at most 1.

    Group privacy (Dwork & Roth 2014, theorem 2.2 and its (eps, delta) form; against poison Ma, Zhu & Hsu 2019, theorem 2).

    >>> round(raised(0.01, 1, 1.0, 0.0), 4), raised(0.01, 10, 1.0, 1e-5)
    (0.0272, 1.0)
    """
    if poisons * epsilon > 700:  # exp overflows, and the bound is long past 1
        return float(probability > 0 or (delta > 0 and poisons > 0))
    more = np.expm1(poisons * epsilon) / np.expm1(epsilon) if epsilon > 0 else float(poisons)
    return float(min(1.0, np.exp(poisons * epsilon) * probability + delta * more))


def _renyi(order: int, noise: float, rate: float) -> float:
    """Renyi divergence of one step at a whole order."""
    if rate == 1:
        return order / (2 * noise**2)
    j = np.arange(order + 1)
    choose = gammaln(order + 1) - gammaln(j + 1) - gammaln(order - j + 1)
    terms = choose + (order - j) * np.log1p(-rate) + j * np.log(rate) + j * (j - 1) / (2 * noise**2)
    return float(logsumexp(terms)) / (order - 1)
