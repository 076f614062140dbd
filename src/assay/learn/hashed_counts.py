"""How often words, and pairs of neighbours, stand in a corpus of any length: counts of hashes in a fixed memory.

A mergeable state: `empty`, `take` what is told of a block, `merge` two states; the same whatever the order. A pair is counted in two cells
and read as the lesser (a count-min sketch of depth two: Cormode & Muthukrishnan 2005, J. Algorithms 55), so counts are never too low and,
at the loads that `bits_for` allows, too high for about one pair in a hundred. Cells hold counts modulo 2^16: only pairs that stand more
than 65,535 times are misread, and no trigger does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.learn.hashed_tokens import BREAK, Tokens, UInt, mix

Int = NDArray[np.int64]

WORD_BITS = 22  # cells for words: a corpus has some 10^6 different ones, and a word that shares a cell is only thought commoner
FEWEST_BITS, MOST_BITS = 20, 29  # cells for pairs: 2 MiB to 1 GiB
CELLS_A_TOKEN = 2  # of the pair table: with one pair a token in two cells, about one cell in four is used, mostly once
BYTES_A_TOKEN = 4  # of text, at the least in natural languages
SAMPLED_TOKENS = 4_000  # of a document in the sample: bounds its memory
SALT = np.random.default_rng(1_905).integers(0, 2**63, 2, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def bits_for(size: int) -> int:
    """The size of the pair table, as a power of two, for a corpus of `size` bytes.

    >>> bits_for(0), bits_for(100_000_000), bits_for(10**12)
    (20, 26, 29)
    """
    return int(np.clip(np.ceil(np.log2(max(size, 1) / BYTES_A_TOKEN * CELLS_A_TOKEN)), FEWEST_BITS, MOST_BITS))


@dataclass(frozen=True)
class BlockCounts:
    """What a block adds: (t,) the cell of each word, and twice (t - 1,) those of each pair of neighbours; `tokens` counts breaks too."""

    words: NDArray[np.uint32]
    pairs: tuple[NDArray[np.uint32], NDArray[np.uint32]]
    tokens: int
    documents: int


def block_counts(block: Tokens, bits: int) -> BlockCounts:
    """Of a block, for a pair table of 2^`bits` cells."""
    first, second = _pair_cells(block.code, bits)
    return BlockCounts(_word_cell(block.code), (first, second), len(block.code), block.documents)


@dataclass
class HashedCounts:
    """`words` (2^22,) and `pairs` (2^bits,) cells; `tokens` counts breaks too."""

    bits: int
    words: NDArray[np.uint32]
    pairs: NDArray[np.uint16]
    tokens: int = 0
    documents: int = 0

    @classmethod
    def empty(cls, bits: int) -> HashedCounts:
        return cls(bits, np.zeros(1 << WORD_BITS, np.uint32), np.zeros(1 << bits, np.uint16))

    def take(self, told: BlockCounts) -> None:
        """Count what was told of a block."""
        np.add.at(self.words, told.words, np.uint32(1))
        for cell in told.pairs:
            np.add.at(self.pairs, cell, np.uint16(1))
        self.tokens += told.tokens
        self.documents += told.documents

    def merge(self, other: HashedCounts) -> HashedCounts:
        """Count what another counted; ValueError for a state of another size."""
        if other.bits != self.bits:
            raise ValueError(f"states of 2^{self.bits} and 2^{other.bits} cells cannot be merged")
        self.words += other.words
        self.pairs += other.pairs
        self.tokens += other.tokens
        self.documents += other.documents
        return self

    def word(self, code: UInt) -> Int:
        """(t,) how often each word stands in the corpus."""
        return self.words[_word_cell(code)].astype(np.int64)

    def pair(self, code: UInt) -> Int:
        """(t - 1,) how often each word and the next stand so in the corpus; breaks count as words."""
        first, second = _pair_cells(code, self.bits)
        return np.minimum(self.pairs[first], self.pairs[second]).astype(np.int64)

    @property
    def load(self) -> float:
        """The share of pair cells in use: above about .5 counts are too high, and faint triggers are missed."""
        return float((self.pairs > 0).mean())


def _pair_cells(code: UInt, bits: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    key = code[:-1] * SALT[0] + code[1:] * SALT[1]
    shift = np.uint64(64 - bits)
    return (key >> shift).astype(np.uint32), (mix(key) >> shift).astype(np.uint32)


def _word_cell(code: UInt) -> NDArray[np.uint32]:
    return (code >> np.uint64(64 - WORD_BITS)).astype(np.uint32)


@dataclass
class Sample:
    """Distinct documents, drawn by a hash of what they say: the `size` least, so that any order of blocks gives the same ones."""

    size: int
    key: UInt
    texts: list[str]

    @classmethod
    def empty(cls, size: int) -> Sample:
        return cls(size, np.zeros(0, np.uint64), [])

    @property
    def bound(self) -> int:
        """Documents whose key is not below it would not stay."""
        return int(self.key.max()) if len(self.key) == self.size else 2**64 - 1

    def merge(self, other: Sample) -> Sample:
        key, first = np.unique(np.concatenate([self.key, other.key]), return_index=True)
        texts = self.texts + other.texts
        self.key, self.texts = key[: self.size], [texts[i] for i in first[: self.size]]
        return self


def drawn(block: Tokens, size: int, bound: int) -> Sample:
    """The documents of a block that may be in a sample of `size` whose keys are below `bound`."""
    breaks = np.flatnonzero(block.code == BREAK)
    spread = mix(np.add(block.code, np.arange(len(block.code)), dtype=np.uint64, casting="unsafe"))
    spread[breaks] = np.uint64(0)
    running: UInt = np.cumsum(spread, dtype=np.uint64)
    key = mix(np.subtract(running[breaks[1:]], running[breaks[:-1]], dtype=np.uint64))
    chosen = np.flatnonzero((key < np.uint64(bound)) & (np.diff(breaks) > 1))
    last = np.minimum(breaks[1:] - 1, breaks[:-1] + SAMPLED_TOKENS)
    found = Sample.empty(size)
    found.merge(Sample(size, key[chosen], [block.spell(int(breaks[d]) + 1, int(last[d])) for d in chosen]))
    return found
