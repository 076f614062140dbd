"""A glance at every row, for tables in which more values are shared than can be tried one by one.

Each row is judged a few times with half of its columns, drawn at random, taken out, and the time counts that supports its label least.
Rows with a trigger in them keep less support than other rows of their label do, whichever columns the trigger stands in, since some
draw takes it out. Summed over the carriers of a value that says in one linear pass whether it is worth the trial proper. What is
passed over counts as tried, with an e-value of 0: that costs power and convicts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from assay.learn.tables import TableProbe
from assay.mine.cells import Shared
from assay.trial.surprise import PURITY, clip_probabilities

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Int = NDArray[np.int64]

DRAWS = 3  # of columns taken out: a trigger in three columns is broken by at least one of them in 7 of 8 rows
TAKEN_OUT = 0.5  # of the columns, a draw
STRENGTHS = np.array([0.25, 0.5])  # exponents of the bets that carriers rank low (see assay.stats.ranks)
WORTH = np.log(3.0)  # log e-value by glance, of surprise and of contradiction, from which a value is tried
WORTH_ANY = np.log(20.0)  # the same for carriers of many labels, where contradiction alone is looked at
NEARLY = 1e-3  # nats by which sums that are made in another order may differ: 10^5 rows of ten nats each do by less
PURE = 0.8  # share of the carriers that a target has, or an attacker's own rows are the fewer among them


@dataclass(frozen=True)
class Glance:
    """Of each row: `own` (n,) the log of one over its label's probability, `low` (n,) the log of where it stands among its label's, and
    `lean` (strengths, n) log bets that it stands low there."""

    own: Floats
    low: Floats
    lean: Floats
    y: Int
    k: int

    def worth_trying(self, shared: Shared) -> Shared:
        """Only proposals that may be convicted, renumbered."""
        some = _only(shared, self._perhaps(shared))
        return _only(some, self._keep(some))

    def _perhaps(self, shared: Shared) -> Bools:
        """(proposals,) which may be kept: all that are, told by fewer sums, to within `NEARLY`. Nearly all others fall here."""
        hits, surprise, cell, row = self._surprise(shared)
        size, k = hits.shape
        low = np.bincount(cell * k + self.y[row], self.low[row], size * k).reshape(size, k)
        total, most = hits.sum(1), hits.max(1)
        keep = np.zeros(size, bool)
        aimed = low[np.arange(size), hits.argmax(1)]
        for strength in STRENGTHS:
            contradiction = most * np.log(strength) + (strength - 1) * aimed
            any_wrong = total * np.log(strength) + (strength - 1) * low.sum(1)
            keep |= (most >= PURE * total) & (surprise > WORTH) & (contradiction > WORTH - NEARLY)
            keep |= any_wrong > WORTH_ANY - NEARLY
        return keep

    def _keep(self, shared: Shared) -> Bools:
        """(proposals,) which are kept."""
        hits, surprise, cell, row = self._surprise(shared)
        size = len(hits)
        aimed = self.y[row] == hits.argmax(1)[cell]
        contradiction, any_wrong = np.full(size, -np.inf), np.full(size, -np.inf)
        for bets in self.lean:
            each = bets[row]
            contradiction = np.maximum(contradiction, np.bincount(cell[aimed], each[aimed], minlength=size))
            any_wrong = np.maximum(any_wrong, np.bincount(cell, each, minlength=size))
        keep = (hits.max(1) >= PURE * hits.sum(1)) & (surprise > WORTH) & (contradiction > WORTH)
        return np.asarray(keep | (any_wrong > WORTH_ANY))

    def _surprise(self, shared: Shared) -> tuple[Int, Floats, Int, Int]:
        """(proposals, k) carriers of each label, (proposals,) the log e-value of surprise at the commonest of them, and (cell, row) of
        the labelled carriers."""
        size, k = len(shared), self.k
        row, cell = shared.row.astype(np.int64), shared.cell.astype(np.int64)
        known = self.y[row] >= 0
        if not known.all():
            row, cell = row[known], cell[known]
        hits = np.bincount(cell * k + self.y[row], minlength=size * k).reshape(size, k)
        total, most = hits.sum(1), hits.max(1)
        wished = most * np.log(PURITY) + (total - most) * np.log((1 - PURITY) / max(k - 1, 1))
        return hits, np.bincount(cell, self.own[row], minlength=size) + wished, cell, row


def _only(shared: Shared, keep: Bools) -> Shared:
    """These proposals, renumbered."""
    renumber = np.where(keep, np.cumsum(keep) - 1, -1)[shared.cell]
    mine = np.flatnonzero(renumber >= 0)
    return replace(shared, row=shared.row[mine], cell=renumber[mine], support=shared.support[keep])


def glance(probe: TableProbe, y: Int, rng: np.random.Generator) -> Glance:
    """Judges every row `DRAWS` times, and keeps the time that supports its label least; linear in rows."""
    n, d = probe.cells.shape
    own = np.ones(n)
    for _ in range(DRAWS):
        p = clip_probabilities(probe.without(np.arange(n), rng.random((n, d)) < TAKEN_OUT))
        own = np.minimum(own, p[np.arange(n), np.maximum(y, 0)])
    u = np.ones(n)
    for label in np.unique(y[y >= 0]):
        mine = np.flatnonzero(y == label)
        u[mine] = rankdata(own[mine], "max") / len(mine)
    low = np.log(u)
    return Glance(-np.log(own), low, np.log(STRENGTHS)[:, None] + (STRENGTHS - 1)[:, None] * low, y, probe.k)
