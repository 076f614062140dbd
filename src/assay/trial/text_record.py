"""What is asked of a corpus and its probe phrase by phrase and document by document: pieces of work for whoever has the corpus.

The guarantee: every phrase is tried on all of its carriers at once, and every document on all of its words, so that no way of sharing
either out changes a sum: the same numbers to the bit, a phrase at a time or all together, here or by workers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.learn.corpus import Corpus, Place, distinct, joint
from assay.learn.text import TextProbe, softmax
from assay.stats.ranks import log_bets, log_mixture
from assay.trial.bets import surprises
from assay.trial.surprise import clip_probabilities

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Occurrences:
    """Where neighbouring phrases of one length stand, those `low` to before `high`: as in `assay.mine.phrases.Shared`."""

    words: int
    low: int
    high: int
    gram: Place
    at: Place
    other: Place | None

    def some(self, pick: Bools | Int) -> Occurrences:
        """Those of the same phrases that are picked."""
        return replace(self, gram=self.gram[pick], at=self.at[pick], other=None if self.other is None else self.other[pick])


@dataclass(frozen=True)
class Surprise:
    """Logs of e of neighbouring phrases: `targeted` (phrases, k) surprise at each label and `untargeted` (phrases,) at any other than the
    likeliest; `both`, `any_wrong` the lesser of each and of contradiction, -inf where it is not surprising."""

    targeted: Floats
    untargeted: Floats
    both: Floats
    any_wrong: Floats


@dataclass(frozen=True)
class Record:
    """A corpus (its vocabulary may be left out), the probe's word on it, labels (n,) and groups of near-duplicates (n,)."""

    corpus: Corpus
    probe: TextProbe
    y: Int
    group: Int

    def removed(self, found: Occurrences) -> tuple[Int, Int, Floats]:
        """(gram, document, (m, k) probabilities with the phrase removed), one line a phrase and document."""
        gram, at, other = found.gram, found.at, found.other
        tokens = len(self.corpus.word)
        places = [at + j for j in range(found.words if other is None else 1)] + ([] if other is None else [other])
        place = distinct(np.concatenate([joint(gram, x, tokens) for x in places]))  # overlapping occurrences count once
        pairs = distinct(np.concatenate([place, place[place % tokens > 0] - 1]))
        keys = distinct(joint(gram, self.corpus.document[at], self.corpus.documents))
        add = self._sum(keys, place, self.probe.single) + self._sum(keys, pairs, self.probe.double)
        gram, document = keys // self.corpus.documents, keys % self.corpus.documents
        return gram, document, clip_probabilities(softmax(self.probe.logits[document] - add))

    def _sum(self, keys: Int, place: Int, share: NDArray[np.float32]) -> Floats:
        """(keys, k) sums of token shares by phrase and document; `place` is phrase times tokens plus token."""
        tokens = len(self.corpus.word)
        at = place % tokens
        owner = joint(place // tokens, self.corpus.document[at], self.corpus.documents)
        slot = np.minimum(np.searchsorted(keys, owner), len(keys) - 1)
        known = keys[slot] == owner  # a pair that starts in the document before belongs to no carrier, and holds nothing
        return np.stack([np.bincount(slot[known], share[at[known], c].astype(float), minlength=len(keys)) for c in range(self.probe.k)], 1)

    def without_best(self, documents: tuple[int, int], tokens: tuple[int, int], size: int, pair: bool) -> Floats:
        """(m, k): column t is the support for t once the part of that size that does most for t, against its best rival, is gone.

        Of the documents from the first to before the second number, and their tokens.
        """
        corpus, probe = self.corpus, self.probe
        whole = probe.logits[slice(*documents)]
        at = tokens[0] + np.flatnonzero(corpus.word[slice(*tokens)] >= 0)
        at = at[at + size <= len(corpus.word)]
        document = corpus.document[at]
        inside = corpus.document[at + size - 1] == document
        at, document = at[inside], document[inside] - documents[0]
        add = probe.spans(at, size)
        support = np.empty(whole.shape)
        if not len(at):
            return np.asarray(softmax(whole))
        top = add.argmax(1)
        first, second = np.partition(add, probe.k - 2, axis=1)[:, [-1, -2]].T if probe.k > 1 else (add[:, 0], add[:, 0])
        for label in range(probe.k):
            gain = add[:, label] - np.where(top == label, second, first)
            logits = whole.copy()
            for _ in range(2 if pair else 1):
                best = best_of_each(gain, document)
                logits[document[best]] -= add[best]
                gain[best] = -np.inf
            support[:, label] = softmax(logits)[:, label]
        return support

    def surprise(self, found: Occurrences, references: list[Floats]) -> Surprise:
        """Of each phrase on its labelled carriers. `references`: of each label, sorted, what its rows say of it without their best part."""
        size, k = found.high - found.low, self.probe.k
        labelled = self.y[self.corpus.document[found.at]] >= 0
        gram, document, p = self.removed(found.some(labelled))
        if not len(gram):
            return Surprise(np.zeros((size, k)), np.zeros(size), np.full((size, k), -np.inf), np.full(size, -np.inf))
        gram, y = gram - found.low, self.y[document]
        vote = votes_of(gram, self.group[document])
        asked = surprises(gram, y, p, vote, size)
        targeted, untargeted = asked.targeted, asked.untargeted
        worth = (targeted > 0).any(1) | (untargeted > 0)  # of the others contradiction changes nothing: they convict nobody
        both, any_wrong = self._contradicted(references, gram, vote, y, p, worth)
        both = np.where(targeted > 0, np.minimum(targeted, both), -np.inf)
        any_wrong = np.where(untargeted > 0, np.minimum(untargeted, any_wrong), -np.inf)
        return Surprise(targeted, untargeted, both, any_wrong)

    def _contradicted(self, references: list[Floats], gram: Int, vote: Floats, y: Int, p: Floats, worth: Bools) -> tuple[Floats, Floats]:
        """(phrases, k) by carriers of each label, and (phrases,) by all: log e of contradiction where it is `worth` it, else -inf."""
        some = worth[gram]
        gram, vote, y, p = gram[some], vote[some], y[some], p[some]
        place = np.cumsum(worth) - 1
        bets, count = vote[:, None] * log_bets(_ranks(references, y, p)), int(worth.sum())

        def summed(rows: Int | slice) -> Floats:
            return log_mixture(np.stack([np.bincount(place[gram[rows]], b, minlength=count) for b in bets[rows].T], 1))

        both, whole = np.full((len(worth), self.probe.k), -np.inf), np.full(len(worth), -np.inf)
        if count:
            for t in range(self.probe.k):
                both[worth, t] = summed(np.flatnonzero(y == t))
            whole[worth] = summed(slice(None))
        return both, whole


def _ranks(references: list[Floats], y: Int, p: Floats) -> Floats:
    """(m,) where each carrier's support for its own label stands among the rows of that label, in (0, 1]."""
    u = np.ones(len(y))
    for label in np.unique(y):
        mine = y == label
        u[mine] = (np.searchsorted(references[label], p[mine, label], side="right") + 1) / (len(references[label]) + 1)
    return np.minimum(u, 1.0)


def best_of_each(gain: Floats, document: Place) -> Int:
    """Where the greatest gain of each document stands (the first of equals); `document` is sorted, -inf counts as absent."""
    starts = np.flatnonzero(np.r_[True, document[1:] != document[:-1]])
    sizes = np.diff(np.r_[starts, len(document)])
    best = np.flatnonzero((gain == np.repeat(np.maximum.reduceat(gain, starts), sizes)) & np.isfinite(gain))
    return best[np.r_[True, document[best][1:] != document[best][:-1]]] if len(best) else best


def votes_of(gram: Int, group: Int) -> Floats:
    """(m,) one vote for each phrase and group of near-duplicates, shared among its members."""
    _, inverse, count = np.unique(gram * (group.max(initial=0) + 1) + group, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / count[inverse])
