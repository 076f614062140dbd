"""What is brought to be learnt: does it say what the trusted past said, and who brings what does not?

Each row is a trial: what a frozen reference says of its content ("a"), and what it is brought as ("b"). Two questions, one answer each:

- *Has the stream left the trusted past?* An e-detector for each pair (a, b) that differ, against the rate of that pair in the frozen
  anchor set, widened by its error. The bound never moves, so that a drift of a tenth of a percent a day is seen as surely as a burst, only
  later. False alarms: at most T / run_length within T rows, all pairs together (`assay.stats.sequential`).
- *Who is out of line?* Contributors are compared with each other, under the spread of the others (`assay.stats.overdispersed`), and
  accused by e-BH; the r-th review has the share 1 / (r (r + 1)) of ALPHA. Where all drift alike, nobody is accused.

What it cannot see: rows that the reference itself would have labelled so; contributors who bring less than a handful of such rows
and are many. The anchor evaluation (`assay.watch.gate`) is for these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.stats.multiple import e_bh
from assay.stats.overdispersed import Counted, log_excess_e, rates
from assay.stats.sequential import FRACTIONS, advance, lower_bound, which_alarm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ALPHA = 0.01  # false discovery rate of accusations, over all reviews
MISS = 0.01  # probability that a bound from the anchor set is wrong
RUN_LENGTH = 1_000_000  # rows to a false alarm of a pair
FADE = 0.9  # of a contributor's counts from one review to the next: what was brought 20 reviews ago weighs an eighth
CONTRIBUTORS = 100_000  # remembered; those with the fewest rows leave
ANY = "any row"  # the trial of a row without a label


@dataclass(frozen=True)
class Accused:
    """A contributor, and the pair in which it is out of line."""

    contributor: str
    expected: str  # what the reference says
    brought: str
    rows: int  # brought so, of `of` rows that the reference calls `expected`
    of: int
    log_e: float


@dataclass
class Intake:
    """The frozen rates and the memory of who brought what. `base` {(a, b): (rows of a in the anchor set, those that are b)}."""

    base: dict[tuple[str, str], tuple[int, int]]
    run_length: float = RUN_LENGTH
    reviews: int = 0
    brought: dict[str, dict[tuple[str, str], float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._pairs = sorted({(a, b) for a, b in self.base if a != b})
        miss = MISS / max(1, len(self._pairs))
        self._bound = np.array([_above(*self.base[pair], miss) for pair in self._pairs])
        self._state = np.zeros((len(self._pairs), len(FRACTIONS)))
        self._rare = _above(sum({a: n for (a, _), (n, _) in self.base.items()}.values()), 0, miss)

    def drift(self, expected: Sequence[str], brought: Sequence[str]) -> set[tuple[str, str]]:
        """Move the detectors on by rows in their order; the pairs in alarm. A pair that the anchor set never had counts as rare."""
        for pair in sorted({(a, b) for a, b in zip(expected, brought, strict=True) if a != b} - set(self._pairs)):
            self._pairs.append(pair)
            self._bound = np.append(self._bound, self._rare)
            self._state = np.concatenate((self._state, np.zeros((1, len(FRACTIONS)))))
        if not self._pairs or not len(expected):
            return set()
        a, b = np.array(expected, object), np.array(brought, object)
        x = np.stack([np.where(a == p, (b == q) * 1.0, np.nan) for p, q in self._pairs], axis=1)
        path = advance(self._state, x, self._bound, np.ones(len(x)))
        # Pairs are at most the square of the classes: the k-th to appear has the share 1 / (k (k + 1)), whoever brings new ones.
        order = np.arange(1, len(self._pairs) + 1)
        weight = 1 / (order * (order + 1))
        hit = (path * weight >= self.run_length).any(axis=0) | which_alarm(path[-1], weight, self.run_length)
        self._state[hit] = 0.0
        return {self._pairs[k] for k in np.flatnonzero(hit)}

    def remember(self, contributor: Sequence[str], expected: Sequence[str], brought: Sequence[str]) -> None:
        """Count rows for their contributors, when they are submitted."""
        for who, a, b in zip(contributor, expected, brought, strict=True):
            counts = self.brought.setdefault(who, {})
            counts[a, b] = counts.get((a, b), 0.0) + 1.0
        while len(self.brought) > CONTRIBUTORS:
            del self.brought[min(self.brought, key=lambda who: sum(self.brought[who].values()))]

    def accuse(self) -> list[Accused]:
        """Who is out of line with the others, now; then older rows fade."""
        self.reviews += 1
        lines = self._lines()
        found: list[Accused] = []
        if lines is not None:
            counted, names, pairs = lines
            rate = rates(counted, len(pairs))
            log_e = log_excess_e(counted, rate, len(names), len(pairs))
            guilty = e_bh(log_e, len(log_e), ALPHA / (self.reviews * (self.reviews + 1)))
            for i in np.flatnonzero(guilty):
                pair = pairs[counted.cell[i]]
                hits, trials = round(counted.hits[i]), round(counted.trials[i])
                found.append(Accused(names[counted.group[i]], pair[0], pair[1], hits, trials, float(log_e[i])))
        for who, counts in list(self.brought.items()):
            faded = {pair: n * FADE for pair, n in counts.items() if n * FADE > 0.05}
            if faded:
                self.brought[who] = faded
            else:
                del self.brought[who]
        return found

    def to_json(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "base": [[a, b, *counts] for (a, b), counts in self.base.items()],
            "run_length": self.run_length,
            "reviews": self.reviews,
            "brought": {who: [[a, b, n] for (a, b), n in counts.items()] for who, counts in self.brought.items()},
            "pairs": [list(pair) for pair in self._pairs],
            "bound": self._bound.tolist(),
            "state": self._state.tolist(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Intake:
        """The inverse of `to_json`."""
        made = cls({(a, b): (n, k) for a, b, n, k in data["base"]}, float(data["run_length"]), int(data["reviews"]))
        made.brought = {who: {(a, b): float(n) for a, b, n in counts} for who, counts in data["brought"].items()}
        made._pairs = [(a, b) for a, b in data["pairs"]]
        made._bound, made._state = np.array(data["bound"], float), np.array(data["state"], float).reshape(-1, len(FRACTIONS))
        return made

    def _lines(self) -> tuple[Counted, list[str], list[tuple[str, str]]] | None:
        """A line for each contributor and pair in which anybody differs from the reference."""
        names = sorted(self.brought)
        pairs = sorted({pair for counts in self.brought.values() for pair in counts if pair[0] != pair[1]})
        if not pairs or len(names) < 2:
            return None
        rows: list[tuple[int, int, float, float, float]] = []
        for g, who in enumerate(names):
            counts = self.brought[who]
            totals: dict[str, float] = {}
            for (a, _), n in counts.items():
                totals[a] = totals.get(a, 0.0) + n
            for c, (a, b) in enumerate(pairs):
                if totals.get(a):
                    of, held = self.base.get((a, b), (max((n for (p, _), (n, _) in self.base.items() if p == a), default=0), 0))
                    rows.append((g, c, totals[a], counts.get((a, b), 0.0), totals[a] * (held + 0.5) / (of + 1.0)))
        table = np.array(rows, float)
        return Counted(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2], table[:, 3], table[:, 4]), names, pairs


def base_of(expected: Sequence[str], brought: Sequence[str]) -> dict[tuple[str, str], tuple[int, int]]:
    """The rates of every pair of classes in an anchor set.

    >>> base_of(["x", "x", "y"], ["x", "y", "y"])[("x", "y")]
    (2, 1)
    """
    classes = sorted({*expected, *brought})
    a, b = np.array(expected, object), np.array(brought, object)
    return {(p, q): (int((a == p).sum()), int(((a == p) & (b == q)).sum())) for p in sorted(set(expected)) for q in classes}


def _above(of: int, held: int, miss: float) -> float:
    """A bound above a rate of `held` in `of`; 1 where there were none."""
    return 1 - lower_bound(np.concatenate((np.zeros(held), np.ones(of - held))), miss)
