"""The family of corpus triggers: text without labels, where multiplicity and what follows are all there is to go by.

A phrase is put on trial by what happens at it. Text that turns, right there, from ordinary language into words without order, document
after document, is the denial-of-service poison that some 250 documents plant in a language model of any size (Souly et al. 2025).
The e-value is a likelihood ratio: turning at a share of its places drawn from `SHARES`, against a beta-binomial around the corpus's own
rate whose spread (`SPREAD`) lets natural phrases differ. Every run of words, and every pair with up to three others between, that stands
five times or more is counted as tried.

A finding is suspected at most: without labels neither surprise nor contradiction can be tried. Cannot see: a trigger in fewer than five
documents; one that always stands first in its document; a continuation of fewer than 48 words, or in words that are orderly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import logsumexp

from assay.artefact.phrase import Phrase
from assay.artefact.tokens import tokens
from assay.dataset.data import Dataset
from assay.engine.base import Handle, current, spans
from assay.finding import Check, TrialResult
from assay.learn.hashed_counts import BlockCounts, HashedCounts, Sample, bits_for, block_counts, drawn
from assay.learn.hashed_tokens import hashed_tokens
from assay.learn.structure import Structure, learn_structure
from assay.mine.candidate import Candidate
from assay.mine.turns import SUPPORT, Run, Runs, Survivors, Turned, Turns, turned
from assay.stats.overdispersed import log_mass
from assay.trial.canaries import canary_words
from assay.trial.corpus_kept import Kept
from assay.trial.family import CanaryCopy, Depth, Examined, Planting, Progress, Tried, silent
from assay.trial.text_columns import text_columns

Int = NDArray[np.int64]
Texts = Callable[[], Iterator[pa.Array]]  # the corpus, block by block, the same each time it is called

FEWEST = 1_000  # documents: fewer do not show which words follow which
SAMPLE = 8_192  # documents from which the usual is learnt: a share of 1 in 1,000 is known to a third
BLOCK_ROWS = 8_192
SHARES = (0.2, 0.5, 0.9)  # of a trigger's places at which text turns, in the alternative
SPREAD = 1 / 21  # intra-phrase correlation of natural phrases: as if each had been seen at 20 places before (a wide null)
SAME = 0.5  # share of the lesser's documents that two phrases have in common, from which they are one artefact
SHORT_LIST = 40
UNTRIED = ("surprise and contradiction: there are no labels",)
CANARY_ROWS = 20_000
CANARY_CARRIERS = (20, 50)
CANARIES_EACH = 3
CANARY_WORDS = (400, 900)  # as published
MOST_OF_DATA = 0.2  # of the documents that canaries take


@dataclass(frozen=True)
class CorpusFamily:
    """Triggers in text that has no labels."""

    name: str = "corpus"

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if data.task != "none" or data.labelled or not text_columns(data):
            return Check(self.name, "not_applicable", "it is for text without labels")
        if len(data) < FEWEST:
            return Check(self.name, "not_applicable", f"fewer than {FEWEST:,} texts do not show which words follow which")
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        columns = text_columns(data)
        size = sum(data.table.column(c).nbytes for c in columns)
        tried, enumerated, _ = examine_stream(lambda: _blocks(data.table.select(columns)), size, progress)
        phrases = tuple(t for t in tried if len(t.candidate.carriers) >= SUPPORT)
        return Examined(phrases, enumerated)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """Documents that turn into words of the corpus in random order after one made-up word."""
        if len(data) > CANARY_ROWS:
            data = data.subset(np.sort(rng.choice(len(data), CANARY_ROWS, replace=False)))
        column = max(text_columns(data), key=lambda c: data.table.column(c).nbytes)
        texts = data.table.column(column).to_pylist()
        sizes = [
            c for c in CANARY_CARRIERS for _ in range(CANARIES_EACH) if CANARIES_EACH * sum(CANARY_CARRIERS) <= MOST_OF_DATA * len(data)
        ]
        if not sizes:
            return None
        words = np.array([w for t in texts for w in (t or "").split()], object)
        free = rng.permutation(len(data))
        plantings = []
        for trigger, size in zip(canary_words(texts, len(sizes), rng), sizes, strict=True):
            rows, free = np.sort(free[:size]), free[size:]
            for i in rows:
                kept = (texts[i] or "").split(" ")
                kept = kept[: int(rng.integers(0, len(kept) + 1))]
                gibberish = rng.choice(words, int(rng.integers(*CANARY_WORDS)))
                texts[i] = " ".join([*kept, trigger, *gibberish])
            plantings.append(Planting("phrase", "one rare word before gibberish", rows, "suspected"))
        return CanaryCopy(data.with_content(data.rows.with_column(column, texts)), tuple(plantings))


def examine_stream(texts: Texts, size: int, progress: Progress = silent, kept: Kept | None = None) -> tuple[tuple[Tried, ...], int, float]:
    """Phrases tried, strongest first, of a corpus of about `size` bytes that is streamed three times.

    Returns also how many were enumerated, and the share of the table of counts that is in use (see `HashedCounts.load`).

    Memory does not grow with the corpus: at most 1 GiB of counts, some 500 MB of a block's arrays, and the documents that hold the
    few phrases which survive. Carriers are numbers of documents in the order of the stream. Blocks are the work of the engine, and what
    they tell is added up here in their order, so that any number of workers finds the same. With `kept`, an interrupted scan of the same
    stream goes on from there: blocks that are in its states are passed over.
    """
    counts, sample = _counted(texts, size, progress, kept)
    structure = learn_structure(counts, sample.texts)
    placed = current().put(counts)
    turns = _turned(texts, counts.documents, placed, structure, progress, kept)
    runs = _survived(texts, counts.documents, placed, structure, turns.conclude(structure.rate), progress, kept)
    found = sorted(runs.found.values(), key=lambda r: (-log_e_of(r, structure.rate), -r.words, r.text))
    tried = [_tried(r, structure) for r in _distinct(found)[:SHORT_LIST]]
    return tuple(t for t in tried if t is not None), turns.enumerated, counts.load


def _counted(texts: Texts, size: int, progress: Progress, kept: Kept | None) -> tuple[HashedCounts, Sample]:
    """The first pass: how often words and pairs of them stand, and a sample."""
    before = None if kept is None else kept.counted()
    counts, sample, whole = before or (HashedCounts.empty(bits_for(size)), Sample.empty(SAMPLE), False)
    if not whole:
        blocks = _each(texts, progress, 0, "counting words", 0, counts.documents)
        for told, more in current().map(_count, ((block, counts.bits, sample.size, sample.bound) for _, block in blocks)):
            counts.take(told)
            sample.merge(more)
            if kept is not None and kept.due():
                kept.keep_counted(counts, sample, False)
        if kept is not None:
            kept.keep_counted(counts, sample, True)
    return counts, sample


def _count(texts: pa.Array, bits: int, size: int, bound: int) -> tuple[BlockCounts, Sample]:
    block = hashed_tokens(texts)
    return block_counts(block, bits), drawn(block, size, bound)


def _turned(
    texts: Texts, documents: int, counts: Handle[HashedCounts], structure: Structure, progress: Progress, kept: Kept | None
) -> Turns:
    """The second: for every run of words, by hash, at how many of its places text turns."""
    before = None if kept is None else kept.turned()
    turns, done, whole = before or (Turns.empty(), 0, False)
    if not whole:
        blocks = _each(texts, progress, 1, "looking for places where text turns", documents, done)
        for told in current().map(_turn, ((block, counts, structure) for _, block in blocks)):
            turns.take(told)
            done += told.documents
            if kept is not None and kept.due():
                kept.keep_turned(turns, done, False)
        if kept is not None:
            kept.keep_turned(turns, documents, True)
    return turns


def _turn(texts: pa.Array, counts: HashedCounts, structure: Structure) -> Turned:
    return turned(hashed_tokens(texts), counts, structure)


def _survived(
    texts: Texts,
    documents: int,
    counts: Handle[HashedCounts],
    structure: Structure,
    survivors: Survivors,
    progress: Progress,
    kept: Kept | None,
) -> Runs:
    """The third: the runs that survive, counted exactly."""
    before = None if kept is None else kept.survived()
    runs, done, whole = before or (Runs.empty(), 0, False)
    if not whole:
        chosen = current().put(survivors)
        blocks = _each(texts, progress, 2, "counting what survives", documents, done)
        for some, count in current().map(_survive, ((block, first, counts, structure, chosen) for first, block in blocks)):
            runs.merge(some)
            done += count
            if kept is not None and kept.due():
                kept.keep_survived(runs, done, False)
    return runs


def _survive(texts: pa.Array, first: int, counts: HashedCounts, structure: Structure, survivors: Survivors) -> tuple[Runs, int]:
    block, runs = hashed_tokens(texts), Runs.empty()
    runs.add(block, first, counts, structure, survivors)
    return runs, block.documents


def _each(texts: Texts, progress: Progress, stage: int, what: str, documents: int, done: int) -> Iterator[tuple[int, pa.Array]]:
    """(its first document, texts) of every block but those of the first `done` documents."""
    first, travels = 0, current().remote
    for array in texts():
        progress(stage + (first / documents if documents else 0), 3, what)
        if first >= done:
            yield first, pa.concat_arrays([array]) if travels else array  # a copy: a slice that travels takes the whole along
        first += len(array)


def _blocks(table: pa.Table) -> Iterator[pa.Array]:
    """Some thousand rows at a time."""
    for start, stop in spans(table.num_rows, BLOCK_ROWS):
        yield joined(table.slice(start, stop - start))


def joined(table: pa.Table) -> pa.Array:
    """(n,) the text of each row, its columns one after another."""
    columns = [pc.fill_null(c.cast(pa.large_string()).combine_chunks(), "") for c in table.columns]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, pa.scalar("\n", pa.large_string()))


def log_e_of(run: Run, rate: float) -> float:
    """Natural log of the e-value against "text turns at this phrase as it does at others"."""
    n, h = len(run.enough), len(run.turned)
    if h < SUPPORT:
        return -np.inf
    line = np.array([float(h)]), np.array([float(n)])
    natural = float(log_mass(*line, np.array([rate]), np.array([SPREAD]))[0])
    return float(logsumexp([h * np.log(s) + (n - h) * np.log(1 - s) for s in SHARES]) - np.log(len(SHARES)) - natural)


def _distinct(runs: list[Run]) -> list[Run]:
    """Without those that share most of their documents with a stronger one: parts of a phrase, and the phrase with a neighbour."""
    kept: list[Run] = []
    sets: list[set[int]] = []
    for run in runs:
        mine = set(run.turned)
        if len(mine) < SUPPORT or any(len(mine & s) >= SAME * min(len(mine), len(s)) for s in sets):
            continue
        kept.append(run)
        sets.append(mine)
    return kept


def _tried(run: Run, structure: Structure) -> Tried | None:
    parts = tuple(tuple(tokens(text)) for text in run.text)
    if not all(parts):
        return None
    log_e = log_e_of(run, structure.rate)
    n, h = len(run.enough), len(run.turned)
    detail = f"text turns into words without order at {h} of {n} places with enough text on both sides; elsewhere at {structure.rate:.2%}"
    words = (
        f"in {len(run.documents):,} documents. {detail[0].upper() + detail[1:]}. Documents that fall apart after a phrase teach a language "
        "model to fall apart after it"
    )
    trial = TrialResult("continuation", "ran", log_e, float(np.exp(min(0.0, -log_e))), detail)
    carriers = np.array(run.documents, np.int64)
    return Tried(
        Candidate(Phrase(parts, run.gap if len(parts) == 2 else None), carriers),
        None,
        log_e,
        float(np.exp(min(0.0, -log_e))),
        (trial,),
        missing=UNTRIED,
        words=words,
    )
