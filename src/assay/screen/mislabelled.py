"""How many labels are wrong, from out-of-fold probabilities: a mixture that separates confusion from corruption.

Confident learning counts the rows that a model disputes; on real data most of those are the model's own errors. Here the two are told
apart by their shape. Confusion fades as the content grows plainer: q(x), the chance of each *true* class, is a recalibration of the probe's
probabilities, and goes to 0 and 1. Corruption does not fade: a label turns with a rate T[i, j] that depends on the class alone. So

    P(label j | x) = sum_i q_i(x) T[i, j],    q = softmax(a (I + D) log p + b),

and (a, D, b, T) are fitted by maximum likelihood on all rows: with two classes the logistic curve with two free asymptotes of item response
theory (Barton and Lord 1981). D, under a ridge, takes out what a probe that learnt from turned labels repeats of them. The share of wrong
labels is sum_i P(i) (1 - T[i, i]).

Sources: Menon, van Rooyen, Ong, Williamson, Learning from Corrupted Binary Labels via Class-Probability Estimation, ICML 2015 (the range
of the class probability identifies the rates); Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017 (T).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from scipy.special import expit, softmax

from assay.learn.threads import in_parallel

Float = NDArray[np.float64]
Int = NDArray[np.int64]

FEWEST_ROWS = 200  # labelled rows: a share of 5 % is then known to +- 3 points at the very best
MOST_ROWS = (
    50_000  # rows fitted to, drawn at random: where a judge errs on one row in six, 20 % is then known to +- 2 points, of 6,000 to 4
)
MOST_CELLS, ROWS_ANYHOW = 600_000, 6_000  # rows times classes squared: a second's work; but of many classes so many rows at least
MOST_CLASSES = 12  # beyond, one rate a class, spread evenly over the others, and no D: k^2 numbers want more rows than there are
FAITH = 1e-4  # probabilities below are alike: no probe of some thousand rows knows better
RIDGE = 1e-2  # on D; the same at .001 but for one local optimum. On b a tenth of it
PENALTY = 1.0  # nats that a rate of 1 costs: holds rates at 0 that no row speaks for
SHARPEST = 20.0  # log of the factor on log odds beyond which all are certain
STARTS = (1.35, 2.7)  # sharpness a to begin with; the better end counts
START_RATE = 0.02
ROUNDS = 200
Z = 1.96  # a 95 % interval


@dataclass(frozen=True)
class Mislabelled:
    """`fraction` of labels that are wrong, its interval `low` to `high`, and `turned` (k, k): the estimated share of all rows that are of
    class i and labelled j (its diagonal sums to 1 - fraction). `rows`: how many it was read from."""

    fraction: float
    low: float
    high: float
    turned: Float
    rows: int


@dataclass(frozen=True)
class _Fit:
    sharpness: float
    shift: Float
    mix: Float  # (k, k) I + D
    rates: Float  # (k, k) T
    loss: float

    def truth(self, logs: Float) -> Float:
        """(n, k) chances of the true class."""
        return np.asarray(softmax(self.sharpness * (logs @ self.mix) + self.shift, axis=1))


def estimate_mislabelled(probabilities: Float, y: Int, rng: np.random.Generator) -> Mislabelled | None:
    """The share of wrong labels among rows with a label; None with fewer than `FEWEST_ROWS` of them or fewer than two classes.

    `probabilities` (n, k) are out of fold, `y` (n,) negative where missing. Assumes that wrong labels fall on rows whatever their content,
    given the class, that most labels of each class are right, and that some rows of each class are plain. Natural label errors count as
    well: a clean set is only as clean as its annotators. Cannot see wrong labels that go with the content (a backdoor's, or those of hard
    rows only). The interval holds the sampling error (delta method) and the disagreement of two readings: of the probe's
    probabilities as they are, and with the fitted turning undone first, as if the probe had learnt it in full.

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(0, 2, 4000)
    >>> right = 1 / (1 + np.exp(-rng.normal(4 * truth - 2, 2)))
    >>> y = np.where(rng.random(4000) < 0.1, 1 - truth, truth)
    >>> found = estimate_mislabelled(np.stack([1 - right, right], 1), y, rng)
    >>> found.low < 0.1 < found.high
    True
    """
    known = np.flatnonzero(y >= 0)
    present = np.flatnonzero(np.bincount(y[known], minlength=probabilities.shape[1])) if len(known) else known
    if len(known) < FEWEST_ROWS or len(present) < 2:
        return None
    most = int(np.clip(MOST_CELLS // len(present) ** 2, ROWS_ANYHOW, MOST_ROWS))
    if len(known) > most:
        known = np.sort(rng.choice(known, most, replace=False))
    p = np.clip(probabilities[np.ix_(known, present)], FAITH, None)
    p /= p.sum(1, keepdims=True)
    label = np.searchsorted(present, y[known])
    plain = _fit(_logs(p), label)
    undone = np.clip(p @ np.linalg.pinv(plain.rates), np.minimum(p, FAITH), None)
    undone /= undone.sum(1, keepdims=True)
    second = _fit(_logs(undone), label)
    shares = [_turned(plain, _logs(p)), _turned(second, _logs(undone))]
    fractions = [float(1 - np.trace(s)) for s in shares]
    # the plain reading, unless undoing the turning explains the labels better than a parameter more would (Schwarz 1978)
    chosen = int((plain.loss - second.loss) * len(label) > np.log(len(label)) / 2)
    error = Z * _standard_error(*((second, _logs(undone)) if chosen else (plain, _logs(p))), label)
    turned = np.zeros((probabilities.shape[1],) * 2)
    turned[np.ix_(present, present)] = shares[chosen]
    low, high = max(0.0, min(fractions) - error), min(1.0, max(fractions) + error)
    return Mislabelled(fractions[chosen], low, high, turned, len(label))


def _logs(p: Float) -> Float:
    logs = np.log(np.maximum(p, FAITH))
    return np.asarray(logs - logs.mean(1, keepdims=True))


def _turned(fit: _Fit, logs: Float) -> Float:
    return np.asarray(fit.truth(logs).mean(0)[:, None] * fit.rates)


def _fit(logs: Float, y: Int) -> _Fit:
    """The most likely parameters, from each of `STARTS`."""
    model: _Full | _Spread = (_Full if logs.shape[1] <= MOST_CLASSES else _Spread)(logs, y)

    def end(sharpness: float) -> OptimizeResult:
        start = np.concatenate([[np.log(sharpness)], np.zeros(logs.shape[1]), model.start()])
        return minimize(model.objective, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS})

    ends = in_parallel(end, STARTS)
    best = min(ends, key=lambda end: float(end.fun))
    a, b, mix, rates = model.unpacked(best.x)
    return _Fit(a, b, mix, rates, float(best.fun))


@dataclass(frozen=True)
class _Full:
    """A rate for each pair of classes, and D: of `logs` (n, k) and labels `y` (n,)."""

    logs: Float
    y: Int

    def start(self) -> Float:
        k = self.logs.shape[1]
        return np.concatenate([np.zeros(k * k), np.full(k * (k - 1), np.log(START_RATE / (k - 1)))])

    def unpacked(self, theta: Float) -> tuple[float, Float, Float, Float]:
        k = self.logs.shape[1]
        rest = theta[1 + k :]
        scores = np.zeros((k, k))
        scores[~np.eye(k, dtype=bool)] = rest[k * k :]
        return float(np.exp(min(theta[0], SHARPEST))), theta[1 : 1 + k], np.eye(k) + rest[: k * k].reshape(k, k), softmax(scores, axis=1)

    @cached_property
    def _across(self) -> Float:
        """(k, n): sums over a few classes of many rows are made many rows at a time."""
        return np.ascontiguousarray(self.logs.T)

    @cached_property
    def _told(self) -> Float:
        """(n, k) 1 at each row's label."""
        return np.eye(self.logs.shape[1])[self.y]

    def objective(self, theta: Float) -> tuple[float, Float]:
        n, k = self.logs.shape
        a, b, mix, rates = self.unpacked(theta)
        drift = mix - np.eye(k)
        inside = mix.T @ self._across
        q = a * inside
        q += b[:, None]
        q -= q.max(0)
        np.exp(q, out=q)
        q /= q.sum(0)
        ds = rates.take(self.y, axis=1)
        seen = np.einsum("kn,kn->n", q, ds)
        ds -= seen
        np.maximum(seen, 1e-12, out=seen)
        wrong = 1 - np.diag(rates)
        loss = -np.log(seen).mean() + RIDGE * ((drift**2).sum() + 0.1 * (b**2).sum()) + PENALTY / n * wrong.sum()
        q *= -1 / seen / n
        dt = q @ self._told - np.eye(k) * PENALTY / n
        ds *= q
        drates = rates * (dt - (dt * rates).sum(1, keepdims=True))
        parts = [[float(np.vdot(ds, inside)) * a], ds.sum(1) + 0.2 * RIDGE * b, (a * self._across @ ds.T + 2 * RIDGE * drift).ravel()]
        return float(loss), np.concatenate([*parts, drates[~np.eye(k, dtype=bool)]])


