"""A corpus as flat arrays.

Documents become one long array of vocabulary numbers, with a break after each; phrases are then found by sorting numbers
(`assay.learn.n_grams`), not by building strings, which keeps the cost linear in tokens (and the dictionary exact: no hashing).

Documents are read in blocks, each with a vocabulary of its own; `Readings` is their mergeable state, and what it concludes is the
same for any blocks in any order: words are numbered by their first appearance in the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.artefact.tokens import tokens
from assay.engine.base import current, spans
from assay.engine.shelf import joined, kept, zeros

Int = NDArray[np.int64]
Place = NDArray[np.signedinteger[Any]]
Column: TypeAlias = Sequence[str | None] | pa.ChunkedArray

PLACE: type[np.signedinteger[Any]] = np.int32  # of tokens, words, documents, phrases: half the memory, and 2^31 tokens are more than fit
MARGIN = 64  # places past the last token that arithmetic may reach: a phrase is shorter
BREAK = -1  # stands after each document (and between its columns), so that no n-gram crosses from one to the next
MOST_TOKENS = 2_000  # of one document that are read: a novel in a cell must not drown the rest; said in the scan's notes
AT_ONCE = 4_000_000  # tokens or occurrences that are looked at together: some 30 MB
BLOCK = 20_000  # documents read at once: some MB of text, a second's work


def distinct(values: Int) -> Int:
    """Sorted distinct values, by sorting: these arrays come almost sorted, and hashing them is ten times slower."""
    ordered = np.sort(values)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


def joint(high: Place, low: Place, size: int) -> Int:
    """One number for two: `high * size + low`, in 64 bits whatever the two are held in."""
    return high.astype(np.int64) * size + low


def counted(parts: Iterable[Place], size: int) -> Int:
    """(size,) how often each number from 0 on stands in all parts together."""
    total = np.zeros(size, np.int64)
    for part in parts:
        if not len(part):
            continue
        low = int(part.min())
        some = np.bincount(part - low)
        total[low : low + len(some)] += some
    return total


@dataclass(frozen=True)
class Corpus:
    """`word` (t,) vocabulary numbers with breaks; `document` (t,) which document each belongs to; `vocabulary` the words.

    Both are held in 32 bits: products of them are made by `joint`. Large ones lie in files (`assay.engine.shelf`).
    """

    word: Place
    document: Place
    documents: int
    vocabulary: tuple[str, ...]
    cut: int  # documents of which only the first MOST_TOKENS tokens were read

    @cached_property
    def length(self) -> Int:
        """(documents,) how many tokens each has."""
        real = (self.document[start:stop][self.word[start:stop] != BREAK] for start, stop in spans(len(self.word), AT_ONCE))
        return counted(real, self.documents)


@dataclass(frozen=True)
class Reading:
    """Neighbouring documents, the first of them number `first`: `word` (t,) numbers in a vocabulary of their own, `tokens` (m,) how
    many entries of it each document takes, breaks included."""

    first: int
    word: NDArray[np.int32]
    tokens: NDArray[np.int32]
    vocabulary: tuple[str, ...]
    cut: int


@dataclass(frozen=True)
class Readings:
    """What was read so far, a mergeable state: any blocks of documents, in any order.

    >>> a, b = read_block(0, [["red fox", "fox"]]), read_block(2, [["blue fox"]])
    >>> b.merge(a).conclude().vocabulary, a.merge(b).conclude().word.tolist()
    (('red', 'fox', 'blue'), [0, 1, -1, 1, -1, 2, 1, -1])
    """

    parts: tuple[Reading, ...] = ()

    def merge(self, other: Readings) -> Readings:
        return Readings(self.parts + other.parts)

    def conclude(self) -> Corpus:
        """The corpus. ValueError where documents are missing between the parts, or read twice; OverflowError beyond 2^31 tokens."""
        joined = _Joined()
        for part in sorted(self.parts, key=lambda part: part.first):
            joined.add(part)
        return joined.corpus()


class _Joined:
    """Parts put together in their order, each as soon as it is there."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}
        self.words: list[Place] = []
        self.lengths: list[NDArray[np.int32]] = []
        self.documents = self.cut = 0

    def add(self, part: Reading) -> None:
        if part.first != self.documents:
            raise ValueError(f"documents {self.documents} to {part.first - 1} are missing from what was read, or were read twice")
        number = self.number
        known = np.array([number.setdefault(t, len(number)) for t in part.vocabulary] + [BREAK], PLACE)
        self.words.append(kept(known[part.word]))  # a break, -1, is the last of them
        self.lengths.append(part.tokens)
        self.documents += len(part.tokens)
        self.cut += part.cut

    def corpus(self) -> Corpus:
        size = sum(map(len, self.words))
        if size > np.iinfo(PLACE).max - MARGIN:
            raise OverflowError(f"more than {np.iinfo(PLACE).max:,} tokens are not read at once. Remedy: scan the data in parts")
        document = zeros(size, PLACE)
        token = first = 0
        for length in self.lengths:
            owner = np.repeat(np.arange(first, first + len(length), dtype=PLACE), length)
            document[token : token + len(owner)] = owner
            token, first = token + len(owner), first + len(length)
        return Corpus(joined(self.words, PLACE), document, self.documents, tuple(self.number), self.cut)


def read_block(first: int, columns: Sequence[Sequence[str | None] | pa.Array]) -> Readings:
    """The state of some documents, given as one or more columns of texts (None: empty); the first is number `first`."""
    columns = [column.to_pylist() if isinstance(column, pa.Array) else column for column in columns]
    number: dict[str, int] = {}
    word: list[int] = []
    lengths, cut = [], 0
    for parts in zip(*columns, strict=True):
        before = len(word)
        for text in parts:
            found = tokens(text) if text else []
            cut += len(found) > MOST_TOKENS
            word.extend([number.setdefault(t, len(number)) for t in found[:MOST_TOKENS]])
            word.append(BREAK)
        lengths.append(len(word) - before)
    return Readings((Reading(first, np.array(word, np.int32), np.array(lengths, np.int32), tuple(number), cut),))


def read_corpus(columns: Sequence[Column]) -> Corpus:
    """The corpus of n documents, given as one or more columns of n texts (None: empty)."""
    calls = ((start, [some(column, start, stop) for column in columns]) for start, stop in spans(len(columns[0]), BLOCK))
    joined = _Joined()
    for read in current().map(read_block, calls):  # in their order
        for part in read.parts:
            joined.add(part)
    return joined.corpus()


def some(column: Column, start: int, stop: int) -> Sequence[str | None] | pa.Array:
    """The texts from `start` to before `stop`; of Arrow's a copy, since a slice that travels takes the whole along."""
    if isinstance(column, pa.ChunkedArray):
        return pa.concat_arrays(column.slice(start, stop - start).chunks)
    return column[start:stop]
