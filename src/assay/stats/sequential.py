"""Has the mean of a stream changed? Tests that may be looked at after every value, for ever.

The guarantee. Values lie in [0, 1], and while nothing has changed the mean of the next one, given all that went before, is at
most m. Then `advance` keeps E[S_t] <= (ticks given so far), so that an alarm at S >= A

    has an average run length of at least A ticks before it is false, and
    P(a false alarm within T ticks) <= T / A,

whatever the dependence between values (Shin, Ramdas, Rinaldo 2023, "E-detectors", section 2: S is a Shiryaev-Roberts e-detector; the
second line is Markov's inequality at the alarm or T, whichever is first). The weighted sum of several detectors, weights adding to
1, is again one: that is how many streams share one budget, and e-BH on them names which (`which_alarm`).

Each detector is the average over a grid of bets (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by
betting"): a large bet is quick where the change is large, a small one sees what is small. What it cannot see: a change that leaves the
mean of the value within its bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from assay.stats.multiple import e_bh

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Bets as shares of the largest allowed, 1 / m. Halves: no change falls further than a factor sqrt(2) from its best bet, which
# costs under a tenth of its growth. The greatest is below 1, so that one value never ruins a bet; the least fits a change of one
# fiftieth of m in a value of variance about m.
FRACTIONS = 0.9 * 0.5 ** np.arange(8)
SMALLEST = 1e-4  # no bound is taken below this: products over CHUNK values then stay within a float
CHUNK = 64  # values multiplied together in one step: (0.9 / SMALLEST) ** CHUNK < 1e308
CEILING = 1e50  # S is held below this between steps, far above any threshold, for the same reason; a lesser S is still valid
BLOCK = 4  # values of a stream that `grown` takes together: an alarm is at most three values late, and cost is a third
FEW = 12  # streams up to which cumulative products are quicker than a step a value (measured)
POWERS = FRACTIONS ** np.arange(1, BLOCK + 1)[:, None]
PRODUCT = 4096  # columns of one product of matrices: within a processor's cache, and too few for BLAS to begin threads beside ours
EQUAL = np.full(len(FRACTIONS), 1 / len(FRACTIONS))
SPREADS = (0.5, 0.25, 0.125, 0.0625)  # standard deviations that `lower_bound` prepares for: half is the most there is in [0, 1]
HALVINGS = 30  # of [0, 1] by bisection: 1e-9


def factors(x: Floats, m: Floats) -> Floats:
    """(n, k, bets) what each bet on "the mean is above m" is multiplied by: 1 + f (x / m - 1), mean at most 1 under the null.

    `x` (n, k) in [0, 1], NaN where there is no value (factor 1); `m` (k,).

    >>> factors(np.array([[1.0], [0.0], [np.nan]]), np.array([0.5]))[:, 0, 0].round(3).tolist()
    [1.9, 0.1, 1.0]
    """
    over = x / np.maximum(m, SMALLEST) - 1
    over[np.isnan(over)] = 0.0
    out = over[..., None] * FRACTIONS
    out += 1
    return out


def advance(state: Floats, x: Floats, m: Floats, ticks: Floats) -> Floats:
    """(n, k) the detectors S of k streams after each of n values; `state` (k, bets) is moved on in place, from zeros at first.

    `ticks` (n,) how many ticks of the clock passed since the value before: 1 where every value is a tick, more for a stream that
    is seen now and then, 0 where the clock stands. S_t = (S_(t-1) + ticks) times its factor, averaged over bets.
    """
    out = np.empty(x.shape)
    for start in range(0, len(x), CHUNK):
        part = slice(start, start + CHUNK)
        path = (_by_value if len(m) > FEW else _by_product)(state, factors(x[part], m), ticks[part])
        np.minimum(path[-1], CEILING, out=state)
        out[part] = path @ EQUAL
    return out


def _by_value(state: Floats, grown: Floats, ticks: Floats) -> Floats:
    """The recursion as it is written, a value at a time for all streams: quicker for many streams. Both overwrite `grown`."""
    before = state
    for t in range(len(grown)):
        grown[t] *= before + ticks[t]
        before = grown[t]
    return grown


def _by_product(state: Floats, grown: Floats, ticks: Floats) -> Floats:
    """The same as cumulative products, P_t (S_0 + sum of ticks_s / P_(s-1)): quicker for few streams."""
    np.multiply.accumulate(grown, axis=0, out=grown)
    begun = np.empty_like(grown)
    begun[0] = ticks[0]
    np.divide(ticks[1:, None, None], grown[:-1], out=begun[1:])
    np.add.accumulate(begun, axis=0, out=begun)
    begun += state
    begun *= grown
    return begun


def grown(over: Floats) -> Floats:
    """(bets, n, k) what bets are multiplied by over blocks of BLOCK values; `over` (n, BLOCK, k) is x / m - 1, 0 where there is no value.

    The product of (1 + f o) over a block is a polynomial in the bet f, whose coefficients are the elementary symmetric polynomials of the
    o: they are found once, for all bets. A detector may be moved on by whole blocks, all its ticks given at the beginning of the
    block: E[S] still never passes the ticks given so far.

    >>> grown(np.array([[[1.0], [-1.0], [0.0], [0.0]]]))[0, 0, 0].round(3)
    np.float64(0.19)
    """
    terms = np.empty((BLOCK, len(over), over.shape[2]))
    _symmetric(over, terms)
    flat, out = terms.reshape(BLOCK, -1), np.empty((len(FRACTIONS), terms[0].size))
    for start in range(0, out.shape[1], PRODUCT):  # along the memory: a stack of small products is slower for few streams
        some = out[:, start : start + PRODUCT]
        np.matmul(POWERS.T, flat[:, start : start + PRODUCT], out=some)
        some += 1
    return out.reshape(len(FRACTIONS), *terms.shape[1:])


def grown_in_turn(over: Floats) -> Floats:
    """(n, bets, k) the same, a block after the other: quicker to go through where k is hundreds.

    >>> over = np.linspace(-1, 1, 24).reshape(2, 4, 3)
    >>> np.allclose(grown_in_turn(over), np.moveaxis(grown(over), 0, 1))
    True
    """
    terms = np.empty(over.shape)
    _symmetric(over, np.moveaxis(terms, 1, 0))
    out = POWERS.T @ terms
    out += 1
    return np.asarray(out, np.float64)


def _symmetric(over: Floats, out: Floats) -> None:
    """The elementary symmetric polynomials of each block's values into `out` (BLOCK, n, k)."""
    a, b, c, d = over[:, 0], over[:, 1], over[:, 2], over[:, 3]
    first, second, left, right = a + b, c + d, a * b, c * d
    np.add(first, second, out=out[0])
    np.multiply(first, second, out=out[1])
    out[1] += left
    out[1] += right
    first *= right
    second *= left
    np.add(first, second, out=out[2])
    np.multiply(left, right, out=out[3])


