"""How often a probe disputes the labels of each group's rows, by direction, beside how often it expects to.

A row is judged to be of the class that its out-of-fold probabilities favour; a *dispute* a -> b is a row judged a and labelled b. The
probe's own probabilities say how many such rows to expect among these very rows, so a group that works on hard rows, or mostly on one
class, is held to what its rows make likely.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.stats.overdispersed import Counted, log_excess_e, rates, upper_tail

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

FAITH = 0.002  # a probe is never surer than this of a class: what it expects is never quite nothing
SPEAKS = 0.05  # expected disputes from which a group and direction without any is heard when the spread is fitted


@dataclass(frozen=True)
class Disputes:
    """What (n, k) probabilities say of labels y (n,), negative where missing: such rows are left out."""

    p: Floats
    y: Int
    judged: Int  # (n,) the class that the probabilities favour
    votes: Floats  # (n,) near-duplicates share one vote

    @classmethod
    def of(cls, p: Floats, y: Int, votes: Floats | None = None) -> Disputes:
        p = np.clip(p, FAITH / p.shape[1], None)
        p = p / p.sum(1, keepdims=True)
        return cls(p, y, p.argmax(1), np.ones(len(y)) if votes is None else votes)

    @property
    def k(self) -> int:
        return self.p.shape[1]

    def directed(self, group: Int, groups: int) -> Counted:
        """Counts by group (n,) codes, negative: none, and direction a -> b, cell a * k + b. Only lines that say something."""
        return self._by_label(group, groups, self.judged, self.k)

    def towards(self, group: Int, groups: int) -> Counted:
        """Counts by group of rows judged of any other class and labelled b, cell b."""
        return self._by_label(group, groups, np.zeros(len(self.y), np.int64), 1)

    def undirected(self, group: Int, groups: int) -> Counted:
        """Counts by group of any label that is not the class judged; one cell."""
        rows = np.flatnonzero((group >= 0) & (self.y >= 0))
        g, v = group[rows], self.votes[rows]
        trials = _sums(g, v, minlength=groups)
        hits = _sums(g, v * (self.y[rows] != self.judged[rows]), minlength=groups)
        expected = _sums(g, v * (1 - self.p[rows, self.judged[rows]]), minlength=groups)
        lines = np.flatnonzero(trials > 0)
        return Counted(lines, np.zeros(len(lines), np.int64), trials[lines], hits[lines], expected[lines])

    def _by_label(self, group: Int, groups: int, kind: Int, kinds: int) -> Counted:
        """Counts by group, kind of row (n,) and label b of the rows not judged b; cell kind * k + b."""
        parts: list[tuple[Int, Int, Floats, Floats, Floats]] = []
        for b in range(self.k):
            rows = np.flatnonzero((group >= 0) & (self.y >= 0) & (self.judged != b))
            place, v = group[rows] * kinds + kind[rows], self.votes[rows]
            trials = _sums(place, v, minlength=groups * kinds)
            hits = _sums(place, v * (self.y[rows] == b), minlength=groups * kinds)
            expected = _sums(place, v * self.p[rows, b], minlength=groups * kinds)
            lines = np.flatnonzero((hits > 0) | (expected >= SPEAKS))
            parts.append((lines // kinds, lines % kinds * self.k + b, trials[lines], hits[lines], expected[lines]))
        group_of, cell = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        trials, hits, expected = (np.concatenate([part[i] for part in parts]) for i in (2, 3, 4))
        return Counted(group_of, cell, trials, hits, expected)


@dataclass(frozen=True)
class Suspect:
    """One group out of line: in the direction `source` -> `target`, from any class to `target`, or (both None) in any way."""

    group: int
    source: int | None
    target: int | None
    log_e: float  # of the group: the mean over every way to be out of line
    p_value: float  # of the way named, times the ways there are
    trials: float
    hits: float
    expected: float


def out_of_line(disputes: Disputes, group: Int, groups: int) -> list[Suspect]:
    """Every group with rows, strongest first. One e-value a group: a third each for one direction, one target, any wrong label, the first
    two themselves means over all directions and targets."""
    k = disputes.k
    directed, towards, whole = (
        disputes.directed(group, groups), disputes.towards(group, groups), disputes.undirected(group, groups)
    )  # fmt: skip
    ways = ((directed, k * k, k * (k - 1)), (towards, k, k), (whole, 1, 1)) if k > 2 else ((directed, k * k, 2), (whole, 1, 1))
    log_e = np.full(groups, -np.inf)
    best: list[tuple[float, int, int] | None] = [None] * groups
    for number, (counted, cells, hypotheses) in enumerate(ways):
        lines = log_excess_e(counted, rates(counted, cells), groups, cells)
        np.logaddexp.at(log_e, counted.group, lines - np.log(hypotheses * len(ways)))
        for line in np.argsort(-lines, kind="stable"):
            g = int(counted.group[line])
            held = best[g]
            if held is None or lines[line] > held[0]:
                best[g] = float(lines[line]), number, int(line)
    found = []
    for g, held in enumerate(best):
        if held is None:
            continue
        counted, cells, hypotheses = ways[held[1]]
        line = held[2]
        cell = int(counted.cell[line])
        source = cell // k if counted is directed else None
        target = None if counted is whole else cell % k
        p = min(1.0, len(ways) * hypotheses * upper_tail(counted, rates(counted, cells), line, groups, cells)) if log_e[g] > 0 else 1.0
        found.append(Suspect(g, source, target, float(log_e[g]), p, *_figures(counted, line)))
    return sorted(found, key=lambda s: (-s.log_e, s.group))


def _figures(counted: Counted, line: int) -> tuple[float, float, float]:
    return float(counted.trials[line]), float(counted.hits[line]), float(counted.expected[line])


def _sums(index: Int, weight: Floats, minlength: int) -> Floats:
    return np.asarray(np.bincount(index, weight, minlength=minlength), np.float64)