@dataclass(frozen=True)
class _Spread:
    """One rate a class, spread evenly over the others, and no D; each evaluation takes time in n k, not n k^2."""

    logs: Float
    y: Int

    def start(self) -> Float:
        return np.full(self.logs.shape[1], np.log(START_RATE))

    def unpacked(self, theta: Float) -> tuple[float, Float, Float, Float]:
        k = self.logs.shape[1]
        rate = expit(theta[1 + k :])
        rates = np.diag(1 - rate) + rate[:, None] * ~np.eye(k, dtype=bool) / (k - 1)
        return float(np.exp(min(theta[0], SHARPEST))), theta[1 : 1 + k], np.eye(k), rates

    def objective(self, theta: Float) -> tuple[float, Float]:
        logs, y = self.logs, self.y
        n, k = logs.shape
        a, b, rate = float(np.exp(min(theta[0], SHARPEST))), theta[1 : 1 + k], expit(theta[1 + k :])
        q = softmax(a * logs + b, axis=1)
        own = np.arange(n), y
        turned = rate / (k - 1)
        mine = q[own]
        seen = np.maximum(mine * (1 - rate[y]) + q @ turned - mine * turned[y], 1e-12)
        loss = -np.log(seen).mean() + RIDGE * 0.1 * (b**2).sum() + PENALTY / n * rate.sum()
        g = -1 / seen / n
        kept = np.bincount(y, mine * g, minlength=k)
        drate = (g @ q - kept) / (k - 1) - kept + PENALTY / n
        ds = q * (g[:, None] * turned - (g * seen)[:, None])
        ds[own] += mine * g * (1 - rate[y] - turned[y])
        head = [[float(np.vdot(ds, logs)) * a], ds.sum(0) + 0.2 * RIDGE * b]
        return float(loss), np.concatenate([*head, drate * rate * (1 - rate)])


