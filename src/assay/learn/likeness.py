"""Which rows of a table repeat one another, though no two of them are equal.

A set drawn with repetition, oversampled, or joined with a time stamp or a measurement of its own holds one record in many rows that
differ in some columns. Their label is one decision taken once: a hard row that stands there twenty times is one witness, not twenty.

Two questions are asked, and either makes two rows one witness. An error of theirs costs a vote, and convicts nobody.

*Column by column.* Guarantee: were columns independent, at most `CHANCE` rows on average would be taken for repeats of a row, however
many it is compared with. Each column bets, at odds that are fair where one row has nothing to do with the other, on equal cells (odds:
one over the value's share) and on near numbers (`NEAR` p^(NEAR - 1), with p the share of pairs as near, by ranks: Vovk and Wang 2021,
E-values, section 2); the bets multiply, and Markov's inequality bounds the product. Columns are not independent, so the product must
also be beyond what two rows of one label reach: an exponential tail laid through the middle of such pairs, not their end, where the
repeats themselves are.

*All that is equal, together.* What two carriers are equal in beside the columns on trial is weighed, and ranked among the pairs that
the same row makes with rows that do not carry what is on trial, label by label (a p-value where carriers are like those but for
repeats). Of the pairs taken, at most `BY_CHANCE` on average are none, as Benjamini and Hochberg have it for p-values that do not hang
together or do so positively: an assumption here, where pairs share rows.

It cannot see repeats with most columns drawn anew, nor tell them from natural twins in a table of coarse columns: those count as one
witness, which loses power and convicts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from assay.learn.columns import Bools, Coded, Floats
from assay.stats.multiple import bh

Int = NDArray[np.int64]

KNOWN_ROWS = 20_000  # rows that a column's shares are told by: an equal cell bets 9.9 nats at most
PAIRS = 4_000  # pairs of rows of one label by which chance is told: their nine tenths to 2 %
MIDDLE, UPPER = 0.5, 0.9  # of these pairs, that the tail is laid through
CHANCE = 0.05  # rows that are taken for repeats of a row by chance, on average
NEAR = 0.2  # exponent of the bet on near numbers: most on those a hundredth of the rows apart
LOOKED_AT = 200  # rows that are compared each with each, in some 20 ms; of more, as many pairs drawn at random
OTHERS = 2_000  # rows that pairs are ranked among: p-values to .0005, a tenth of what four rows each of fifty records need
LABELS = 20  # with rows of their own among these, the commonest: a hundred rows each; the other labels' are taken together
FEWEST_OTHERS = 100  # of them, below which nothing is ranked
BY_CHANCE = 0.2  # of the pairs taken for repeats: a trigger of fifty rows loses one vote or two by that, and one in five of all scans any
ONE_VALUE = 0.9  # with one value in this share of the carriers, a column on trial says nothing of which of them repeat one another


@dataclass(frozen=True)
class Likeness:
    """Of `cells` (n, d): each column's sorted sample, and `chance` (pairs, d), the log bets on pairs of rows of one label."""

    cells: Floats
    numeric: Bools
    known: tuple[Floats, ...]
    missing: Floats  # (d,) share of missing cells
    chance: Floats
    others: Int  # (r,) rows of all labels that pairs are ranked among,
    kind: Int  # (r,) and which label each has, by its place among the commonest

    @staticmethod
    def of(coded: Coded, y: Int, rng: np.random.Generator) -> Likeness:
        """Learnt from a sample of the rows; `y` (n,) codes, negative where missing."""
        n, d = coded.cells.shape
        rows = np.sort(rng.choice(n, KNOWN_ROWS, replace=False)) if n > KNOWN_ROWS else np.arange(n)
        seen = coded.cells[rows]
        known = tuple(np.sort(column[~np.isnan(column)]) for column in seen.T)
        others, kind = _of_each_label(y, rng)
        bare = Likeness(coded.cells, coded.numeric, known, np.isnan(seen).mean(0), np.zeros((0, d)), others, kind)
        one, other = (coded.cells[rows] for rows in _pairs_of_one_label(y, rng))
        return replace(bare, chance=np.stack([bare.log_bet(j, one[:, j], other[:, j]) for j in range(d)], 1))

    def repeats(self, rows: Int, on_trial: Bools, rng: np.random.Generator, together: bool = True) -> Floats:
        """(m,) how many of `rows` (m,) say what each says, itself among them; columns `on_trial` (d,) are what the rows were chosen by.

        Of such a column it only counts how near cells are within the range that all of them share. Of more than `LOOKED_AT` rows the
        answer is the mean over all, since a row's own number would be a guess. Without `together` only the first question is asked, in
        a quarter of the time: no more rows repeat one another by that.
        """
        m = len(rows)
        asked, others = (rng.permutation(m)[:LOOKED_AT], rng.permutation(m)[:LOOKED_AT]) if m > LOOKED_AT else (np.arange(m), np.arange(m))
        total = np.zeros((len(asked), len(others)))
        kept: list[int] = []
        for j in range(len(on_trial)):
            cells = self.cells[rows, j]
            within = self._range(j, cells) if on_trial[j] else 1.0
            if within is not None:
                kept.append(j)
                total += self.log_bet(j, cells[asked][:, None], cells[others][None, :], within)
        if m < 2 or not kept or not len(self.chance):
            return np.ones(m)
        itself = asked[:, None] == others[None, :]
        near = total > self.limit(kept, m)
        if together:
            near |= self._equal_beyond_chance(rows, rows[asked], rows[others], on_trial, itself)
        near &= ~itself
        if m <= LOOKED_AT:
            return np.asarray(1.0 + near.sum(1))
        return np.full(m, 1 + (m - 1) * near.sum() / max(near.size - int(itself.sum()), 1))

    def limit(self, columns: list[int], m: int) -> float:
        """The log of the product of bets beyond which a row repeats another of `m`."""
        middle, upper = np.quantile(self.chance[:, columns].sum(1), [MIDDLE, UPPER])
        step = (upper - middle) / np.log((1 - MIDDLE) / (1 - UPPER))
        return float(max(np.log(m / CHANCE), upper + step * np.log((1 - UPPER) * m / CHANCE)))

    def _equal_beyond_chance(self, rows: Int, asked: Int, others: Int, on_trial: Bools, itself: Bools) -> Bools:
        """(a, b) which pairs of the carriers `asked` (a,) and `others` (b,) are equal in more than chance explains, beside `on_trial`."""
        stranger = ~self._carrying(rows, on_trial)
        beside = np.flatnonzero(~on_trial)
        if stranger.sum() < FEWEST_OTHERS or not len(beside):
            return np.zeros(itself.shape, bool)
        pairs = np.zeros(itself.shape)
        chance = np.zeros((len(asked), int(stranger.sum())))
        for j in map(int, beside):
            mine, weight = self._told(j, asked), self._weight(j, self.cells[asked, j])
            pairs += weight[:, None] * (mine[:, None] == self._told(j, others)[None, :])
            chance += weight[:, None] * (mine[:, None] == self._theirs[j, stranger][None, :])
        p = _tails(pairs, chance, self.kind[stranger])
        p[itself] = 1.0
        return bh(p.ravel(), BY_CHANCE, int((~itself).sum())).reshape(p.shape)

    @cached_property
    def _theirs(self) -> Floats:
        """(d, r) what the other rows hold: gathered from all of the table once, not for every question."""
        return np.stack([self._told(j, self.others) for j in range(self.cells.shape[1])])

    def _told(self, j: int, rows: Int) -> Floats:
        """Cells of column j of which two that are missing are equal."""
        cells = self.cells[rows, j]
        return np.where(np.isnan(cells), np.inf, cells)

    def _weight(self, j: int, cells: Floats) -> Floats:
        """What it weighs to be equal to such a cell of column j: more, the rarer it is."""
        values, missing = self.known[j], self.missing[j]
        least = 1 / (len(values) + 1)
        count = np.searchsorted(values, cells, "right") - np.searchsorted(values, cells, "left")
        share = np.where(np.isnan(cells), max(missing, least), (count + 1) * least * (1 - missing))
        return np.asarray(np.log1p(1 / np.maximum(share, least)))

    def _carrying(self, rows: Int, on_trial: Bools) -> Bools:
        """(r,) which of the other rows may carry what `rows` do: their cells on trial are among theirs."""
        if not on_trial.any():
            return np.isin(self.others, rows)
        carrying = np.ones(len(self.others), bool)
        for j in map(int, np.flatnonzero(on_trial)):
            mine, theirs = self._told(j, rows), self._theirs[j]
            carrying &= (theirs >= mine.min()) & (theirs <= mine.max()) if self.numeric[j] else np.isin(theirs, mine)
        return carrying

    def log_bet(self, j: int, one: Floats, other: Floats, within: float = 1.0) -> Floats:
        """Log of what column j wins on cells `one` and `other`; shapes are broadcast. `within`: the share of rows both are known to be
        among."""
        values, missing = self.known[j], self.missing[j]
        low = np.minimum(np.searchsorted(values, one, "left"), np.searchsorted(values, other, "left"))
        high = np.maximum(np.searchsorted(values, one, "right"), np.searchsorted(values, other, "right"))
        least = 1 / (len(values) + 1)
        share = np.clip((high - low + 1) * least * (1 - missing) / within, least, 1.0)
        gone = np.isnan(one) & np.isnan(other)
        equal = np.where(gone, 1 / max(missing, least), np.where(one == other, 1 / share, 0.0))
        if not self.numeric[j]:
            return np.asarray(np.log((1 + equal) / 2))
        near = np.where(np.isnan(one) | np.isnan(other), 1.0, np.minimum(2 * share, 1.0))
        return np.asarray(np.log((1 + equal + NEAR * near ** (NEAR - 1)) / 3))

    def _range(self, j: int, cells: Floats) -> float | None:
        """The share of rows within the range of these cells; None where (nearly) all are one value, or any is missing."""
        if not self.numeric[j] or not len(cells) or np.isnan(cells).any():
            return None
        _, count = np.unique(cells, return_counts=True)
        if count.max() >= ONE_VALUE * len(cells):
            return None
        within = np.searchsorted(self.known[j], cells.max(), "right") - np.searchsorted(self.known[j], cells.min(), "left")
        return float((within + 1) / (len(self.known[j]) + 1))


