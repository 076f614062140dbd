"""The family of phrases: every shared run or pair of words, on trial in text.

Every phrase that the miner enumerates is tried on all rows, vectorised, by the additive probe; those that come near
conviction are tried again with a probe that never saw any of their carriers. Runs and pairs are two sub-families with half of
the error budget each (weighted e-BH), so that the many pairs do not drown the runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import Check, TrialResult
from assay.learn.corpus import Corpus, distinct, read_corpus
from assay.learn.text import TextProbe, fit_text_probe, softmax
from assay.learn.text_features import text_features
from assay.mine.candidate import Candidate
from assay.mine.phrases import Shared, shared_pairs, shared_runs
from assay.screen.shingles import near_text_groups
from assay.stats.ranks import log_bets, log_mixture
from assay.trial.canaries import canary_words, deal_plantings
from assay.trial.evidence import NOMINATE, PURITY, clip_probabilities, combine, judge
from assay.trial.family import CanaryCopy, Depth, Examined, Planting, Progress, Tried
from assay.trial.phrase_effect import phrase_effect
from assay.trial.placement import PLACELESS, placement, pure_phrases, usual_neighbours
from assay.trial.text_columns import text_columns

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

SHORT_LIST = 60  # candidates that are tried again with a probe refitted without their carriers
WORTH_TRYING = np.log(20.0)  # log e-value of the first pass, of surprise, from which a candidate may be short-listed
MEASURED = 3.0  # log e-value from which the effect of a phrase is measured
WINDOW = 2  # words: what a natural phrase says for a label lies mostly in two of its words, so that is what the others lose
CANARY_ROWS = 30_000  # canaries go into a sample of at most so many rows: power is a matter of carriers, not of the rest
CANARY_CARRIERS = (20, 50)
CANARIES_EACH = 5
SIBLINGS = 4  # other phrases with the same carriers that make them a template: a planted trigger is one phrase, or two words
SAME = 0.5  # Jaccard index of carriers above which two phrases are one artefact


@dataclass(frozen=True)
class PhraseFamily:
    """Phrases in the text columns of a labelled data set."""

    name: str = "phrase"

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if not text_columns(data):
            return Check(self.name, "not_applicable", "there is no text column")
        if not data.labelled:
            return Check(self.name, "not_applicable", "there are no labels to be surprised at")
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        columns = [data.table.column(c).to_pylist() for c in text_columns(data)]
        progress(0, 10, "reading words")
        corpus = read_corpus(columns)
        group = near_text_groups(_joined(columns), rng)
        k = len(data.classes)
        progress(1, 10, "learning what each text says")
        probe = fit_text_probe(corpus, data.y, k, group, rng)
        court = _Court(corpus, probe, data.y, group)
        progress(4, 10, "trying shared phrases")
        leads: list[_Lead] = []
        dropped_in: list[Tried] = []
        counts = [0, 0]
        pairs = shared_pairs(corpus)
        everything = [*shared_runs(corpus), *([pairs] if pairs is not None else [])]
        for done, shared in enumerate(everything):
            progress(4 + 3 * done / len(everything), 10, "trying shared phrases")
            counts[shared.pair] += len(shared)
            leads.extend(court.first_pass(shared))
            dropped_in.extend([] if shared.pair else _dropped_in(corpus, shared, data.y, k))
        short = _distinct(sorted(leads, key=lambda lead: -lead.log_e))[:SHORT_LIST]
        tried = [lead.tried(corpus) for lead in short]
        near = [i for i, t in enumerate(tried) if t.log_e > 0]
        if near:
            progress(7, 10, "trying the suspects again without their carriers")
            without = np.zeros(corpus.documents, bool)
            for i in near:
                if len(tried[i].candidate.carriers) <= 0.1 * corpus.documents:
                    without[tried[i].candidate.carriers] = True
            again = _Court(corpus, fit_text_probe(corpus, data.y, k, group, rng, without), data.y, group)
            progress(9, 10, "measuring effects")
            for i in near:
                result = _lesser(court.retry(short[i]), again.retry(short[i]))
                effect = None
                if result.target is not None and result.log_e > MEASURED:
                    effect = phrase_effect(corpus, probe, data.y, short[i].shared, short[i].gram, result.target, rng)
                template = _template(corpus, everything, short[i]) if result.log_e > MEASURED else None
                tried[i] = replace(result, effect=effect, natural=template)
        weights = [0.5 * sum(counts) / max(c, 1) for c in counts]
        tried = [replace(t, log_e=t.log_e + np.log(weights[lead.shared.pair])) for t, lead in zip(tried, short, strict=True)]
        tried += dropped_in
        order = sorted(range(len(tried)), key=lambda i: (-tried[i].log_e, tried[i].p_value))
        notes = (f"{corpus.cut} texts were longer than was read",) if corpus.cut else ()
        progress(10, 10, "phrases tried")
        return Examined(tuple(tried[i] for i in order), sum(counts), probe.probabilities(), text_features(corpus, rng), notes=notes)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """One rare word a canary, each with its own target and rows, at each number of carriers."""
        if len(data) > CANARY_ROWS:
            data = data.subset(np.sort(rng.choice(len(data), CANARY_ROWS, replace=False)))
        column = max(text_columns(data), key=lambda c: sum(len(v or "") for v in data.table.column(c).to_pylist()[:200]))
        texts = data.table.column(column).to_pylist()
        y = data.y.copy()
        deals = deal_plantings(data.y, len(data.classes), CANARY_CARRIERS, CANARIES_EACH, rng)
        if not deals:
            return None
        words = canary_words(texts, len(deals), rng)
        plantings = []
        for word, deal in zip(words, deals, strict=True):
            for i in deal.rows:
                parts = (texts[i] or "").split(" ")
                parts.insert(int(rng.integers(0, len(parts) + 1)), word)
                texts[i] = " ".join(parts)
            y[deal.rows] = deal.target
            plantings.append(Planting("phrase", "one rare word", np.sort(deal.rows)))
        rows = data.rows.with_column(column, texts)
        return CanaryCopy(data.with_content(rows, y), tuple(plantings))


@dataclass(frozen=True)
class _Lead:
    """A phrase after the first pass."""

    shared: Shared
    gram: int
    carriers: Int
    target: int | None
    log_e: float
    log_surprise: float

    def tried(self, corpus: Corpus) -> Tried:
        candidate = Candidate(self.shared.phrase(corpus, self.gram), self.carriers)
        return Tried(candidate, self.target, self.log_e, 1.0, (), nominated=self.log_surprise >= NOMINATE)


class _Court:
    """A corpus with one probe: what each document says with some of its words removed."""

    def __init__(self, corpus: Corpus, probe: TextProbe, y: Int, group: Int) -> None:
        self.corpus, self.probe, self.y, self.group = corpus, probe, y, group
        self.everyone = probe.probabilities()
        self._matched: dict[tuple[int, int, bool], Floats] = {}
        self._reference: dict[tuple[int, int, bool], Floats] = {}

    def removed(self, shared: Shared, pick: NDArray[np.bool_] | None = None) -> tuple[Int, Int, Floats]:
        """(gram, document, (m, k) probabilities with the phrase removed), one line a phrase and document."""
        gram, document, at = shared.gram, shared.document, shared.at
        other = shared.other
        if pick is not None:
            gram, document, at = gram[pick], document[pick], at[pick]
            other = None if other is None else other[pick]
        tokens = len(self.corpus.word)
        places = [at + j for j in range(shared.words if other is None else 1)] + ([] if other is None else [other])
        place = distinct(np.concatenate([gram * tokens + x for x in places]))  # overlapping occurrences count once
        pairs = distinct(np.concatenate([place, place[place % tokens > 0] - 1]))
        keys = distinct(gram * self.corpus.documents + document)
        add = self._sum(keys, place, self.probe.single) + self._sum(keys, pairs, self.probe.double)
        gram, document = keys // self.corpus.documents, keys % self.corpus.documents
        return gram, document, clip_probabilities(softmax(self.probe.logits[document] - add))

    def _sum(self, keys: Int, place: Int, share: NDArray[np.float32]) -> Floats:
        """(keys, k) sums of token shares by phrase and document; `place` is phrase times tokens plus token."""
        tokens = len(self.corpus.word)
        at = place % tokens
        owner = (place // tokens) * self.corpus.documents + self.corpus.document[at]
        slot = np.minimum(np.searchsorted(keys, owner), len(keys) - 1)
        known = keys[slot] == owner  # a pair that starts in the document before belongs to no carrier, and holds nothing
        return np.stack(
            [np.bincount(slot[known], share[at[known], c].astype(float), minlength=len(keys)) for c in range(self.probe.k)], 1
        )

    def matched(self, label: int, words: int, pair: bool) -> Floats:
        """(n,) every document's support for `label` with its own most supporting part of that size removed."""
        key = (label, 1 if pair else min(words, WINDOW), pair)
        if key not in self._matched:
            self._matched[key] = self._support_without_best(*key)
        return self._matched[key]

    def _support_without_best(self, label: int, size: int, pair: bool) -> Floats:
        corpus, probe = self.corpus, self.probe
        at = np.flatnonzero(corpus.word >= 0)
        last = at + size - 1
        fits = last < len(corpus.word)
        at = at[fits]
        at = at[corpus.document[at + size - 1] == corpus.document[at]]
        add = probe.spans(at, size)
        gain = add[:, label] - np.where(
            np.arange(probe.k) == label, -np.inf, add
        ).max(1)  # what it does for the label against the best rival
        document = corpus.document[at]
        order = np.lexsort((-gain, document))
        at, document, add = at[order], document[order], add[order]
        first = np.flatnonzero(np.r_[True, np.diff(document) != 0]) if len(document) else np.zeros(0, int)
        logits = probe.logits.copy()
        logits[document[first]] -= add[first]
        if pair:
            second = first + 1
            second = second[(second < len(document))]
            second = second[document[second] == document[second - 1]]
            logits[document[second]] -= add[second]
        return np.asarray(softmax(logits)[:, label])

    def reference(self, label: int, words: int, pair: bool) -> Floats:
        """Sorted matched support among all rows labelled so."""
        key = (label, 1 if pair else min(words, WINDOW), pair)
        if key not in self._reference:
            self._reference[key] = np.sort(self.matched(label, words, pair)[self.y == label])
        return self._reference[key]

    def first_pass(self, shared: Shared) -> list[_Lead]:
        """Surprise and contradiction of every phrase at once; those worth a second look."""
        if not len(shared):
            return []
        labelled = self.y[shared.document] >= 0
        gram, document, p = self.removed(shared, labelled)
        if not len(gram):
            return []
        y, k, size = self.y[document], self.probe.k, len(shared)
        vote = _votes(gram, self.group[document])
        own = np.bincount(gram, -vote * np.log(p[np.arange(len(y)), y]), minlength=size)
        hits = np.stack([np.bincount(gram, vote * (y == t), minlength=size) for t in range(k)], 1)
        total = hits.sum(1, keepdims=True)
        targeted = own[:, None] + hits * np.log(PURITY) + (total - hits) * np.log((1 - PURITY) / max(k - 1, 1))
        wrong = y != p.argmax(1)
        ratio = np.log(np.where(wrong, PURITY / (1 - p.max(1)) + 1 - PURITY, 1 - PURITY))
        untargeted = np.bincount(gram, vote * ratio, minlength=size)
        bets = vote[:, None] * log_bets(self._ranks(shared, y, p))
        both = np.full((size, k), -np.inf)
        for t in range(k):
            mine = y == t
            lean = log_mixture(np.stack([np.bincount(gram[mine], b, minlength=size) for b in bets[mine].T], 1))
            both[:, t] = np.where(targeted[:, t] > 0, np.minimum(targeted[:, t], lean), -np.inf)
        lean = log_mixture(np.stack([np.bincount(gram, b, minlength=size) for b in bets.T], 1))
        any_wrong = np.where(untargeted > 0, np.minimum(untargeted, lean), -np.inf)
        speaks = np.maximum(targeted.max(1), untargeted)
        convicts = np.maximum(both.max(1), any_wrong)
        pick = np.flatnonzero(convicts > 0)
        pick = pick[np.argsort(-convicts[pick], kind="stable")[: 4 * SHORT_LIST]]
        natural = np.flatnonzero((speaks > WORTH_TRYING) & (convicts <= 0))
        natural = natural[np.argsort(-speaks[natural], kind="stable")[:SHORT_LIST]]
        leads = []
        for g in [*pick, *natural]:
            aimed = bool(targeted[g].max() >= untargeted[g])
            target = int(both[g].argmax()) if np.isfinite(both[g].max()) else int(targeted[g].argmax())
            log_e = combine(both[g], any_wrong[g]) if convicts[g] > 0 else -np.inf
            leads.append(_Lead(shared, int(g), document[gram == g], target if aimed else None, log_e, float(speaks[g])))
        return leads

    def _ranks(self, shared: Shared, y: Int, p: Floats) -> Floats:
        """(m,) where each carrier's support for its own label stands among the rows of that label, in (0, 1]."""
        u = np.ones(len(y))
        for label in np.unique(y):
            reference = self.reference(int(label), shared.words, shared.pair)
            mine = y == label
            u[mine] = (np.searchsorted(reference, p[mine, label], side="right") + 1) / (len(reference) + 1)
        return np.minimum(u, 1.0)

    def retry(self, lead: _Lead) -> Tried:
        """The candidate's trials by this probe."""
        shared = lead.shared
        pick = (shared.gram == lead.gram) & (self.y[shared.document] >= 0)
        _, document, p = self.removed(shared, pick)
        outside = np.ones(self.corpus.documents, bool)
        outside[document] = False

        def others(t: int) -> Floats:
            return self.matched(t, shared.words, shared.pair)[outside & (self.y == t)]

        def strangers(t: int) -> Floats:
            return self.everyone[(self.y >= 0) & (self.y != t), t]

        candidate = Candidate(shared.phrase(self.corpus, lead.gram), np.sort(document))
        votes = _votes(np.zeros(len(document), np.int64), self.group[document])
        return judge(candidate, p, self.y[document], others, strangers=strangers, votes=votes)


