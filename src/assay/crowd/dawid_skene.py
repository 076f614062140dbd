"""Each annotator has a confusion matrix, or one coin; both are fitted by expectation maximisation.

The statistics that a fit needs are sums over votes (`Tally`), so that shards of rows can be counted apart and merged: one
code path for a core and for many. A shard holds all the votes on its rows.

Dawid & Skene (1979), Applied Statistics 28(1); one coin: Zhang, Chen, Zhou & Jordan (2016), JMLR 17(102), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from assay.crowd.aggregate import Aggregate, agreement
from assay.crowd.majority import shares
from assay.crowd.votes import Floats, Int, Votes, summed

# Pseudo-votes, why, and when to stop.
CONFUSION_PRIOR = 0.01  # added to each cell of a confusion matrix: a label never seen from an annotator is unlikely, not impossible
COIN_PRIOR = 0.5  # added to rights and to wrongs (Jeffreys)
CLASS_PRIOR = 0.01  # added to each class: one that no row holds now may yet be held
SETTLED = 1e-5  # mean gain of log likelihood a row below which the fit has settled
MOST_ROUNDS = 100


@dataclass(frozen=True)
class Tally:
    """Mergeable sums over votes: `pairs` (p, k) expected votes of each (annotator, label) pair by truth, `prior` (k,) rows
    by truth, and the log likelihood."""

    pairs: Floats
    prior: Floats
    log_likelihood: float

    def merge(self, other: Tally) -> Tally:
        """The tally of both shards."""
        return Tally(self.pairs + other.pairs, self.prior + other.prior, self.log_likelihood + other.log_likelihood)


@dataclass(frozen=True)
class Shard:
    """Votes as a sparse matrix: `incidence` (n, p) how often each pair (annotator, label) was voted on each row."""

    votes: Votes
    incidence: csr_array
    voted: Floats  # (n,) 1 for rows with votes

    def posterior(self, log_chances: Floats, log_prior: Floats) -> tuple[Floats, float]:
        """(posterior (n, k), log likelihood) under chances (p, k) of each pair given each truth."""
        log_joint = self.incidence @ log_chances + log_prior
        top = log_joint.max(1, keepdims=True)
        weights = np.exp(log_joint - top)
        total = weights.sum(1, keepdims=True)
        return weights / total, float(((top + np.log(total))[:, 0] * self.voted).sum())

    def tally(self, posterior: Floats, log_likelihood: float = 0.0) -> Tally:
        return Tally(self.incidence.T @ posterior, self.voted @ posterior, log_likelihood)


@dataclass(frozen=True)
class Pairs:
    """The (annotator, label) pairs that occur in any shard, sorted: `annotator` (p,), `label` (p,)."""

    annotator: Int
    label: Int
    annotators: int
    classes: int


def shards_of(parts: Sequence[Votes]) -> tuple[Pairs, list[Shard]]:
    """The pairs over all parts, and each part over them. The parts share the codes of annotators and classes."""
    a, k = len(parts[0].annotators), len(parts[0].classes)
    if any(part.annotators != parts[0].annotators or part.classes != parts[0].classes for part in parts):
        raise ValueError("shards must share their annotators and classes")
    seen = np.zeros(a * k, bool)
    for part in parts:
        seen[part.annotator * k + part.label] = True
    codes = np.flatnonzero(seen)
    place = np.cumsum(seen) - 1
    made = []
    for part in parts:
        n = len(part.rows)
        entries = (np.ones(len(part)), (part.row, place[part.annotator * k + part.label]))
        made.append(Shard(part, csr_array(entries, shape=(n, len(codes))), (part.votes_on > 0).astype(float)))
    return Pairs(codes // k, codes % k, a, k), made


def dawid_skene(votes: Votes) -> Aggregate:
    """The label given a confusion matrix of each annotator.

    Assumes independent errors given the truth. Cannot see: rows that are hard for everyone; annotators who agree by
    arrangement count as independent witnesses. Needs some ten votes an annotator and class; with fewer, `one_coin`.

    >>> from assay.crowd.votes import from_arrays
    >>> votes = from_arrays([0, 0, 0, 1, 1, 1, 2, 2, 2], list("abc") * 3, [0, 0, 1, 1, 1, 0, 1, 1, 0])
    >>> dawid_skene(votes).label.tolist()  # c always says the contrary, and is read so
    [0, 1, 1]
    """
    return fit([votes])[0]


def one_coin(votes: Votes) -> Aggregate:
    """The label given one chance to be right for each annotator, the same in every class; errors fall on all alike."""
    return fit([votes], coin=True)[0]


def fit(parts: Sequence[Votes], *, coin: bool = False) -> list[Aggregate]:
    """`dawid_skene` (or `one_coin`) over shards of rows that share annotators: one aggregate a shard."""
    pairs, shards = shards_of(parts)
    posteriors = [shares(part) for part in parts]
    before, number = -np.inf, 0
    while True:
        log_chances, log_prior = _maximise([s.tally(p) for s, p in zip(shards, posteriors, strict=True)], pairs, coin)
        found = [shard.posterior(log_chances, log_prior) for shard in shards]
        posteriors = [p for p, _ in found]
        log_likelihood = sum(value for _, value in found)
        number += 1
        if log_likelihood - before < SETTLED * sum(len(part.rows) for part in parts) or number == MOST_ROUNDS:
            break
        before = log_likelihood
    name = "one_coin" if coin else "dawid_skene"
    skill = _together(parts, posteriors)
    return [Aggregate(name, part, p, skill, number) for part, p in zip(parts, posteriors, strict=True)]


def _maximise(tallies: Sequence[Tally], pairs: Pairs, coin: bool) -> tuple[Floats, Floats]:
    """(log chances (p, k) of each pair given each truth, log prior (k,))."""
    total = tallies[0]
    for other in tallies[1:]:
        total = total.merge(other)
    prior = total.prior + CLASS_PRIOR
    a, k = pairs.annotators, pairs.classes
    if coin:
        right = summed(pairs.annotator, total.pairs[np.arange(len(pairs.label)), pairs.label], a) + COIN_PRIOR
        every = summed(pairs.annotator, total.pairs.sum(1), a) + 2 * COIN_PRIOR
        chance = right / every
        log_chances = np.repeat(np.log((1 - chance) / (k - 1))[pairs.annotator, None], k, axis=1)
        log_chances[np.arange(len(pairs.label)), pairs.label] = np.log(chance)[pairs.annotator]
    else:
        starts = np.flatnonzero(np.r_[True, np.diff(pairs.annotator) != 0])
        of_truth = np.add.reduceat(total.pairs, starts, axis=0)  # (annotators with votes, k)
        which = np.cumsum(np.r_[False, np.diff(pairs.annotator) != 0])
        log_chances = np.log(total.pairs + CONFUSION_PRIOR) - np.log(of_truth + k * CONFUSION_PRIOR)[which]
    return log_chances, np.log(prior / prior.sum())


def _together(parts: Sequence[Votes], posteriors: Sequence[Floats]) -> Floats:
    if len(parts) == 1:
        return agreement(parts[0], posteriors[0])
    right = sum(summed(v.annotator, p[v.row, v.label], len(v.annotators)) for v, p in zip(parts, posteriors, strict=True))
    of = sum(v.votes_of for v in parts)
    return np.asarray(np.where(of > 0, right / np.maximum(of, 1), np.nan))
