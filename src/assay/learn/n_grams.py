"""Runs of words that documents share, counted order by order over blocks of documents.

A run can only be shared by as many documents as its two runs one word shorter are, so each order looks only where both stand (Agrawal
and Srikant 1994). Blocks count by themselves, a mergeable state (`Counts`: run -> documents); the sums say which runs are shared, and
every block is told. Runs are numbered in the order of their codes, which no split of the documents changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.engine.base import Engine, Handle, current
from assay.learn.corpus import BREAK, Corpus, distinct
from assay.stats.counts import Counts

Int = NDArray[np.int64]

LONGEST_PHRASE = 24  # tokens: longer boilerplate is found by its parts
CLOSED = 0.9  # a phrase whose extension keeps this share of its documents is merged into the extension
BLOCK_TOKENS = 500_000  # of a block: 25 MB of scratch to sort it, a tenth of a second


@dataclass(frozen=True)
class Order:
    """All n-grams of one length with enough documents: occurrence i starts at token `at[i]` and is number `gram[i]`.

    `support[g]` counts distinct documents; `first[g]` is one place where g stands, to spell it from.
    """

    n: int
    at: Int
    gram: Int
    support: Int
    first: Int


@dataclass(frozen=True)
class Block:
    """Some neighbouring documents of a corpus: tokens `start` on, numbered from 0 here, as are the documents."""

    start: int
    word: Int
    document: Int


@dataclass(frozen=True)
class Step:
    """A block after one order: its occurrences (`at`, `gram`) of runs that are shared, and where the next order is looked for."""

    at: Int
    gram: Int
    next_at: Int
    next_code: Int
    counts: Counts  # of the next order: code -> documents


def blocks_of(corpus: Corpus, tokens: int = BLOCK_TOKENS) -> list[Block]:
    """The corpus cut between documents into blocks of about so many tokens."""
    ends = np.searchsorted(corpus.document, np.arange(corpus.documents), side="right")
    blocks, start = [], 0
    while start < len(corpus.word):
        document = int(corpus.document[start])
        last = max(document, int(np.searchsorted(ends, start + tokens, side="right")) - 1)
        stop = int(ends[last])
        blocks.append(Block(start, corpus.word[start:stop], corpus.document[start:stop] - document))
        start = stop
    return blocks


def n_grams(corpus: Corpus, least: int, longest: int = LONGEST_PHRASE) -> Iterator[Order]:
    """Every n-gram shared by at least `least` documents, order by order, until none is left."""
    engine = current()
    blocks = [(block.start, engine.put(block)) for block in blocks_of(corpus)]
    steps = engine.hold(_first, [(block,) for _, block in blocks])
    for n in range(1, longest + 1):
        counts = engine.fold(_counts, [(step,) for step in steps])
        if counts is None or not len(counts.keys):
            return
        shared = counts.least(least)
        codes = engine.put(np.asarray(shared.keys, np.int64))
        steps = engine.hold(_next, [(block, step, codes) for (_, block), step in zip(blocks, steps, strict=True)])
        yield _order(engine, n, blocks, steps, shared)


def _order(engine: Engine, n: int, blocks: list[tuple[int, Handle[Block]]], steps: list[Handle[Step]], shared: Counts) -> Order:
    found = engine.map(_found, [(step,) for step in steps])
    parts = [(at + start, gram) for (at, gram), (start, _) in zip(found, blocks, strict=True)]
    at, gram = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    first = np.zeros(len(shared.keys), np.int64)
    first[gram[::-1]] = at[::-1]
    return Order(n, at, gram, shared.counts, first)


def _first(block: Block) -> Step:
    at = np.flatnonzero(block.word != BREAK)
    none = np.zeros(0, np.int64)
    return Step(none, none, at, block.word[at], _documents(block, at, block.word[at]))


def _next(block: Block, step: Step, codes: Int) -> Step:
    """The step on: which occurrences are of shared runs, those whose `codes` (sorted) are given, and the runs one word longer."""
    if not len(codes) or not len(step.next_at):
        none = np.zeros(0, np.int64)
        return Step(none, none, none, none, Counts.empty())
    gram = np.minimum(np.searchsorted(codes, step.next_code), len(codes) - 1)
    shared = codes[gram] == step.next_code
    at, gram = step.next_at[shared], gram[shared]
    gram_at = np.full(len(block.word) + 1, -1, np.int64)
    gram_at[at] = gram
    follows = gram_at[at + 1] >= 0
    next_at = at[follows]
    next_code = gram[follows] * len(codes) + gram_at[next_at + 1]
    return Step(at, gram, next_at, next_code, _documents(block, next_at, next_code))


def _documents(block: Block, at: Int, code: Int) -> Counts:
    """In how many documents each code stands."""
    kinds, number = np.unique(code, return_inverse=True)
    documents = int(block.document[-1]) + 1 if len(block.document) else 1
    in_document = distinct(number * documents + block.document[at])
    return Counts(kinds, np.bincount(in_document // documents, minlength=len(kinds)))


def _counts(step: Step) -> Counts:
    return step.counts


def _found(step: Step) -> tuple[Int, Int]:
    return step.at, step.gram


def open_to_extension(shorter: Order, longer: Order, tokens_in_corpus: int) -> NDArray[np.bool_]:
    """(grams of `shorter`,) which are merged into an n-gram of `longer` that keeps `CLOSED` of their documents."""
    merged = np.zeros(len(shorter.support), bool)
    gram_at = np.full(tokens_in_corpus + 1, -1, np.int64)
    gram_at[shorter.at] = shorter.gram
    for place in (longer.first, longer.first + 1):
        part = gram_at[place]
        merged[part[longer.support >= CLOSED * shorter.support[part]]] = True
    return merged
