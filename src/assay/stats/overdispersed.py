"""Counts that vary more than coin tosses do: is one of many groups out of line with the spread of the others?

Every group tosses its own coins: in cell c it has `trials` n, of which `hits` d came up, where m were `expected`. Groups differ by
nature, so d is taken as beta-binomial: its rate is drawn around m / n, with intra-group correlation rho. How far groups differ is not
known: either rho is one for all rates, or it grows with the rate as it does when groups differ by a shift of log odds with standard
deviation tau. Every group is judged under what the *other* groups make likely, a mixture over `SPREADS` with their likelihood as weights.
Few others leave the mixture wide, and the evidence faint: that is as it should be. A few others may be out of line themselves (two-groups
model: Efron 2008, Stat. Sci. 23): that share of them, `TAINTED`, does not widen it.

`log_excess_e` is the natural log of a likelihood ratio: some share of the trials that would not have been hits were turned into hits
(a mixture over `SHIFTS`), against the null above. Under that null its expectation is at most 1 (trials of one cell with unequal
chances vary less than the binomial of their mean, so the null errs to the side of caution). The null is fitted, not known: it promises as
much as the other groups resemble this one in how they differ. Source of the model: Skellam 1948, J. R. Stat. Soc. B 10.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, logsumexp

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

# (rho, tau): from coin tosses to groups that each have a rate of their own
SPREADS = ((1e-4, 0.0), *((r, 0.0) for r in (0.003, 0.01, 0.03, 0.1, 0.25)), *((0.0, t) for t in (0.25, 0.5, 0.75, 1.0, 1.5)))
Spreads = tuple[tuple[float, float], ...]
SHIFTS = np.array([0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95])  # share of what is not a hit that was turned into one, in the alternative
RATES = (1e-4, 0.95)  # no probe is trusted to know a rate beyond these
TAINTED = 0.05  # prior share of groups that are out of line
CAP, PASSES = 3.0, 3  # standard deviations; rounds, after which a direction that the probe foresees badly in all groups is corrected
PRIOR = 1.0  # hits and expected hits added to those of the other groups, before what all of a cell have in common is told from them


@dataclass(frozen=True)
class Counted:
    """(m,) one line a group and cell that say anything; cells are directions such as "class a, labelled b"."""

    group: Int
    cell: Int
    trials: Floats
    hits: Floats
    expected: Floats


def correlation(rate: Floats, spreads: Spreads = SPREADS) -> Floats:
    """(m, spreads) rho of each line under each of `spreads`. A logit with variance tau^2 has a rate with variance (tau m (1 - m))^2."""
    columns = []
    for rho, tau in spreads:
        variance = tau**2 * rate * (1 - rate)
        columns.append(np.full(len(rate), rho) if rho else variance / (1 + variance))
    return np.stack(columns, 1)


def log_mass(hits: Floats, trials: Floats, rate: Floats, rho: Floats) -> Floats:
    """Log beta-binomial mass without the binomial coefficient, which cancels in ratios. Counts need not be whole.

    >>> round(float(np.exp(log_mass(np.array([1.0]), np.array([1.0]), np.array([0.3]), np.array([0.1])))[0]), 6)
    0.3
    """
    concentration = (1 - rho) / rho
    a, b = rate * concentration, (1 - rate) * concentration
    return np.asarray(betaln(hits + a, trials - hits + b) - betaln(a, b))


def rates(counted: Counted, cells: int) -> Floats:
    """(m,) the expected rate of each line, corrected by how the cell's hits in the *other* groups compare with those expected.

    A group counts there with no more hits than `CAP` standard deviations above what is expected of it, so that some that are out
    of line do not make it the rule.
    """
    corrected = counted.expected
    for _ in range(PASSES):
        hits = np.minimum(counted.hits, corrected + CAP * np.sqrt(corrected + 1))
        others = np.bincount(counted.cell, hits, minlength=cells)[counted.cell] - hits
        foreseen = np.bincount(counted.cell, counted.expected, minlength=cells)[counted.cell] - counted.expected
        corrected = counted.expected * (others + PRIOR) / (foreseen + PRIOR)
    return np.clip(corrected / np.maximum(counted.trials, 1e-12), *RATES)


def log_weights(counted: Counted, rate: Floats, groups: int, cells: int, spreads: Spreads = SPREADS) -> Floats:
    """(groups, spreads) log posterior weight of each spread for each group, from the other groups alone."""
    null, turned = _masses(counted, rate, spreads)
    natural = _per_group(null, counted.group, groups)
    present = np.unique(counted.group)
    turned_in = np.full((groups, len(spreads)), -np.inf)
    np.logaddexp.at(turned_in, counted.group, turned - null)
    own = natural.copy()
    own[present] += np.logaddexp(np.log(1 - TAINTED), np.log(TAINTED) + turned_in[present] - np.log(cells))
    others = own.sum(0) - own
    return np.asarray(others - logsumexp(others, axis=1, keepdims=True))


def _masses(counted: Counted, rate: Floats, spreads: Spreads) -> tuple[Floats, Floats]:
    """(m, spreads) log masses of each line: at its natural rate, and with a share of what is not a hit turned into hits."""
    rho = correlation(rate, spreads)
    hits, trials, natural = counted.hits[:, None], counted.trials[:, None], rate[:, None]
    turned = logsumexp([log_mass(hits, trials, natural + s * (1 - natural), rho) for s in SHIFTS], axis=0) - np.log(len(SHIFTS))
    return log_mass(hits, trials, natural, rho), np.asarray(turned)


def _per_group(lines: Floats, group: Int, groups: int) -> Floats:
    return np.stack([np.bincount(group, column, minlength=groups) for column in lines.T], 1)


def log_excess_e(counted: Counted, rate: Floats, groups: int, cells: int, spreads: Spreads = SPREADS) -> Floats:
    """(m,) log e-value of each line: more hits in this group and cell than its `rate` (m,) and the spread over the other groups allow.

    >>> n = np.full(20, 40.0); d = np.full(20, 2.0); d[7] = 20
    >>> counted = Counted(np.arange(20), np.zeros(20, np.int64), n, d, np.full(20, 2.0))
    >>> log_e = log_excess_e(counted, rates(counted, 1), 20, 1)
    >>> int(log_e.argmax()), bool(log_e[7] > 10), bool(np.delete(log_e, 7).max() < 0)
    (7, True, True)
    """
    weight = log_weights(counted, rate, groups, cells, spreads)[counted.group]
    null, turned = _masses(counted, rate, spreads)
    return np.asarray(logsumexp(weight + turned, axis=1) - logsumexp(weight + null, axis=1))


def upper_tail(counted: Counted, rate: Floats, line: int, groups: int, cells: int, spreads: Spreads = SPREADS) -> float:
    """P(hits or more) of one line under the fitted null; counts are rounded against the accusation."""
    weight = np.exp(log_weights(counted, rate, groups, cells, spreads)[counted.group[line]])
    n, d = int(np.ceil(counted.trials[line])), int(np.floor(counted.hits[line]))
    at = np.arange(d, n + 1, dtype=float)
    if not len(at):
        return 1.0
    choose = gammaln(n + 1) - gammaln(at + 1) - gammaln(n - at + 1)
    rho = correlation(rate[[line]], spreads)
    masses = np.exp(choose[:, None] + log_mass(at[:, None], np.full((len(at), 1), float(n)), rate[[line], None], rho))
    return float(min(1.0, np.dot(weight, masses.sum(0))))
