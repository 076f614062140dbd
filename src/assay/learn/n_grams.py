"""Runs of words that documents share, counted order by order over blocks of documents.

A run can only be shared by as many documents as its two runs one word shorter are, so each order looks only where both stand (Agrawal
and Srikant 1994). Blocks count by themselves, a mergeable state (`Counts`: run -> documents); the sums say which runs are shared, and
every block is told. Runs are numbered in the order of their codes, which no split of the documents changes.

Where runs stand, and what blocks count, may come to more than memory: beyond a bound it lies in files (`assay.engine.shelf`), and
counts are merged one range of runs after another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.engine.base import FAN_IN, Engine, Handle, current, spans
from assay.engine.shelf import kept
from assay.learn.corpus import AT_ONCE, BREAK, PLACE, Corpus, Place, counted, distinct, joint
from assay.stats.counts import Counts, part_of
from assay.stats.lookup import Lookup

Int = NDArray[np.int64]

LONGEST_PHRASE = 24  # tokens: longer boilerplate is found by its parts
CLOSED = 0.9  # a phrase whose extension keeps this share of its documents is merged into the extension
BLOCK_TOKENS, MOST_TOKENS = 500_000, 2_000_000  # of a block: 25 to 100 MB of scratch to sort it, a tenth of a second to half of one
MOST_JOINT = 2**63 - 1  # what two numbers held as one may come to
PARTS_A_WORKER = 2  # that lists of counts are merged in: ranges of keys are not equally long
BLOCKS_A_WORKER = 4  # that large corpora are cut into at least: larger blocks cost an engine of several processes less


@dataclass(frozen=True)
class Block:
    """Some neighbouring documents of a corpus: tokens `start` on, numbered from 0 here; the first document is number `first`."""

    start: int
    first: int
    word: Place
    document: Place

    @property
    def documents(self) -> int:
        return int(self.document[-1]) - self.first + 1 if len(self.document) else 0


@dataclass(frozen=True)
class Step:
    """A block after one order: its occurrences (`at`, `gram`) of runs that are shared, `grams` of them in the whole corpus; None before
    the first order. Where the next order is looked for follows from it, and is worked out when it is asked for: it would take more memory.
    What the next order counts here is counted at once, `ahead`.
    """

    at: Place
    gram: Place
    grams: int | None
    ahead: Counts | None = None


@dataclass(frozen=True)
class Order:
    """All n-grams of one length with enough documents: of each block its first token, and the occurrences in it.

    `support[g]` counts distinct documents; `first[g]` is one place where g stands, to spell it from; `code[g]` holds its two runs one word
    shorter as one number (`joint`). Blocks are left as they are: put together they would be held twice.
    """

    n: int
    steps: list[tuple[int, Step]]
    support: Int
    first: Int
    code: Int


def blocks_of(corpus: Corpus, tokens: int) -> list[Block]:
    """The corpus cut between documents into blocks of about so many tokens."""
    some = (corpus.document[start:stop] for start, stop in spans(len(corpus.document), AT_ONCE))
    ends = np.cumsum(counted(some, corpus.documents))
    blocks, start = [], 0
    while start < len(corpus.word):
        document = int(corpus.document[start])
        last = max(document, int(np.searchsorted(ends, start + tokens, side="right")) - 1)
        stop = int(ends[last])
        blocks.append(Block(start, document, corpus.word[start:stop], corpus.document[start:stop]))
        start = stop
    return blocks


def tokens_of(engine: Engine, corpus: Corpus) -> int:
    """Of a block, for this engine: each piece of work costs one of several processes some milliseconds."""
    if not engine.remote:
        return BLOCK_TOKENS
    return int(np.clip(len(corpus.word) // (BLOCKS_A_WORKER * engine.workers), BLOCK_TOKENS, MOST_TOKENS))


def n_grams(corpus: Corpus, least: int, longest: int = LONGEST_PHRASE) -> Iterator[Order]:
    """Every n-gram shared by at least `least` documents, order by order, until none is left."""
    engine = current()
    blocks = [(block.start, engine.put(block)) for block in blocks_of(corpus, tokens_of(engine, corpus))]
    begin = engine.put(Step(np.zeros(0, PLACE), np.zeros(0, PLACE), None))
    steps = engine.hold(_ahead, [(block, begin) for _, block in blocks])
    begun = _merging(engine, steps, least)
    for n in range(1, longest + 1):
        shared = _merged(engine, begun)
        if not len(shared.keys):
            return
        codes = engine.put(Lookup.among(np.asarray(shared.keys, np.int64)))
        before = deque(steps)
        steps = []
        calls = ((block, before.popleft(), codes) for _, block in blocks)
        steps = engine.hold(_next, calls)  # each old step goes as its next one is made
        del codes
        order = _order(engine, n, blocks, steps, shared)
        begun = _merging(engine, steps, least)  # while whoever asked looks at this order
        del shared
        yield order


def shared_counts(engine: Engine, work: Callable[..., Counts], calls: Sequence[Sequence[Any]], least: int) -> Counts:
    """Keys that occur at least so often in what `work(*call)` counts, all calls together; merged by ranges of keys."""
    return _merged(engine, _merging(engine, engine.hold(work, calls), least))


def held(counts: Counts) -> Counts:
    """The same, for a while."""
    return Counts(kept(counts.keys), kept(counts.counts))


def _merging(engine: Engine, states: Sequence[Handle[Any]], least: int) -> list[Handle[Counts]]:
    """The merging of what was counted, begun: one range of keys each, in their order."""
    parts = max(PARTS_A_WORKER * engine.workers, len(states) // FAN_IN) if states else 0
    return engine.hold(_part, [(number, parts, least, *states) for number in range(parts)])


def _merged(engine: Engine, begun: Sequence[Handle[Counts]]) -> Counts:
    found = [Counts.empty(), *(engine.result(part) for part in begun)]
    return Counts(np.concatenate([part.keys for part in found]), np.concatenate([part.counts for part in found]))


def _part(number: int, parts: int, least: int, *states: Counts | Step) -> Counts:
    counts = [state.ahead if isinstance(state, Step) else state for state in states]
    return part_of(number, parts, [each for each in counts if each is not None], least)


def _order(engine: Engine, n: int, blocks: list[tuple[int, Handle[Block]]], steps: list[Handle[Step]], shared: Counts) -> Order:
    found = [(start, replace(engine.result(step), ahead=None)) for step, (start, _) in zip(steps, blocks, strict=True)]
    first = np.zeros(len(shared.keys), np.int64)
    for start, step in reversed(found):
        first[step.gram[::-1]] = step.at[::-1] + start
    return Order(n, found, shared.counts, first, np.asarray(shared.keys, np.int64))


def _looked_for(block: Block, step: Step) -> tuple[Place, Int]:
    """(m,) where the runs of the next order start, and their codes."""
    if step.grams is None:
        at = np.flatnonzero(block.word != BREAK).astype(PLACE)
        return at, block.word[at].astype(np.int64)
    gram_at = np.full(len(block.word) + 1, -1, PLACE)
    gram_at[step.at] = step.gram
    follows = gram_at[step.at + 1] >= 0
    at = step.at[follows]
    return at, joint(step.gram[follows], gram_at[at + 1], step.grams)


def _ahead(block: Block, step: Step) -> Step:
    return replace(step, ahead=held(_counts(block, step)))


def _counts(block: Block, step: Step) -> Counts:
    """Of the next order: code -> documents."""
    at, code = _looked_for(block, step)
    return _documents(block, at, code) if len(at) else Counts.empty()


def _next(block: Block, step: Step, codes: Lookup) -> Step:
    """The step on: which occurrences are of shared runs, those whose `codes` are given."""
    at, code = _looked_for(block, step)
    gram = codes.places(code)
    shared = gram >= 0
    return _ahead(block, Step(kept(at[shared]), kept(gram[shared].astype(PLACE, copy=False)), len(codes.keys)))


def _documents(block: Block, at: Place, code: Int) -> Counts:
    """In how many documents each code stands."""
    documents = max(block.documents, 1)
    kinds: Int | None = None
    if int(code.max()) >= MOST_JOINT // documents:  # one number would not hold a code and a document: codes are numbered first
        kinds, code = np.unique(code, return_inverse=True)
    code = distinct(joint(code, block.document[at] - block.first, documents)) // documents
    first = np.flatnonzero(np.concatenate([[True], code[1:] != code[:-1]]))
    held = code[first]
    return Counts(held if kinds is None else kinds[held], np.diff(first, append=len(code)))


def open_to_extension(shorter: Order, longer: Order) -> NDArray[np.bool_]:
    """(grams of `shorter`,) which are merged into an n-gram of `longer` that keeps `CLOSED` of their documents."""
    merged = np.zeros(len(shorter.support), bool)
    for part in np.divmod(longer.code, len(shorter.support)):
        merged[part[longer.support >= CLOSED * shorter.support[part]]] = True
    return merged
