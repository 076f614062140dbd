"""What rows of a table say with some of their cells taken out: the questions that the trial of cells asks its probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assay.learn.columns import Coded
from assay.learn.tables import MeanProbe, TableProbe
from assay.mine.cells import COPIES, WIDEST, Shared, entailed
from assay.stats.ranks import log_bets, log_mixture
from assay.trial.bets import surprises
from assay.trial.surprise import clip_probabilities
from assay.trial.witnesses import Witnesses, votes

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

REFERENCE = 2_000  # rows of a label that the carriers are compared with: their ranks are good to 1/2,000
STRANGERS = 20_000  # rows of any label whose support for another is looked up: its upper tenth to 1 %
HEARD = 100  # carriers of one proposal heard in the first pass, drawn blind to the labels; the second hears all
HEARD_AT_LAST = 5_000


def without_shared(
    coded: Coded, proposals: Sequence[tuple[Int, Sequence[int]]], rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """((n, d) cells with other rows' in the place of what the proposals share, (n,) rows changed); the widest proposals are left alone.

    `proposals`: carriers, and the columns to take out of them.
    """
    shown, spared = coded.cells.copy(), np.zeros(len(coded), bool)
    for carriers, removed in proposals:
        if len(carriers) > WIDEST * len(coded):
            continue
        spared[carriers] = True
        for j in removed:
            shown[carriers, j] = coded.cells[rng.integers(0, len(coded), len(carriers)), j]
    return shown, spared


@dataclass(frozen=True)
class Scores:
    """First-pass natural logs of e-values of m proposals: `both` (m, k) and `any_wrong` (m,) need surprise and contradiction,
    `targeted` (m, k) and `untargeted` (m,) are surprise alone; `removed` (m, d) which columns were taken out."""

    both: Floats
    any_wrong: Floats
    targeted: Floats
    untargeted: Floats
    removed: NDArray[np.bool_]


@dataclass
class Court:
    """A probe, the labels it is held against, and the comparison rows that were looked up so far."""

    probe: TableProbe | MeanProbe
    cells: Floats  # (n, d) exact, where the probe's may be in buckets
    y: Int
    witnesses: Witnesses
    rng: np.random.Generator
    spared: NDArray[np.bool_]  # (n,) rows that serve for no comparison: carriers on trial
    _anyone: tuple[Int, Floats] | None = None
    _left: dict[int, tuple[Int, Floats]] = field(default_factory=dict)
    _reference: dict[tuple[int, int], Floats] = field(default_factory=dict)

    def without(self, rows: Int, columns: tuple[int, ...]) -> Floats:
        """(m, k) out-of-fold probabilities of these rows with these columns taken out."""
        gone = np.zeros((1, self.probe.cells.shape[1]), bool)
        gone[0, list(columns)] = True
        return clip_probabilities(self.probe.without(rows, gone))

    def reference(self, label: int, columns: int) -> tuple[Int, Floats]:
        """Rows labelled so, and their support for it, each with its own `columns` most supporting columns taken out.

        Which support most is told by taking them out one at a time.
        """
        d = self.probe.cells.shape[1]
        columns = min(columns, d)
        if label not in self._left:
            rows = np.flatnonzero((self.y == label) & ~self.spared)
            if len(rows) > REFERENCE:
                rows = np.sort(self.rng.choice(rows, REFERENCE, replace=False))
            each = np.repeat(np.eye(d, dtype=bool), len(rows), axis=0)
            left = clip_probabilities(self.probe.without(np.tile(rows, d), each))[:, label].reshape(d, len(rows)).T
            self._left[label] = rows, left
        rows, left = self._left[label]
        if (label, columns) not in self._reference:
            gone = np.zeros(left.shape, bool)
            np.put_along_axis(gone, np.argsort(left, 1)[:, :columns], True, 1)
            support = left.min(1) if columns == 1 else clip_probabilities(self.probe.without(rows, gone))[:, label]
            self._reference[label, columns] = support
        return rows, self._reference[label, columns]

    def strangers(self, label: int) -> Floats:
        """Support for `label` of rows with other labels, as they are."""
        if self._anyone is None:
            rows = np.flatnonzero((self.y >= 0) & ~self.spared)
            if len(rows) > STRANGERS:
                rows = np.sort(self.rng.choice(rows, STRANGERS, replace=False))
            self._anyone = rows, self.without(rows, ())
        rows, p = self._anyone
        return p[self.y[rows] != label, label]

    def lone(self, rows: Int, removed: Sequence[int], together: bool = True) -> float:
        """What is left of the votes of these carriers, of which equal rows share one already, once repeats share one too. Without
        `together` it is told sooner, and is no less (`Likeness.repeats`)."""
        equal = votes(np.zeros(len(rows), np.int64), self.witnesses.same[rows]).sum()
        return float(self.witnesses.votes(rows, removed, self.rng, together).sum() / equal)

    def first_pass(self, batch: Sequence[Shared]) -> Scores:
        """Surprise and contradiction of every proposal of the batch at once, each by at most `HEARD` carriers.

        Proposals are numbered through, in the order of the batch.
        """
        cell, row, removed = heard_carriers(batch, self.cells, self.y, self.rng)
        size, k = len(removed), self.probe.k
        boxed = np.concatenate([np.full(len(shared), shared.boxed) for shared in batch])
        p = clip_probabilities(self.probe.without(row, removed[cell]))
        y = self.y[row]
        vote = votes(cell, self.witnesses.same[row])
        asked_of = surprises(cell, y, p, vote, size, boxed)
        targeted, untargeted = asked_of.targeted, asked_of.untargeted
        copies = removed.all(1) & (removed.shape[1] > COPIES)
        targeted[copies], untargeted[copies] = -np.inf, -np.inf
        asked = (targeted > 0).any(1) | (untargeted > 0)
        bets = np.zeros((len(y), log_bets(np.ones(1)).shape[1]))
        width = removed.sum(1)
        for label in np.unique(y[asked[cell]]):
            for columns in np.unique(width[asked]):
                mine = np.flatnonzero((y == label) & (asked & (width == columns))[cell])
                if not len(mine):
                    continue
                reference = np.sort(self.reference(int(label), int(columns))[1])
                u = (np.searchsorted(reference, p[mine, label], side="right") + 1) / (len(reference) + 1)
                bets[mine] = vote[mine, None] * log_bets(np.minimum(u, 1.0))
        both = np.full((size, k), -np.inf)
        for t in np.flatnonzero((targeted > 0).any(0)):
            lean = _per_cell(cell[y == t], bets[y == t], size)
            both[:, t] = np.where(targeted[:, t] > 0, np.minimum(targeted[:, t], lean), -np.inf)
        any_wrong = np.where(untargeted > 0, np.minimum(untargeted, _per_cell(cell, bets, size)), -np.inf)
        return Scores(both, any_wrong, targeted, untargeted, removed)


def _per_cell(cell: Int, bets: Floats, size: int) -> Floats:
    return log_mixture(np.stack([np.bincount(cell, column, minlength=size) for column in bets.T], 1))


def heard_carriers(batch: Sequence[Shared], cells: Floats, y: Int, rng: np.random.Generator) -> tuple[Int, Int, NDArray[np.bool_]]:
    """(cell, row) of the labelled carriers that are heard, and (proposals, d) the columns to take out of each proposal's.

    Proposals are numbered through, in the order of the batch; y (n,) is negative where there is no label.
    """
    told: list[tuple[Int, Int]] = []
    own: list[NDArray[np.bool_]] = []
    size = 0
    for shared in batch:
        cell, row = _heard(shared, y, rng)
        told.append((cell + size, row))
        own.append(np.tile(np.isin(np.arange(cells.shape[1]), shared.columns), (len(shared), 1)))
        size += len(shared)
    cell, row = (np.concatenate(part) for part in zip(*told, strict=True))
    return cell, row, entailed(cells, np.concatenate(own), cell, row)


def _heard(shared: Shared, y: Int, rng: np.random.Generator) -> tuple[Int, Int]:
    """(cell, row) of the carriers of each of these proposals that are heard."""
    labelled = y[shared.row] >= 0
    cell, row = shared.cell[labelled].astype(np.int64), shared.row[labelled].astype(np.int64)
    if not len(shared) or shared.support.max() <= HEARD:
        return cell, row
    shuffled = rng.permutation(len(cell))
    order = shuffled[np.argsort(cell[shuffled], kind="stable")]
    start = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(shared)))])
    place = np.arange(len(order)) - start[cell[order]]
    chosen = np.sort(order[place < HEARD])
    return cell[chosen], row[chosen]
