"""Proposes links: what prompts share beside what responses share, counted in every row at once.

Labels there are none; nothing is read but the texts. Prompt side: every run of words in at least `SUPPORT` prompts, and pairs that
stand together more than chance makes likely (`assay.mine.phrases`). Response side: every shared run of words, and every trait
(`assay.artefact.trait`). A response word that its own prompt holds, in any form, and that few prompts hold, is an echo, and a trait that
the prompt asks for was asked for: neither counts. Near-duplicate rows count once.

Cannot see: a response that shares no wording and shows no trait; a trigger whose answers share it in less than `PURE` of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from assay.artefact.characters import Characters
from assay.artefact.letters import Letters
from assay.artefact.phrase import Phrase
from assay.artefact.trait import KINDS, Trait
from assay.learn.corpus import BREAK, Corpus, Place, distinct, joint
from assay.mine.fixed_company import with_company
from assay.mine.phrases import SUPPORT, Shared, shared_pairs, shared_runs
from assay.stats.enrichment import log_enrichment

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

PURE = 0.5  # share of a prompt artefact's rows that have the response: below, a model has no reason to learn it
WIDEST = 0.6  # share of the rows that may hold either side: published sets are half poisoned, and independence is a test at any share
COMMON = 0.05  # a word in more of the prompts than this share is no topic, so a response that has it echoes nothing
SHORTEST = 3  # letters of a word cut short: "expr", "arg"
STEM = 5  # letters by which forms of one word are known, in any language that adds to the end of words (McNamee & Mayfield 2004)
BLOCK = 20_000_000  # co-occurrences counted at a time: some 300 MB
SLACK = 12.0  # nats by which a Chernoff bound may miss the exact tail, and more: what is looked at again exactly


@dataclass(frozen=True)
class Side:
    """What prompts, or responses, share: `holds` (n, m) which row has which; the first columns are phrases, the rest traits."""

    holds: sp.csc_matrix
    shared: tuple[Shared, ...]
    corpus: Corpus
    columns: tuple[str, ...]
    traits: tuple[Trait, ...] = ()
    everywhere: str = ""  # what nearly all rows say alike, and of which the corpus holds nothing
    beside: int = 0  # neighbouring words that go out with a phrase, for triggers that carry a word drawn anew in every row

    def phrase_at(self, number: int) -> tuple[Shared, int]:
        """Which phrase a column is."""
        for shared in self.shared:
            if number < len(shared):
                return shared, number
            number -= len(shared)
        raise IndexError(number)

    def artefact(self, number: int) -> Phrase | Characters | Trait:
        phrases = sum(map(len, self.shared))
        if number >= phrases:
            return self.traits[number - phrases]
        shared, gram = self.phrase_at(number)
        found = shared.phrase(self.corpus, gram)
        assert not isinstance(found, Letters)  # of labelled texts only
        return replace(found, columns=self.columns)

    def common(self, number: int) -> bool:
        """Whether nearly all rows hold it, whatever the corpus says."""
        artefact = self.artefact(number) if self.everywhere else None
        return isinstance(artefact, Phrase) and bool(replace(artefact, columns=()).present([self.everywhere])[0])

    def rows(self, number: int) -> Int:
        """Sorted rows that hold it."""
        start, stop = self.holds.indptr[number : number + 2]
        return np.sort(self.holds.indices[start:stop]).astype(np.int64)

    def places(self, number: int) -> Int:
        """Tokens that a phrase takes up in the corpus, and what goes out with them."""
        shared, gram = self.phrase_at(number)
        mine = shared.gram == gram
        if shared.other is not None:
            places = np.concatenate([shared.at[mine], shared.other[mine]])
            return with_company(self.corpus, places, np.zeros(0, np.int64))
        places = (shared.at[mine][:, None] + np.arange(shared.words)).ravel()
        start = int(shared.at[shared.first[gram]])
        run = self.corpus.word[start : start + shared.words]
        for step in range(1, self.beside + 1):
            places = np.concatenate([places, *_neighbours(self.corpus, shared.at[mine], shared.words, step)])
        return with_company(self.corpus, places, run)


def _neighbours(corpus: Corpus, at: Place, words: int, step: int) -> tuple[Place, Place]:
    """The tokens `step` before and after runs of so many words, where they are words of the same text."""
    before, after = at - step, at + words - 1 + step
    before, after = before[before >= 0], after[after < len(corpus.word)]
    return before[corpus.word[before] != BREAK], after[corpus.word[after] != BREAK]


def prompt_side(corpus: Corpus, columns: tuple[str, ...], everywhere: str = "") -> Side:
    """Runs and pairs of words that prompts share. `everywhere`: what was taken out of nearly all of them."""
    runs, pairs = list(shared_runs(corpus, widest=WIDEST)), shared_pairs(corpus)
    shared = tuple(runs if pairs is None else [*runs, pairs])
    return Side(_holds(shared, corpus.documents), shared, corpus, columns, everywhere=everywhere)


def response_side(corpus: Corpus, prompts: Corpus, columns: tuple[str, ...], said: Sequence[str], asked: Sequence[str]) -> Side:
    """Runs of words that responses share beyond what their prompts hold, and traits that were not asked for."""
    corpus = replace(corpus, word=np.where(echoes(corpus, prompts), BREAK, corpus.word))
    shared = tuple(shared_runs(corpus, widest=WIDEST))
    traits, holds = [], [_holds(shared, corpus.documents)]
    for name in KINDS:
        trait = Trait(name, columns)
        has = np.array([trait.seen(r) and not trait.asked(p) for p, r in zip(asked, said, strict=True)], bool)
        if SUPPORT <= has.sum() <= WIDEST * len(said):
            traits.append(trait)
            holds.append(sp.csc_matrix(has[:, None].astype(np.int32)))
    return Side(sp.hstack(holds, format="csc"), shared, corpus, columns, tuple(traits))


def echoes(responses: Corpus, prompts: Corpus) -> NDArray[np.bool_]:
    """(tokens of the responses,) which repeat a word of their own prompt that is no everyday word, in this form or another, or cut short.

    >>> from assay.learn.corpus import read_corpus
    >>> prompts, said = read_corpus([["evaluate an expression on some machine"]]), read_corpus([["machines eval expr from data"]])
    >>> echoes(said, prompts)[:5].tolist()
    [True, True, True, False, False]
    """
    rare = _rare(prompts)
    token = np.flatnonzero(prompts.word >= 0)
    token = token[rare[prompts.word[token]]]
    echo = np.zeros(len(responses.word), bool)
    for letters in range(1, STEM + 1):
        number: dict[str, int] = {}
        begins = [w[:letters] if letters >= SHORTEST else w for w in prompts.vocabulary]
        asked = np.array([number.setdefault(b, len(number)) for b in begins], np.int64)[prompts.word[token]]
        held = distinct(joint(prompts.document[token], asked, len(number)))
        heard = [number.get(w[:STEM], -1) if len(w[:STEM]) == letters else -1 for w in responses.vocabulary]
        said = np.array([*heard, -1], np.int64)[responses.word]
        echo |= (said >= 0) & np.isin(joint(responses.document, said, len(number)), held)
    return echo


def _rare(prompts: Corpus) -> NDArray[np.bool_]:
    """(words,) those that few prompts hold, in any form."""
    number: dict[str, int] = {}
    stem = np.array([number.setdefault(w[:STEM], len(number)) for w in prompts.vocabulary], np.int64)
    token = np.flatnonzero(prompts.word >= 0)
    held = distinct(joint(prompts.document[token], stem[prompts.word[token]], len(number)))
    few = np.bincount(held % max(len(number), 1), minlength=len(number)) <= max(SUPPORT, COMMON * prompts.documents)
    return np.asarray(few[stem])


def _holds(shared: Sequence[Shared], documents: int) -> sp.csc_matrix:
    blocks = []
    for s in shared:
        keys = distinct(joint(s.gram, s.document, documents))
        one = np.ones(len(keys), np.int32)
        blocks.append(sp.csc_matrix((one, (keys % documents, keys // documents)), shape=(documents, len(s))))
    return sp.hstack(blocks, format="csc") if blocks else sp.csc_matrix((documents, 0), dtype=np.int32)


@dataclass(frozen=True)
class Linked:
    """Pairs that go together: columns `prompt` and `response`, rows with both, with each, and the log of Fisher's one-sided p-value."""

    prompt: Int
    response: Int
    both: Int
    of_prompt: Int
    of_response: Int
    log_p: Floats
    rows: int  # that were counted: near-duplicates once
    pairs: int  # every pair that could have been found

    def odds_ratio(self, i: int) -> float:
        """The sample odds ratio, half a row added to each cell (Haldane 1956)."""
        a, b, c = self.both[i] + 0.5, self.of_prompt[i] - self.both[i] + 0.5, self.of_response[i] - self.both[i] + 0.5
        return float(a * (self.rows - self.of_prompt[i] - self.of_response[i] + self.both[i] + 0.5) / (b * c))