def _template(corpus: Corpus, everything: Sequence[Shared], lead: _Lead) -> str | None:
    """Why the carriers look like one natural template, if they do: they share `SIBLINGS` further phrases that have no word of this one.

    A trigger that hides in a template cannot be told from it by its rows alone.
    """
    inside = np.zeros(corpus.documents, bool)
    inside[lead.carriers] = True
    mine = set(np.concatenate([np.arange(a, a + lead.shared.words) for a in lead.shared.at[lead.shared.gram == lead.gram]]).tolist())
    own = {int(corpus.word[a]) for a in mine} | (
        set() if lead.shared.other is None else {int(corpus.word[a]) for a in lead.shared.other[lead.shared.gram == lead.gram]}
    )
    siblings = 0
    for shared in everything:
        if shared.pair:
            continue
        here = inside[shared.document]
        held = distinct(shared.gram[here] * corpus.documents + shared.document[here]) // corpus.documents
        both = np.bincount(held, minlength=len(shared))
        close = np.flatnonzero(both > SAME * (shared.support + len(lead.carriers) - both))
        for gram in close:
            at = shared.at[shared.first[gram]]
            siblings += own.isdisjoint(corpus.word[at : at + shared.words].tolist())
    if siblings < SIBLINGS:
        return None
    return (
        f"The same rows share {siblings} other phrases: they are one template, such as a newsletter or a form. It goes with the label as a "
        "whole; a trigger hidden in it cannot be told from it by the rows alone"
    )