def which_alarm(value: Floats, weight: Floats, run_length: float) -> NDArray[np.bool_]:
    """(k,) which streams raise an alarm, by weighted e-BH. `value` (k,) their detectors S; `weight` (k,) shares of one budget, adding to at
    most 1; `run_length` A for all of them together.

    While nothing changes anywhere, the run length before any alarm is at least A. Where some streams have changed, the expected share
    of false ones among the alarms, at any stopping time T, is at most E[T] / A (Dandapanthula and Ramdas 2025, "Multiple testing in
    multi-stream sequential change detection").

    >>> which_alarm(np.array([3e3, 3e3, 1.0]), np.full(3, 1 / 3), 1.5e3)
    array([ True,  True, False])
    """
    with np.errstate(divide="ignore"):
        return e_bh(np.log(value) + np.log(weight), total=1, alpha=1 / run_length)


def lower_bound(x: Floats, miss: float) -> float:
    """A bound below the mean of independent values `x` (n,) in [0, 1], wrong with probability at most `miss`, at any n.

    By betting against each candidate mean with bets fixed beforehand (Waudby-Smith and Ramdas 2024, section 4); for values that are all
    0 or 1, Clopper and Pearson's. No values: 0.
    """
    n = len(x)
    if n == 0:
        return 0.0
    if np.isin(x, (0.0, 1.0)).all():
        hits = int(x.sum())
        return 0.0 if hits == 0 else float(beta.ppf(miss, hits, n - hits + 1))
    bets = [min(0.9, float(np.sqrt(2 * np.log(1 / miss) / n)) / spread) for spread in SPREADS]
    needed = np.log(len(bets) / miss)
    low, high = 0.0, float(x.mean())
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        wealth = np.logaddexp.reduce([np.log1p(bet * (x - middle)).sum() for bet in bets])
        low, high = (middle, high) if wealth >= needed else (low, middle)
    return low


def mean_bounds(x: Floats, miss_low: float, miss_high: float) -> tuple[float, float]:
    """(low, high) around the mean of independent values in [0, 1]: each wrong with probability at most its `miss`.

    >>> low, high = mean_bounds(np.linspace(0, 1, 1001), 0.01, 0.01)
    >>> 0.46 < low < 0.49, 0.51 < high < 0.54
    (True, True)
    """
    return lower_bound(x, miss_low), 1 - lower_bound(1 - x, miss_high)