def _standard_error(fit: _Fit, logs: Float, y: Int) -> float:
    """Of the fraction, by the delta method: the information is the outer product of the rows' gradients in a, b and the rates themselves.

    In the rates rather than in their logits, so that it says something at 0. D is taken as known.
    """
    n, k = logs.shape
    inside = logs @ fit.mix
    q = fit.truth(logs)
    seen = np.maximum((q @ fit.rates)[np.arange(n), y], 1e-12)
    dq = fit.rates[:, y].T / seen[:, None]
    ds = q * (dq - (dq * q).sum(1, keepdims=True))
    # a class's rate of turning, to wherever it turns: one gradient a class is what the fraction depends on
    wrong = 1 - np.diag(fit.rates)
    spread = np.where(wrong[:, None] > 1e-6, fit.rates / np.maximum(wrong[:, None], 1e-6), 1 / (k - 1))
    np.fill_diagonal(spread, -1.0)
    dt = q * spread[:, y].T / seen[:, None]
    gradient = np.column_stack([(ds * inside).sum(1), ds, dt])
    ridge = np.diag(np.concatenate([[0.0], np.full(k, 0.2 * RIDGE * n), np.zeros(k)]))
    covariance = np.linalg.pinv(gradient.T @ gradient + ridge + 1e-9 * n * np.eye(gradient.shape[1]))
    share = q.mean(0)
    along = np.concatenate([np.zeros(1 + k), share])
    return float(np.sqrt(max(along @ covariance @ along, 0.0)))
