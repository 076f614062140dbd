"""The family of phrases: every shared run or pair of words, and letters inside words, on trial in text.

Every phrase that the miner enumerates is tried on all rows, vectorised, by the additive probe; those that come near
conviction are tried again with a probe that never saw any of their carriers. Runs, pairs and letters are sub-families with a
share of the error budget each (weighted e-BH), so that many of one kind do not drown the others; within each, phrases that look dropped
into their sentences (`assay.trial.placement`), and letters that look put into their words, have the larger share, which is fixed before
a label is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.artefact.characters import NAMES
from assay.dataset.data import Dataset
from assay.engine.give_back import give_back
from assay.finding import Check
from assay.learn import meaning
from assay.learn.corpus import Corpus, distinct, joint, read_corpus
from assay.learn.text import fit_text_probe
from assay.learn.text_features import text_features
from assay.mine.characters import disclosed
from assay.mine.letters import shared_letters
from assay.mine.phrases import Shared, shared_pairs, shared_runs
from assay.screen.shingles import near_text_groups
from assay.trial.bridges import bridges
from assay.trial.canaries import canary_words, deal_plantings
from assay.trial.family import NOTHING, CanaryCopy, Depth, Examined, Heard, Planting, Progress, Tried
from assay.trial.kept_out import kept_out
from assay.trial.kin import are_kin
from assay.trial.meaning_court import MOST_CARRIERS, MOST_ROWS, MeaningCourt, Meanings
from assay.trial.phrase_effect import phrase_effect
from assay.trial.placement import budget, dropped_in, placements
from assay.trial.text_columns import text_columns
from assay.trial.text_court import SHORT_LIST, Court, Lead

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

WIDEST = 0.1  # of the rows: carriers of what is shared by more are not left out
MEASURED = 3.0  # log e-value from which the effect of a phrase is measured
CANARY_ROWS = 20_000  # canaries go into a sample of at most so many rows: power is a matter of carriers, not of the rest
CANARY_CARRIERS = (20, 50)
CANARIES_EACH = 5
SIBLINGS = 4  # other phrases with the same carriers that make them a template: a planted trigger is one phrase, or two words
HIDDEN_SHARE = 0.25  # of the runs' error budget, for classes of characters that nobody sees
SAME = 0.5  # Jaccard index of carriers above which two phrases are one artefact
LETTERS_SHARE = 0.1  # of the error budget, for letters inside words: the others lose a tenth of a nat
LETTERS_LIST = 10  # of those on the short list, and only where their weighted e-value is above 1: what is tried again is left out by all
IN_TWO_WORDS = 10  # runs, the strongest, that are tried as two words as well


@dataclass(frozen=True)
class PhraseFamily:
    """Phrases in the text columns of a labelled data set."""

    name: str = "phrase"
    heard: Heard = NOTHING
    leads: ClassVar[bool] = True

    def told(self, heard: Heard) -> PhraseFamily:
        """The same; among canaries it measures no effects and makes no features, which nobody would read."""
        return replace(self, heard=heard)

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if not text_columns(data):
            return Check(self.name, "not_applicable", "there is no text column")
        if not data.labelled:
            return Check(self.name, "not_applicable", "there are no labels to be surprised at")
        if depth == "full":
            meaning.available()  # one that is named and cannot be used is told before any work is done
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        columns = [data.table.column(c) for c in text_columns(data)]
        progress(0, 10, "reading words")
        corpus = read_corpus(disclosed(columns))
        group = near_text_groups(_joined(columns), rng)
        k = len(data.classes)
        give_back()
        progress(1, 10, "learning what each text says")
        probe = fit_text_probe(corpus, data.y, k, group, rng)
        give_back()
        court = Court(corpus, probe, data.y, group)
        progress(4, 10, "trying shared phrases")
        runs, pairs = list(shared_runs(corpus)), shared_pairs(corpus)
        give_back()
        everything = [*runs, *([pairs] if pairs is not None else [])]
        company = placements(corpus, everything)
        support = [s.support for s in everything]
        closing = bridges(corpus, everything)
        cut = len(runs)  # runs and pairs have half of the budget each
        log_weights = [*budget(company[:cut], support[:cut], closing[:cut]), *budget(company[cut:], support[cut:], closing[cut:])]
        log_weights = _hidden_first(corpus, runs, log_weights)
        letters = shared_letters(corpus)
        leads: list[Lead] = []
        planted: list[Tried] = []
        for done, (shared, weight, own, closes) in enumerate(zip(everything, log_weights, company, closing, strict=True)):
            progress(4 + 3 * done / len(everything), 10, "trying shared phrases")
            leads.extend(court.first_pass(shared, weight))
            planted.extend([] if shared.pair else dropped_in(corpus, shared, own, closes, data.y, k))
        within = [] if letters is None else court.first_pass(letters, budget([-letters.odd], [letters.support])[0])
        within = [x for x in within if x.log_e + x.log_weight > np.log(len(x.shared) / LETTERS_SHARE)]
        counts = [sum(map(len, runs)), 0 if pairs is None else len(pairs), 0 if letters is None else len(letters)]
        ordered = sorted((x for x in leads if not x.shared.hidden(corpus, x.gram)), key=lambda x: -x.log_e - x.log_weight)
        short = _distinct(ordered, SHORT_LIST)
        short += _in_two_words(ordered, short)
        short += _beside(short, sorted(within, key=lambda x: -x.log_e - x.log_weight))
        tried = [lead.tried(corpus) for lead in short]
        near = [i for i, t in enumerate(tried) if t.log_e > 0]
        if near:
            progress(7, 10, "trying the suspects again without their carriers")
            give_back()
            without = kept_out((tried[i].candidate.carriers for i in near), data.y, WIDEST)
            again = Court(corpus, fit_text_probe(corpus, data.y, k, group, rng, without), data.y, group)
            read = self._meanings(corpus, data.y, group, depth, rng)
            both = () if read is None else (MeaningCourt(court, read, rng), MeaningCourt(again, read, rng, without))
            progress(9, 10, "measuring effects")
            for i in near:
                courts = both if both and len(tried[i].candidate.carriers) <= MOST_CARRIERS else (court, again)
                heard = [c.retry(short[i]) for c in courts]
                result = _lesser(*heard)
                effect = None
                if result.target is not None and result.log_e > MEASURED and not self.heard.canaries:
                    effect = phrase_effect(corpus, probe, data.y, short[i].shared, short[i].gram, result.target, rng)
                template = _template(corpus, everything, short[i]) if result.log_e > MEASURED else None
                if template is None and result.log_e > MEASURED:
                    template = _kin(again, everything, short[i], heard, rng)
                tried[i] = replace(result, effect=effect, natural=template)
        tried = [
            replace(t, log_e=t.log_e + lead.log_weight + _log_share(lead.shared, *counts)) for t, lead in zip(tried, short, strict=True)
        ]
        tried += planted
        order = sorted(range(len(tried)), key=lambda i: (-tried[i].log_e, tried[i].p_value))
        notes = (f"{corpus.cut} texts were longer than was read",) if corpus.cut else ()
        progress(10, 10, "phrases tried")
        features = None if self.heard.canaries else text_features(corpus, rng)
        return Examined(tuple(tried[i] for i in order), sum(counts), probe.probabilities(), features, notes=notes)

    def _meanings(self, corpus: Corpus, y: Int, group: Int, depth: Depth, rng: np.random.Generator) -> Meanings | None:
        """What texts mean, where there is a model of it and time for it."""
        if depth != "full" or corpus.documents > MOST_ROWS or not meaning.available():
            return None
        return Meanings.of(meaning.encoder(), corpus, y, group, rng)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """One rare word a canary, each with its own target and rows, at each number of carriers."""
        if len(data) > CANARY_ROWS:
            data = data.subset(np.sort(rng.choice(len(data), CANARY_ROWS, replace=False)))
        column = max(text_columns(data), key=lambda c: sum(len(v or "") for v in data.table.column(c).to_pylist()[:200]))
        texts = data.table.column(column).to_pylist()
        y = data.y.copy()
        dealt = deal_plantings(data.y, len(data.classes), CANARY_CARRIERS * CANARIES_EACH, rng)
        if not dealt.deals:
            return None
        words = canary_words(texts, len(dealt.deals), rng)
        plantings = []
        for word, deal in zip(words, dealt.deals, strict=True):
            for i in deal.rows:
                parts = (texts[i] or "").split(" ")
                parts.insert(int(rng.integers(0, len(parts) + 1)), word)
                texts[i] = " ".join(parts)
            y[deal.rows] = deal.target
            plantings.append(Planting("phrase", "one rare word", np.sort(deal.rows)))
        rows = data.rows.with_column(column, texts)
        return CanaryCopy(data.with_content(rows, y), tuple(plantings), dealt.left)


def _hidden_first(corpus: Corpus, runs: Sequence[Shared], log_weights: list[Floats]) -> list[Floats]:
    """The same shares of the error budget, but that classes of hidden and look-alike characters have `HIDDEN_SHARE` of that of all runs.

    They are a handful, and nobody writes them by chance; the share is fixed before a label is read.
    """
    hidden = np.array([word in NAMES for word in corpus.vocabulary], bool)
    mine = [hidden[corpus.word[s.at[s.first]]] & (s.words == 1) for s in runs]
    count, total = sum(int(m.sum()) for m in mine), sum(map(len, runs))
    if not count:
        return log_weights
    share = np.log(HIDDEN_SHARE * total / count)
    changed = [np.where(m, share, w + np.log(1 - HIDDEN_SHARE)) for m, w in zip(mine, log_weights, strict=False)]
    return [*changed, *log_weights[len(runs) :]]


def _log_share(shared: Shared, runs: int, pairs: int, letters: int) -> float:
    """Added to the log e-value of each phrase of this kind, of which there are so many: weights whose mean over all is at most 1."""
    others = 0.5 * (1 - LETTERS_SHARE if letters else 1.0)
    share, count = (LETTERS_SHARE, letters) if shared.inside else (others, pairs if shared.pair else runs)
    return float(np.log(share * (runs + pairs + letters) / count))


def _template(corpus: Corpus, everything: Sequence[Shared], lead: Lead) -> str | None:
    """Why the carriers look like one natural template, if they do: they share `SIBLINGS` further phrases that have no word of this one.

    A trigger that hides in a template cannot be told from it by its rows alone.
    """
    inside = np.zeros(corpus.documents, bool)
    inside[lead.carriers] = True
    own = _words(corpus, lead)
    siblings = 0
    for shared in everything:
        if shared.pair:
            continue
        held = distinct(joint(*shared.within(inside), corpus.documents)) // corpus.documents
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


def _words(corpus: Corpus, lead: Lead) -> set[int]:
    """The words of a phrase, by their numbers in the vocabulary."""
    shared = lead.shared
    mine = shared.where(lead.gram)
    at = shared.at[mine]
    places = {int(start) + j for start in at for j in range(shared.words)}
    if shared.other is not None:
        places |= set(shared.other[mine].tolist())
    return {int(corpus.word[place]) for place in places}


def _kin(court: Court, everything: Sequence[Shared], lead: Lead, heard: Sequence[Tried], rng: np.random.Generator) -> str | None:
    """Why those carriers that are strangers in their label, where one of the trials asked for them, look like one natural template."""
    asked = next((t for t in heard if t.odd is not None), None)
    if asked is None or asked.odd is None:
        return None
    elsewhere = court.everyone[asked.odd].copy()
    elsewhere[:, asked.target] = 0
    phrases = are_kin(court.corpus, everything, asked.odd, elsewhere.argmax(1), court.y, _words(court.corpus, lead), rng)
    if phrases is None:
        return None
    return (
        f"Most of its rows belong to their label, and the {len(asked.odd)} that do not share {phrases} other phrases, more than random "
        "texts of the label they look like: a natural kind of its own. A trigger put into these very rows could not be told from it"
    )


def _lesser(informed: Tried, innocent: Tried) -> Tried:
    """The trial by the probe that knows the carriers' kin, and by the one that does not: the one that speaks less.

    Ignorant of a natural subpopulation (a news feed among letters), the second would find all of it strange.
    """
    return informed if informed.log_e < innocent.log_e else innocent


def _joined(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """(n,) one text a row, its columns one after another."""
    texts = [pc.fill_null(c.cast(pa.large_string()), "") for c in columns]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, pa.scalar("\n", pa.large_string()))


def _in_two_words(leads: list[Lead], kept: list[Lead]) -> list[Lead]:
    """For the strongest runs among `kept`, the strongest pair of words that stands in the same documents, if there is one.

    With one word of a trigger of two taken out the other is left, and may speak for the label loudly enough to acquit the first.
    """
    pairs = [(lead, set(lead.carriers.tolist())) for lead in leads if lead.shared.pair and lead.log_e > 0]
    found: dict[int, Lead] = {}
    for lead in [x for x in kept if not x.shared.pair and x.log_e > 0][:IN_TWO_WORDS]:
        mine = set(lead.carriers.tolist())
        pair = next((pair for pair, theirs in pairs if _alike(mine, theirs)), None)
        if pair is not None:
            found[id(pair)] = pair
    return list(found.values())


def _beside(short: list[Lead], letters: list[Lead]) -> list[Lead]:
    """The strongest letters inside words, without those that are one artefact with a phrase that is on the short list already."""
    phrases = [set(lead.carriers.tolist()) for lead in short]
    return _distinct([x for x in letters if not any(_alike(set(x.carriers.tolist()), theirs) for theirs in phrases)], LETTERS_LIST)


def _alike(mine: set[int], theirs: set[int]) -> bool:
    """Whether two phrases with these carriers are one artefact."""
    return len(mine & theirs) > SAME * len(mine | theirs)


def _distinct(leads: list[Lead], most: int) -> list[Lead]:
    """The first `most`, without those whose carriers are mostly those of a stronger lead."""
    kept: list[Lead] = []
    sets: list[set[int]] = []
    for lead in leads:
        mine = set(lead.carriers.tolist())
        if any(_alike(mine, theirs) for theirs in sets):
            continue
        kept.append(lead)
        sets.append(mine)
        if len(kept) == most:
            break
    return kept