def _tails(pairs: Floats, chance: Floats, kind: Int) -> Floats:
    """(a, b) how often a row's `chance` (a, r) with rows of one `kind` (r,) reaches what `pairs` (a, b) say, for the kind most like it.

    Above BY_CHANCE, where nothing is rejected, it only says so: of each kind so large a share of the likest rows is looked at.
    """
    of_kind = [kind == label for label in np.unique(kind)]
    reached = [_reached(pairs, chance[:, mine]) for mine in of_kind]
    p = (1 + np.sum(reached, 0)) / (1 + chance.shape[1])
    for mine, so_often in zip(of_kind, reached, strict=True):
        p = np.maximum(p, so_often / mine.sum())
    return np.asarray(p)


def _reached(pairs: Floats, chance: Floats) -> Int:
    """(a, b) how many of a row's `chance` (a, r) are at least `pairs` (a, b), counted no further than to over BY_CHANCE of them."""
    most = min(int(BY_CHANCE * chance.shape[1]) + 1, chance.shape[1])
    likest = np.sort(np.partition(chance, -most, axis=1)[:, -most:], 1)
    return most - np.stack([np.searchsorted(a, b, "left") for a, b in zip(likest, pairs, strict=True)])


def _of_each_label(y: Int, rng: np.random.Generator) -> tuple[Int, Int]:
    """`OTHERS` rows, drawn at random, as many of each of the commonest `LABELS`; and which label each has, the rest taken for one."""
    labels, count = np.unique(y[y >= 0], return_counts=True)
    kind = np.full(int(y.max(initial=-1)) + 1, LABELS - 1)
    common = labels[np.argsort(-count, kind="stable")][: LABELS if len(labels) <= LABELS else LABELS - 1]
    kind[common] = np.arange(len(common))
    of = np.where(y >= 0, kind[np.maximum(y, 0)], -1) if len(kind) else np.full(len(y), -1)
    drawn = []
    for place in range(LABELS):
        rows = np.flatnonzero(of == place)
        drawn.append(rng.choice(rows, min(len(rows), OTHERS // min(LABELS, max(len(labels), 1))), replace=False))
    rows = np.concatenate(drawn)
    return rows, of[rows]


def _pairs_of_one_label(y: Int, rng: np.random.Generator) -> tuple[Int, Int]:
    """Rows drawn at random, and for each another that has its label: `PAIRS` of them, or none where no label has two rows."""
    order = np.argsort(y, kind="stable")
    order = order[y[order] >= 0]
    labels, start, count = np.unique(y[order], return_index=True, return_counts=True)
    if not (count > 1).any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    place = rng.choice(np.flatnonzero((count > 1)[np.searchsorted(labels, y[order])]), PAIRS)
    group = np.searchsorted(labels, y[order[place]])
    step = 1 + (rng.random(PAIRS) * (count[group] - 1)).astype(np.int64)
    partner = start[group] + (place - start[group] + step) % count[group]
    return order[place], order[partner]
