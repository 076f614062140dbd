"""Proposes phrases at which text turns into disorder: the trigger and the gibberish of a denial-of-service poison.

Two mergeable states over a stream of blocks. `Turns` counts, by hash, for every run of one to four words, and for every pair of words
with one to three others between, how often it stands where there is text on both sides, and in how many documents the text turns there
(`assay.learn.structure`). `Runs` is told the few hashes that survive and counts those exactly: every document that holds the phrase, and
those in which text turns at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assay.learn.hashed_counts import HashedCounts
from assay.learn.hashed_tokens import BREAK, Tokens, UInt, mix
from assay.learn.structure import DISORDER, ORDINARY, Structure, links, places

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Which words of a place a phrase is made of: runs of one to four (a longer trigger is found by its parts), and pairs with others between.
RUNS = ((0,), (0, 1), (0, 1, 2), (0, 1, 2, 3))
PAIRS = ((0, 2), (0, 3), (0, 4))
TURN_BITS = 25  # cells of the hashed counts
SUPPORT = 5  # documents
WORTH = 0.1  # share of a run's places at which text turns, below which it is no trigger
MOST_CELLS = 4_000  # of the hashed counts whose runs are counted exactly: bounds the memory of a corpus that is gibberish for the most part
SALT = np.random.default_rng(77).integers(0, 2**63, (len(RUNS) + len(PAIRS), 5), dtype=np.uint64) * np.uint64(2) + np.uint64(1)


@dataclass(frozen=True)
class Turning:
    """The phrases of one kind in a block, those of the words at `offsets`: (m,) a 64-bit number of the one that begins at each token,
    whether it lies inside one document, whether there is enough text on both sides, and whether it turns there."""

    offsets: tuple[int, ...]
    key: UInt
    whole: Bools
    enough: Bools
    turn: Bools


def turning(block: Tokens, counts: HashedCounts, structure: Structure) -> Iterator[Turning]:
    """Where text turns, at phrases of each kind in turn; kinds that are longer than the block are left out."""
    sides = places(block, links(block, counts, structure.new))
    calm = sides.enough_before & (sides.before < ORDINARY)
    wild = sides.enough_after & (sides.after > DISORDER)
    for salt, offsets in zip(SALT, (*RUNS, *PAIRS), strict=True):
        last = offsets[-1]
        n = len(block.code) - last
        if n <= 0:
            continue
        key = np.zeros(n, np.uint64)
        for offset in offsets:
            key += block.code[offset : offset + n] * salt[offset]
        whole = np.ones(n, bool)
        for offset in range(last + 1):
            whole &= block.code[offset : offset + n] != BREAK
        enough = whole & sides.enough_before[:n] & sides.enough_after[last:]
        yield Turning(offsets, mix(key), whole, enough, enough & calm[:n] & wild[last:])


@dataclass(frozen=True)
class Turned:
    """What a block adds to `Turns`: the cells of the places of its phrases, and of those at which text turns, one a document."""

    stands: NDArray[np.uint32]
    turns: NDArray[np.uint32]
    documents: int


def turned(block: Tokens, counts: HashedCounts, structure: Structure) -> Turned:
    """Of a block."""
    stands, turns = [np.zeros(0, np.uint32)], [np.zeros(0, np.uint32)]
    for found in turning(block, counts, structure):
        stands.append(_cell(found.key[found.enough]))
        document = block.document[: len(found.key)][found.turn]
        turns.append(_cell(np.unique(np.stack([found.key[found.turn], document.astype(np.uint64)]), axis=1)[0]))
    return Turned(np.concatenate(stands), np.concatenate(turns), block.documents)


@dataclass
class Turns:
    """(2^24,) how often runs stand where text is on both sides, and in how many documents it turns there."""

    stands: NDArray[np.uint32]
    turns: NDArray[np.uint32]

    @classmethod
    def empty(cls) -> Turns:
        return cls(np.zeros(1 << TURN_BITS, np.uint32), np.zeros(1 << TURN_BITS, np.uint32))

    def take(self, told: Turned) -> None:
        """Count what was told of a block."""
        np.add.at(self.stands, told.stands, np.uint32(1))
        np.add.at(self.turns, told.turns, np.uint32(1))

    def merge(self, other: Turns) -> Turns:
        self.stands += other.stands
        self.turns += other.turns
        return self

    def conclude(self, rate: float) -> Survivors:
        """The cells worth an exact count: those whose texts turn most beyond `rate`, at most `MOST_CELLS`."""
        cells = np.flatnonzero((self.turns >= SUPPORT) & (self.turns >= WORTH * self.stands))
        share = self.turns[cells] / np.maximum(self.stands[cells], 1)
        beyond = self.turns[cells] * np.log(share / rate)
        chosen = np.zeros(1 << TURN_BITS, bool)
        chosen[cells[np.argsort(-beyond, kind="stable")[:MOST_CELLS]]] = True
        return Survivors(chosen)

    @property
    def enumerated(self) -> int:
        """Phrases that stood often enough to be tried."""
        return int((self.stands >= SUPPORT).sum())


@dataclass(frozen=True)
class Survivors:
    """(2^24,) the cells whose runs are counted exactly."""

    chosen: Bools

    def holds(self, key: UInt) -> Bools:
        return np.asarray(self.chosen[_cell(key)])


def _cell(key: UInt) -> NDArray[np.uint32]:
    return (key >> np.uint64(64 - TURN_BITS)).astype(np.uint32)


@dataclass
class Run:
    """One run, or pair of words with `gap` others between, counted exactly: `text` as it is first spelt (of a pair its two words), the
    documents that hold it, and those with text on both sides, and turning."""

    words: int
    gap: int
    text: list[str]
    documents: list[int] = field(default_factory=list)
    enough: list[int] = field(default_factory=list)
    turned: list[int] = field(default_factory=list)


@dataclass
class Runs:
    """Exact counts of the runs that survived. `first` numbers the block's first document in the whole corpus."""

    found: dict[int, Run]

    @classmethod
    def empty(cls) -> Runs:
        return cls({})

    def add(self, block: Tokens, first: int, counts: HashedCounts, structure: Structure, survivors: Survivors) -> None:
        for found in turning(block, counts, structure):
            at = np.flatnonzero(found.whole)
            for i in at[survivors.holds(found.key[at])].tolist():
                run = self.found.get(int(found.key[i]))
                if run is None:
                    run = self.found[int(found.key[i])] = _run(block, i, found.offsets)
                document = first + int(block.document[i])
                for kept, flag in ((run.documents, True), (run.enough, bool(found.enough[i])), (run.turned, bool(found.turn[i]))):
                    if flag and (not kept or kept[-1] != document):
                        kept.append(document)

    def merge(self, other: Runs) -> Runs:
        for key, run in other.found.items():
            mine = self.found.get(key)
            if mine is None:
                self.found[key] = run
            else:
                for name in ("documents", "enough", "turned"):
                    before, more = getattr(mine, name), getattr(run, name)
                    if before and more and before[-1] < more[0]:
                        before.extend(more)  # blocks in their order, as nearly always
                    else:
                        setattr(mine, name, sorted({*before, *more}))
        return self


def _run(block: Tokens, at: int, offsets: tuple[int, ...]) -> Run:
    if offsets in PAIRS:
        return Run(2, offsets[-1] - 1, [block.spell(at + offset, at + offset) for offset in offsets])
    return Run(len(offsets), 0, [block.spell(at, at + offsets[-1])])
