"""A corpus before a probe: what each document says with some of its words taken out, for every shared phrase at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from assay.engine.base import current
from assay.engine.shelf import joined, kept
from assay.learn.corpus import Corpus
from assay.learn.text import TextProbe
from assay.mine.candidate import Candidate
from assay.mine.phrases import Shared
from assay.trial.controls import Controls
from assay.trial.evidence import NOMINATE, combine, judge
from assay.trial.family import Tried
from assay.trial.foreseen import foreseen
from assay.trial.surprise import FLOOR, Bet
from assay.trial.text_record import Occurrences, Record, votes_of

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
Bools = NDArray[np.bool_]

SHORT_LIST = 60  # candidates that are tried again with a probe refitted without their carriers
WORTH_TRYING = np.log(20.0)  # log e-value of the first pass, of surprise, from which a candidate may be short-listed
TOGETHER = 1_000_000  # tokens or occurrences that are tried at a time: some 150 MB; no split of them changes a sum
FEWEST, PARTS_A_WORKER = 50_000, 4  # of these in a piece of work for another process, and pieces each has at least of what is larger
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
        self.record = Record(replace(corpus, vocabulary=()), probe, y, group)
        self.everyone = probe.probabilities()
        self._engine = current()
        self._placed = self._engine.put(self.record)
        self._matched: dict[tuple[int, bool], Floats] = {}
        self._reference: dict[tuple[int, int, bool], Floats] = {}

    def removed(self, shared: Shared, pick: NDArray[np.bool_] | Int | None = None) -> tuple[Int, Int, Floats]:
        """(gram, document, (m, k) probabilities with the phrase removed), one line a phrase and document."""
        return self.record.removed(_some(shared, 0, len(shared), slice(None) if pick is None else pick))

    def _together(self, count: int) -> int:
        """Of so many tokens or occurrences, how many are tried in one piece of work: each worker has a few."""
        if not self._engine.remote:
            return TOGETHER
        return int(np.clip(count // (PARTS_A_WORKER * self._engine.workers), FEWEST, TOGETHER))

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
        ends = np.searchsorted(self.corpus.document, np.arange(self.corpus.documents), side="right")
        together = self._together(int(ends[-1]))
        edges = [0, *(np.flatnonzero(np.diff(ends // together)) + 1).tolist(), self.corpus.documents]
        some = [(first, last) for first, last in pairwise(edges) if first < last]
        tokens = [(int(ends[first - 1]) if first else 0, int(ends[last - 1])) for first, last in some]
        calls = ((self._placed, *each, size, pair) for each in zip(some, tokens, strict=True))
        return joined([kept(part) for part in self._engine.map(Record.without_best, calls)], np.float64)

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
        references = self._engine.put([self.reference(label, shared.words, shared.pair) for label in range(self.probe.k)])
        parts = shared.parts(self._together(len(shared.gram)))
        found = list(self._engine.map(Record.surprise, ((self._placed, _some(shared, *part), references) for part in parts)))
        targeted, both = np.concatenate([f.targeted for f in found]), np.concatenate([f.both for f in found])
        untargeted, any_wrong = np.concatenate([f.untargeted for f in found]), np.concatenate([f.any_wrong for f in found])
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

    def retry(self, lead: Lead) -> Tried:
        """The candidate's trials by this probe."""
        shared = lead.shared
        pick = shared.where(lead.gram)
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
        return judge(candidate, p, self.y[document], Controls(others, strangers, checked=checked), votes=votes, bet=Bet.HEDGED)

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


def _some(shared: Shared, low: int, high: int, mine: Bools | Int | slice) -> Occurrences:
    """The occurrences `mine` of the phrases `low` to before `high`."""
    return Occurrences(shared.words, low, high, shared.gram[mine], shared.at[mine], None if shared.other is None else shared.other[mine])
