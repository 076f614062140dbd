"""A corpus before a probe: what each document says with some of its words taken out, for every shared phrase at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from assay.learn.corpus import Corpus, Place, distinct, joint
from assay.learn.text import TextProbe, softmax
from assay.mine.candidate import Candidate
from assay.mine.phrases import Shared
from assay.stats.ranks import log_bets, log_mixture
from assay.trial.evidence import FLOOR, NOMINATE, PURITY, clip_probabilities, combine, judge
from assay.trial.family import Tried
from assay.trial.foreseen import foreseen

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
Bools = NDArray[np.bool_]

SHORT_LIST = 60  # candidates that are tried again with a probe refitted without their carriers
WORTH_TRYING = np.log(20.0)  # log e-value of the first pass, of surprise, from which a candidate may be short-listed
TOGETHER = 1_000_000  # tokens or occurrences that are tried at a time: some 150 MB; no split of them changes a sum
WINDOW = 2  # words: what a natural phrase says for a label lies mostly in two of its words, so that is what the others lose


@dataclass(frozen=True)
class Lead:
    """A phrase after the first pass."""

    shared: Shared
    gram: int
    carriers: Int
    target: int | None
    log_e: float
    log_surprise: float
    log_weight: float  # of this phrase in the error budget

    def tried(self, corpus: Corpus) -> Tried:
        candidate = Candidate(self.shared.phrase(corpus, self.gram), self.carriers)
        return Tried(candidate, self.target, self.log_e, 1.0, (), nominated=self.log_surprise >= NOMINATE)


class Court:
    """A corpus with one probe: what each document says with some of its words removed."""

    def __init__(self, corpus: Corpus, probe: TextProbe, y: Int, group: Int) -> None:
        self.corpus, self.probe, self.y, self.group = corpus, probe, y, group
        self.everyone = probe.probabilities()
        self._matched: dict[tuple[int, bool], Floats] = {}
        self._reference: dict[tuple[int, int, bool], Floats] = {}

    def removed(self, shared: Shared, pick: NDArray[np.bool_] | Int | None = None) -> tuple[Int, Int, Floats]:
        """(gram, document, (m, k) probabilities with the phrase removed), one line a phrase and document."""
        gram, at, other = shared.gram, shared.at, shared.other
        if pick is not None:
            gram, at, other = gram[pick], at[pick], None if other is None else other[pick]
        tokens = len(self.corpus.word)
        places = [at + j for j in range(shared.words if other is None else 1)] + ([] if other is None else [other])
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

    def window(self, label: int, words: int, pair: bool) -> tuple[int, int, bool]:
        """The label, and the size and number of the parts that other rows lose in a trial of a phrase of so many words."""
        return label, 1 if pair else min(words, WINDOW), pair

    def matched(self, label: int, words: int, pair: bool) -> Floats:
        """(n,) every document's support for `label` with its own most supporting part of that size removed."""
        key = self.window(label, words, pair)[1:]
        if key not in self._matched:
            self._matched[key] = self._support_without_best(*key)
        return self._matched[key][:, label]

    def _support_without_best(self, size: int, pair: bool) -> Floats:
        """(n, k): column t is the support for t once the part that does most for t, against its best rival, is gone."""
        corpus = self.corpus
        support = np.empty((corpus.documents, self.probe.k))
        ends = np.searchsorted(corpus.document, np.arange(corpus.documents), side="right")
        edges = [0, *(np.flatnonzero(np.diff(ends // TOGETHER)) + 1).tolist(), corpus.documents]
        for first, last in pairwise(edges):
            if first < last:
                start = int(ends[first - 1]) if first else 0
                support[first:last] = self._of_some((first, last), (start, int(ends[last - 1])), size, pair)
        return support

    def _of_some(self, documents: tuple[int, int], tokens: tuple[int, int], size: int, pair: bool) -> Floats:
        """The same for the documents from the first to before the second number, and their tokens."""
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

    def reference(self, label: int, words: int, pair: bool) -> Floats:
        """Sorted matched support among all rows labelled so."""
        key = self.window(label, words, pair)
        if key not in self._reference:
            self._reference[key] = np.sort(self.matched(label, words, pair)[self.y == label])
        return self._reference[key]

    def first_pass(self, shared: Shared, log_weight: Floats) -> list[Lead]:
        """Surprise and contradiction of every phrase at once; those worth a second look.

        `log_weight` (phrases,): each phrase's share of the error budget, natural log of weights with mean 1.
        """
        if not len(shared):
            return []
        k = self.probe.k
        targeted, both = np.zeros((len(shared), k)), np.full((len(shared), k), -np.inf)
        untargeted, any_wrong = np.zeros(len(shared)), np.full(len(shared), -np.inf)
        for low, high, mine in shared.parts(TOGETHER):
            part = slice(low, high)
            targeted[part], untargeted[part], both[part], any_wrong[part] = self._tried(shared, low, high, mine)
        speaks = np.maximum(targeted.max(1), untargeted)
        convicts = np.maximum(both.max(1), any_wrong)
        pick = np.flatnonzero(convicts > 0)
        pick = pick[np.argsort(-(convicts + log_weight)[pick], kind="stable")[: 4 * SHORT_LIST]]
        natural = np.flatnonzero((speaks > WORTH_TRYING) & (convicts <= 0))
        natural = natural[np.argsort(-speaks[natural], kind="stable")[:SHORT_LIST]]
        leads = []
        for g in [*pick, *natural]:
            aimed = bool(targeted[g].max() >= untargeted[g])
            target = int(both[g].argmax() if both[g].max() > 0 else targeted[g].argmax())
            log_e = combine(both[g], any_wrong[g]) if convicts[g] > 0 else -np.inf
            carriers = shared.carriers(int(g))
            carriers = carriers[self.y[carriers] >= 0]
            leads.append(Lead(shared, int(g), carriers, target if aimed else None, log_e, float(speaks[g]), float(log_weight[g])))
        return leads

    def _tried(self, shared: Shared, low: int, high: int, mine: Int) -> tuple[Floats, Floats, Floats, Floats]:
        """Of the phrases `low` to before `high`, whose occurrences are `mine`: logs of e, surprise at each label (phrases, k) and at any
        other than the likeliest (phrases,), and the lesser of each and of contradiction, -inf where it is not surprising."""
        size, k = high - low, self.probe.k
        labelled = self.y[shared.documents[shared.at[mine]]] >= 0
        gram, document, p = self.removed(shared, mine[labelled])
        if not len(gram):
            return np.zeros((size, k)), np.zeros(size), np.full((size, k), -np.inf), np.full(size, -np.inf)
        gram, y = gram - low, self.y[document]
        vote = votes_of(gram, self.group[document])
        own = np.bincount(gram, -vote * np.log(p[np.arange(len(y)), y]), minlength=size)
        hits = np.stack([np.bincount(gram, vote * (y == t), minlength=size) for t in range(k)], 1)
        total = hits.sum(1, keepdims=True)
        targeted = own[:, None] + hits * np.log(PURITY) + (total - hits) * np.log((1 - PURITY) / max(k - 1, 1))
        wrong = y != p.argmax(1)
        ratio = np.log(np.where(wrong, PURITY / (1 - p.max(1)) + 1 - PURITY, 1 - PURITY))
        untargeted = np.bincount(gram, vote * ratio, minlength=size)
        worth = (targeted > 0).any(1) | (untargeted > 0)  # of the others contradiction changes nothing: they convict nobody
        both, any_wrong = self._contradicted(shared, gram, vote, y, p, worth)
        both = np.where(targeted > 0, np.minimum(targeted, both), -np.inf)
        any_wrong = np.where(untargeted > 0, np.minimum(untargeted, any_wrong), -np.inf)
        return targeted, np.asarray(untargeted), both, any_wrong

    def _contradicted(self, shared: Shared, gram: Int, vote: Floats, y: Int, p: Floats, worth: Bools) -> tuple[Floats, Floats]:
        """(phrases, k) by carriers of each label, and (phrases,) by all: log e of contradiction where it is `worth` it, else -inf."""
        some = worth[gram]
        gram, vote, y, p = gram[some], vote[some], y[some], p[some]
        place = np.cumsum(worth) - 1
        bets, count = vote[:, None] * log_bets(self._ranks(shared, y, p)), int(worth.sum())

        def summed(rows: Int | slice) -> Floats:
            return log_mixture(np.stack([np.bincount(place[gram[rows]], b, minlength=count) for b in bets[rows].T], 1))

        both, whole = np.full((len(worth), self.probe.k), -np.inf), np.full(len(worth), -np.inf)
        if count:
            for t in range(self.probe.k):
                both[worth, t] = summed(np.flatnonzero(y == t))
            whole[worth] = summed(slice(None))
        return both, whole

    def _ranks(self, shared: Shared, y: Int, p: Floats) -> Floats:
        """(m,) where each carrier's support for its own label stands among the rows of that label, in (0, 1]."""
        u = np.ones(len(y))
        for label in np.unique(y):
            reference = self.reference(int(label), shared.words, shared.pair)
            mine = y == label
            u[mine] = (np.searchsorted(reference, p[mine, label], side="right") + 1) / (len(reference) + 1)
        return np.minimum(u, 1.0)

    def retry(self, lead: Lead) -> Tried:
        """The candidate's trials by this probe."""
        shared = lead.shared
        pick = np.flatnonzero(shared.gram == lead.gram)
        pick = pick[self.y[shared.documents[shared.at[pick]]] >= 0]
        _, document, p = self.removed(shared, pick)
        outside = np.ones(self.corpus.documents, bool)
        outside[document] = False

        def others(t: int) -> Floats:
            return self.matched(t, shared.words, shared.pair)[outside & (self.y == t)]

        def strangers(t: int) -> Floats:
            return self.everyone[(self.y >= 0) & (self.y != t), t]

        candidate = Candidate(shared.phrase(self.corpus, lead.gram), np.sort(document))
        votes = votes_of(np.zeros(len(document), np.int64), self.group[document])
        checked = self.checked(shared, document, p)
        return judge(candidate, p, self.y[document], others, strangers=strangers, votes=votes, checked=checked)

    def checked(self, shared: Shared, document: Int, p: Floats) -> Callable[[int], Floats]:
        """Of carriers that say `p` (m, k) by words without the phrase: how likely that is to be label t, (m,), by what other documents say
        with their own most supporting part removed."""
        outside = self.y >= 0
        outside[document] = False

        def likely(t: int) -> Floats:
            most = 1 - (self.probe.k - 1) * FLOOR
            left = np.clip(self.matched(t, shared.words, shared.pair)[outside], FLOOR, most)
            return foreseen(np.clip(p[:, t], FLOOR, most), left, self.y[outside] == t)

        return likely


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
