"""What rows of a table say with some of their cells taken out: the questions that the trial of cells asks its probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assay.learn.tables import TableProbe
from assay.mine.cells import Shared
from assay.stats.ranks import log_bets, log_mixture
from assay.trial.evidence import PURITY, clip_probabilities

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

REFERENCE = 2_000  # rows of a label that the carriers are compared with: their ranks are good to 1/2,000
HEARD = 200  # carriers of one proposal heard in the first pass, drawn blind to the labels; the second hears all
HEARD_AT_LAST = 5_000


@dataclass(frozen=True)
class Scores:
    """First-pass natural logs of e-values of m proposals: `both` (m, k) and `any_wrong` (m,) need surprise and contradiction,
    `targeted` (m, k) and `untargeted` (m,) are surprise alone."""

    both: Floats
    any_wrong: Floats
    targeted: Floats
    untargeted: Floats


@dataclass
class Court:
    """A probe, the labels it is held against, and the comparison rows that were looked up so far."""

    probe: TableProbe
    y: Int
    same: Int  # (n,) rows that are equal in every cell: they share a vote
    rng: np.random.Generator
    spared: NDArray[np.bool_]  # (n,) rows that serve for no comparison: carriers on trial
    _reference: dict[tuple[int, int], tuple[Int, Floats]] = field(default_factory=dict)

    def without(self, rows: Int, columns: tuple[int, ...]) -> Floats:
        """(m, k) out-of-fold probabilities of these rows with these columns taken out."""
        gone = np.zeros((1, self.probe.cells.shape[1]), bool)
        gone[0, list(columns)] = True
        return clip_probabilities(self.probe.without(rows, gone))

    def reference(self, label: int, columns: int) -> tuple[Int, Floats]:
        """Rows labelled so, and their support for it, each with its own `columns` most supporting columns taken out.

        Which support most is told by taking them out one at a time.
        """
        if (label, columns) not in self._reference:
            rows = np.flatnonzero((self.y == label) & ~self.spared)
            if len(rows) > REFERENCE:
                rows = np.sort(self.rng.choice(rows, REFERENCE, replace=False))
            d = self.probe.cells.shape[1]
            each = np.repeat(np.eye(d, dtype=bool), len(rows), axis=0)
            left = clip_probabilities(self.probe.without(np.tile(rows, d), each))[:, label].reshape(d, len(rows)).T
            for size in range(1, min(3, d) + 1):
                if size == 1:
                    support = left.min(1)
                else:
                    gone = np.zeros(left.shape, bool)
                    np.put_along_axis(gone, np.argpartition(left, size - 1, 1)[:, :size], True, 1)
                    support = clip_probabilities(self.probe.without(rows, gone))[:, label]
                self._reference[label, size] = rows, support
        return self._reference[label, min(columns, 3, self.probe.cells.shape[1])]

    def first_pass(self, batch: Sequence[Shared]) -> Scores:
        """Surprise and contradiction of every proposal of the batch at once, each by at most `HEARD` carriers.

        All must name the same number of columns; proposals are numbered through, in the order of the batch.
        """
        cells, rows, gone = [], [], []
        size, k, order = 0, self.probe.k, len(batch[0].columns)
        for shared in batch:
            cell, row = _heard(shared, self.y, self.rng)
            taken = np.zeros(self.probe.cells.shape[1], bool)
            taken[list(shared.columns)] = True
            cells.append(cell + size)
            rows.append(row)
            gone.append(np.broadcast_to(taken, (len(row), len(taken))))
            size += len(shared)
        cell, row = np.concatenate(cells), np.concatenate(rows)
        p = clip_probabilities(self.probe.without(row, np.concatenate(gone)))
        y = self.y[row]
        vote = votes(cell, self.same[row])
        own = np.bincount(cell, -vote * np.log(p[np.arange(len(y)), y]), minlength=size)
        hits = np.bincount(cell * k + y, vote, minlength=size * k).reshape(size, k)
        total = hits.sum(1, keepdims=True)
        targeted = own[:, None] + hits * np.log(PURITY) + (total - hits) * np.log((1 - PURITY) / max(k - 1, 1))
        wrong = y != p.argmax(1)
        ratio = np.log(np.where(wrong, PURITY / (1 - p.max(1)) + 1 - PURITY, 1 - PURITY))
        untargeted = np.bincount(cell, vote * ratio, minlength=size).astype(float)
        asked = (targeted > 0).any(1) | (untargeted > 0)
        bets = np.zeros((len(y), log_bets(np.ones(1)).shape[1]))
        for label in np.unique(y[asked[cell]]):
            mine = np.flatnonzero((y == label) & asked[cell])
            reference = np.sort(self.reference(int(label), order)[1])
            u = (np.searchsorted(reference, p[mine, label], side="right") + 1) / (len(reference) + 1)
            bets[mine] = vote[mine, None] * log_bets(np.minimum(u, 1.0))
        both = np.full((size, k), -np.inf)
        for t in np.flatnonzero((targeted > 0).any(0)):
            lean = _per_cell(cell[y == t], bets[y == t], size)
            both[:, t] = np.where(targeted[:, t] > 0, np.minimum(targeted[:, t], lean), -np.inf)
        any_wrong = np.where(untargeted > 0, np.minimum(untargeted, _per_cell(cell, bets, size)), -np.inf)
        return Scores(both, any_wrong, targeted, untargeted)


def votes(cell: Int, same: Int) -> Floats:
    """(m,) one vote for each proposal and set of equal rows, shared among them."""
    _, inverse, count = np.unique(cell * (same.max(initial=0) + 1) + same, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / count[inverse])


def _per_cell(cell: Int, bets: Floats, size: int) -> Floats:
    return log_mixture(np.stack([np.bincount(cell, column, minlength=size) for column in bets.T], 1))


def _heard(shared: Shared, y: Int, rng: np.random.Generator) -> tuple[Int, Int]:
    """(cell, row) of the labelled carriers that are heard."""
    labelled = y[shared.row] >= 0
    cell, row = shared.cell[labelled], shared.row[labelled]
    if not len(shared) or shared.support.max() <= HEARD:
        return cell, row
    shuffled = rng.permutation(len(cell))
    order = shuffled[np.argsort(cell[shuffled], kind="stable")]
    start = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(shared)))])
    place = np.arange(len(order)) - start[cell[order]]
    chosen = np.sort(order[place < HEARD])
    return cell[chosen], row[chosen]