def _dropped_in(corpus: Corpus, shared: Shared, y: Int, k: int) -> list[Tried]:
    """Phrases of one label that stand at random places: planted, perhaps, in rows whose labels were left alone."""
    found = []
    usual = usual_neighbours(corpus)
    for gram, label in zip(*pure_phrases(shared, y, k), strict=True):
        company = placement(corpus, shared, int(gram), usual)
        if company < PLACELESS:
            candidate = Candidate(shared.phrase(corpus, int(gram)), shared.carriers(int(gram)))
            trial = TrialResult("placement", "ran", detail=f"log Bayes factor {company:.2f} a row for having neighbours of its own")
            words = (
                "It stands at random places, without the neighbours that a natural phrase has, and under one label only. "
                "The labels fit the content, so rows alone cannot prove poison"
            )
            found.append(Tried(candidate, int(label), -np.inf, 1.0, (trial,), planted_without_relabelling=words))
    return found


def _votes(gram: Int, group: Int) -> Floats:
    """(m,) one vote for each phrase and group of near-duplicates, shared among its members."""
    _, inverse, count = np.unique(gram * (group.max(initial=0) + 1) + group, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / count[inverse])


def _lesser(informed: Tried, innocent: Tried) -> Tried:
    """The trial by the probe that knows the carriers' kin, and by the one that does not: the one that speaks less.

    Ignorant of a natural subpopulation (a news feed among letters), the second would find all of it strange.
    """
    return informed if informed.log_e < innocent.log_e else innocent


def _joined(columns: Sequence[Sequence[str | None]]) -> pa.Array:
    """(n,) one text a row, its columns one after another."""
    return pa.array(["\n".join(v or "" for v in parts) for parts in zip(*columns, strict=True)], pa.large_string())


def _distinct(leads: list[_Lead]) -> list[_Lead]:
    """Without those whose carriers are mostly those of a stronger lead."""
    kept: list[_Lead] = []
    sets: list[set[int]] = []
    for lead in leads:
        mine = set(lead.carriers.tolist())
        if any(len(mine & s) > SAME * len(mine | s) for s in sets):
            continue
        kept.append(lead)
        sets.append(mine)
    return kept
