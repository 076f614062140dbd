"""Which scores lie beyond what their own upper tail leads one to expect.

A fixed share ("the worst 10 %") flags 10 % of every clean set. Here the tail is read where outliers have little say
(between the highest 20 % and 5 % of the scores), continued by a generalised Pareto law, and only what lies beyond it
is flagged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from assay.stats.counts import Counts, quantiles
from assay.stats.multiple import adjusted

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)

# The tail is read at these shares, each half of the one before, as Pickands' estimator wants. Up to about 2.5 % of
# outliers leave the last one nearly where it was.
SHARES = (0.2, 0.1, 0.05)
OUTER = tuple(1 - share for share in SHARES)
# Shape of the tail. 0 is exponential, and the lightest that natural measurements are granted; at 1 the mean is
# infinite, beyond which hardly anything would be flagged. Between, the estimate is followed, with most of its
# standard error on top: Pickands' has 1.8 / sqrt(rows beyond the last share) where the tail is exponential.
LIGHTEST, HEAVIEST = 0.0, 1.0
SHAPE_ERROR = 1.3
# Scores bounded by their making (an isolation forest's) or Gaussian have lighter tails: -0.15 to -0.25 at these shares.
BOUNDED = -0.25
# Expected number of rows flagged in a clean set whose tail is as read, whatever its size.
EXPECTED_FALSE = 0.5
# Under this many rows the shape cannot be read from quantiles; a moderately heavy tail is then assumed.
FEWEST_FOR_SHAPE = 400
ASSUMED_SHAPE = 0.3


def tail_probability(score: Float, lightest: float = LIGHTEST, least_told: float = 1.0) -> Float:
    """(n,) chance that a row of the score's own law scores at least as high; from `least_told` on it is given as 1, which saves a sort.

    Inside the bulk (below the highest 5 %) the empirical share; beyond, the generalised Pareto continuation through the
    quantiles at `SHARES` (Pickands 1975, Annals of Statistics 3). NaN scores get 1. Cannot see outliers that make up
    more than about 5 % of the rows: they are then the tail.

    >>> p = tail_probability(np.r_[np.random.default_rng(0).exponential(size=2000), 40.0])
    >>> bool(p[-1] < 1e-5), bool(p[:-1].min() > 1e-5)
    (True, True)
    """
    return Read.of(score, lightest).probability(least_told)


@dataclass(frozen=True)
class _Tail:
    """A generalised Pareto continuation beyond `start`, where the highest `SHARES[-1]` of the scores begin."""

    start: float
    scale: float
    shape: float

    def probability(self, x: Float) -> Float:
        base = np.maximum(1 + self.shape * (x - self.start) / self.scale, 0.0)  # 0: past the end of a bounded tail
        with np.errstate(divide="ignore"):
            return np.asarray(SHARES[-1] * np.where(base > 0, base ** (-1 / self.shape), 0.0), np.float64)


def _read_tail(x: Float, lightest: float) -> _Tail | None:
    """The tail of finite scores, or None where the quantiles it is read from are all the same."""
    return _tail_from(np.quantile(x, OUTER), len(x), lightest)


def _tail_from(quantiles: Float, rows: int, lightest: float) -> _Tail | None:
    """The same from the `OUTER` quantiles of so many scores."""
    q1, q2, q3 = quantiles
    first, second = float(q2 - q1), float(q3 - q2)
    step = max(second, first)
    if step <= 0:
        return None
    shape = ASSUMED_SHAPE
    if rows >= FEWEST_FOR_SHAPE and first > 0 and second > 0:
        error = SHAPE_ERROR / np.sqrt(SHARES[-1] * rows)
        shape = float(np.clip(np.log2(second / first) + error, lightest, HEAVIEST))
    if abs(shape) < 1e-3:
        shape = 1e-3  # the exponential limit, without its own formula
    # the next halving of the share adds step * 2**shape; the scale follows from that
    return _Tail(float(q3), step * shape * 2**shape / (2**shape - 1), shape)


@dataclass(frozen=True)
class Read:
    """Scores (n,), which of them are finite, these, and their tail."""

    known: Bool
    x: Float
    tail: _Tail | None

    @staticmethod
    def of(score: Float, lightest: float = LIGHTEST) -> Read:
        score = np.asarray(score, np.float64)
        known = np.isfinite(score)
        x = score if known.all() else score[known]
        return Read(known, x, _read_tail(x, lightest) if len(x) > 1 else None)

    def probability(self, least_told: float = 1.0) -> Float:
        """See `tail_probability`."""
        x, p = self.x, np.ones(len(self.x))
        if len(x) > 1:
            told = np.flatnonzero(x >= np.quantile(x, 1 - least_told)) if least_told < 1 else np.arange(len(x))
            order = np.sort(x[told])
            p[told] = (len(order) - np.searchsorted(order, x[told], side="left")) / len(x)  # share of rows at least as high
        return self._spread(_told_by(self.tail, x, p), np.ones(len(self.known)))

    def beyond(self, tests: int = 1) -> Bool:
        """See `beyond_tail`."""
        return self._spread(_rare(self.tail, self.x, len(self.x) * tests), np.zeros(len(self.known), bool))

    def _spread(self, told: NDArray[T], out: NDArray[T]) -> NDArray[T]:
        if len(told) == len(out):
            return told
        out[self.known] = told
        return out


@dataclass(frozen=True)
class Law:
    """The same of scores that were counted, to be asked of any of them: their number, their tail, and of the highest, those from `top[0]`
    on, how many are at least as high."""

    rows: int
    tail: _Tail | None
    top: Float
    at_least: NDArray[np.int64]

    @staticmethod
    def of(scores: Counts, least_told: float, lightest: float = LIGHTEST) -> Law:
        """`scores` are finite; below the highest `least_told` of them nothing is told apart."""
        rows = int(scores.counts.sum())
        if rows < 2:
            return Law(rows, None, np.zeros(0), np.zeros(0, np.int64))
        keys, above = np.asarray(scores.keys, np.float64), np.cumsum(scores.counts[::-1])[::-1]
        first = int(np.searchsorted(keys, quantiles(scores, (1 - least_told,))[0])) if least_told < 1 else 0
        tail = _tail_from(quantiles(scores, OUTER), rows, lightest)
        return Law(rows, tail, keys[first:].copy(), above[first:].copy())

    def probability(self, x: Float) -> Float:
        """(n,) as `tail_probability` tells it."""
        p = np.ones(len(x))
        if self.rows > 1:
            told = np.flatnonzero(x >= self.top[0])
            p[told] = self.at_least[np.searchsorted(self.top, x[told])] / self.rows
        return _told_by(self.tail, x, p)

    def beyond(self, x: Float, tests: int) -> Bool:
        """(n,) as `beyond_tail` tells it."""
        return _rare(self.tail, x, self.rows * tests)


def _told_by(tail: _Tail | None, x: Float, p: Float) -> Float:
    """`p` (n,), where the tail has begun as the tail tells it; written over."""
    if tail is not None:
        beyond = x > tail.start
        p[beyond] = tail.probability(x[beyond])
    return p


def _rare(tail: _Tail | None, x: Float, scores: int) -> Bool:
    """(n,) beyond what `EXPECTED_FALSE` of so many scores would be by the tail."""
    found = np.zeros(len(x), bool)
    if tail is not None:
        beyond = x > tail.start
        found[beyond] = tail.probability(x[beyond]) <= EXPECTED_FALSE / scores
    return found


def tail_bound(score: Float, lightest: float = LIGHTEST) -> Float:
    """(n,) false-discovery bound of each row, by Benjamini-Hochberg over `tail_probability`.

    Among the rows with a bound of at most q, at most the share q is expected to be of the score's own law, if its tail goes on as it
    is read. `score` may be (n, m): the least probability of a row's columns, times their number.
    """
    columns = np.asarray(score, np.float64)
    columns = columns[:, None] if columns.ndim == 1 else columns
    many = columns.shape[1]
    p = np.ones(len(columns))
    for column in columns.T:
        np.minimum(p, tail_probability(column, lightest, 1 / many), out=p)
    return adjusted(np.minimum(p * many, 1.0))


def beyond_tail(score: Float, tests: int = 1, lightest: float = LIGHTEST) -> Bool:
    """(n,) scores beyond the continued tail: `EXPECTED_FALSE` / `tests` rows are expected in a clean set of any size.

    A score that is the same in more than 95 % of the rows has no tail to read; then nothing is flagged.

    >>> beyond_tail(np.r_[np.linspace(0, 1, 500), 30.0]).nonzero()[0].tolist()
    [500]
    >>> bool(beyond_tail(np.zeros(50)).any())
    False
    """
    return Read.of(score, lightest).beyond(tests)


def tail_point(score: Float, probability: float, lightest: float = LIGHTEST) -> float | None:
    """The value that a new score exceeds with this chance, if the tail goes on as it is read; None where there is no tail.

    Not under the highest score seen. The inverse of `tail_probability` beyond the data.

    >>> x = np.random.default_rng(0).exponential(size=5000)
    >>> 13 < tail_point(x, 1e-6) < 80  # 13.8 were it known to be exponential; the error of the shape is granted on top
    True
    """
    x = np.asarray(score, np.float64)
    x = x[np.isfinite(x)]
    tail = _read_tail(x, lightest) if len(x) > 1 else None
    if tail is None:
        return None
    reach = tail.start + tail.scale / tail.shape * ((probability / SHARES[-1]) ** -tail.shape - 1)
    return float(max(reach, x.max()))