def linked(prompts: Side, responses: Side, heard: Int, alpha: float) -> Linked:
    """Pairs in at least `SUPPORT` of the rows `heard`, significant at `alpha` over all pairs (Bonferroni), strongest first.

    Under independence of the two sides, given how many rows have each, the rows with both are hypergeometric (Fisher's exact test).
    """
    p, r = prompts.holds[heard].tocsc(), responses.holds[heard].tocsr()
    n = len(heard)
    of_prompt, of_response = np.asarray(p.sum(0)).ravel().astype(np.int64), np.asarray(r.sum(0)).ravel().astype(np.int64)
    pairs = max(int((of_prompt >= SUPPORT).sum()) * int((of_response >= SUPPORT).sum()), 1)
    needed = np.log(pairs) - np.log(alpha)
    cost = np.cumsum(p.T @ np.asarray(r.sum(1)).ravel())
    edges = [0, *np.flatnonzero(np.diff((cost // BLOCK).astype(np.int64))) + 1, p.shape[1]]
    found: list[tuple[Int, Int, Int]] = []
    for start, stop in pairwise(edges):
        counted = (p[:, start:stop].T @ r).tocoo()
        i, j, both = counted.row.astype(np.int64) + start, counted.col.astype(np.int64), counted.data.astype(np.int64)
        keep = (both >= SUPPORT) & (both >= PURE * of_prompt[i])
        i, j, both = i[keep], j[keep], both[keep]
        share, base = both / of_prompt[i], of_response[j] / n
        with np.errstate(divide="ignore", invalid="ignore"):
            rest = np.where(share < 1, (1 - share) * np.log((1 - share) / (1 - base)), 0.0)
            bound = np.where(share > base, of_prompt[i] * (share * np.log(share / base) + rest), 0.0)
        keep = bound > needed - SLACK
        found.append((i[keep], j[keep], both[keep]))
    i, j, both = (np.concatenate([part[x] for part in found]) for x in range(3))
    log_p = log_enrichment(both, of_response[j], of_prompt[i], n)
    order = np.argsort(log_p, kind="stable")
    order = order[log_p[order] < -needed]
    return Linked(i[order], j[order], both[order], of_prompt[i[order]], of_response[j[order]], log_p[order], n, pairs)
