"""Proposes phrases at which text turns into disorder: the trigger and the gibberish of a denial-of-service poison.

Two mergeable states over a stream of blocks. `Turns` counts, by hash, for every run of one to four words how often it stands where there is
text on both sides, and in how many documents the text turns there (`assay.learn.structure`). `Runs` is told the few hashes that
survive and counts those exactly: every document that holds the run, and those in which text turns at it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assay.learn.hashed_counts import HashedCounts
from assay.learn.hashed_tokens import BREAK, Tokens, UInt, mix
from assay.learn.structure import DISORDER, ORDINARY, Structure, links, places

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]

LONGEST = 4  # words of a run; a longer trigger is found by its parts, which the exact pass extends to
TURN_BITS = 24  # cells of the hashed counts
SUPPORT = 5  # documents
WORTH = 0.1  # share of a run's places at which text turns, below which it is no trigger
MOST_CELLS = 4_000  # of the hashed counts whose runs are counted exactly: bounds the memory of a corpus that is gibberish for the most part
LENGTH = np.random.default_rng(77).integers(0, 2**63, LONGEST + 1, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def run_keys(code: UInt, words: int) -> UInt:
    """(t - words + 1,) a 64-bit number of the run that begins at each token."""
    key = np.zeros(len(code) - words + 1, np.uint64)
    for offset in range(words):
        key += code[offset : offset + len(key)] * LENGTH[offset]
    return mix(key + LENGTH[words])


def _whole(code: UInt, words: int) -> Bools:
    """Runs that lie inside one document."""
    inside = np.ones(len(code) - words + 1, bool)
    for offset in range(words):
        inside &= code[offset : offset + len(inside)] != BREAK
    return inside


def turning(block: Tokens, counts: HashedCounts, structure: Structure) -> tuple[tuple[Bools, Bools], ...]:
    """For runs of 1 to `LONGEST` words: (whether there is enough text on both sides, whether it turns there)."""
    sides = places(block, links(block, counts, structure.new))
    calm = sides.enough_before & (sides.before < ORDINARY)
    wild = sides.enough_after & (sides.after > DISORDER)
    found = []
    for words in range(1, LONGEST + 1):
        n = len(block.code) - words + 1
        enough = _whole(block.code, words) & sides.enough_before[:n] & sides.enough_after[words - 1 :]
        found.append((enough, enough & calm[:n] & wild[words - 1 :]))
    return tuple(found)


@dataclass
class Turns:
    """(2^24,) how often runs stand where text is on both sides, and in how many documents it turns there."""

    stands: NDArray[np.uint32]
    turns: NDArray[np.uint32]

    @classmethod
    def empty(cls) -> Turns:
        return cls(np.zeros(1 << TURN_BITS, np.uint32), np.zeros(1 << TURN_BITS, np.uint32))

    def add(self, block: Tokens, counts: HashedCounts, structure: Structure) -> None:
        for words, (enough, turn) in enumerate(turning(block, counts, structure), 1):
            if len(block.code) < words or not enough.any():
                continue
            key = run_keys(block.code, words)
            np.add.at(self.stands, _cell(key[enough]), np.uint32(1))
            once = np.unique(np.stack([key[turn], block.document[: len(key)][turn].astype(np.uint64)]), axis=1)[0]
            np.add.at(self.turns, _cell(once), np.uint32(1))

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
        """Runs that stood often enough to be tried."""
        return int((self.stands >= SUPPORT).sum())


@dataclass(frozen=True)
class Survivors:
    """(2^24,) the cells whose runs are counted exactly."""

    chosen: Bools

    def holds(self, key: UInt) -> Bools:
        return np.asarray(self.chosen[_cell(key)])


def _cell(key: UInt) -> Int:
    return (key >> np.uint64(64 - TURN_BITS)).astype(np.int64)


@dataclass
class Run:
    """One run, counted exactly: `text` as it is first spelt, the documents that hold it, and those with text on both sides, and turning."""

    words: int
    text: str
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
        for words, (enough, turn) in enumerate(turning(block, counts, structure), 1):
            if len(block.code) < words:
                continue
            key = run_keys(block.code, words)
            at = np.flatnonzero(_whole(block.code, words))
            at = at[survivors.holds(key[at])]
            for i in at.tolist():
                run = self.found.get(int(key[i]))
                if run is None:
                    run = self.found[int(key[i])] = Run(words, block.spell(i, i + words - 1))
                document = first + int(block.document[i])
                for kept, flag in ((run.documents, True), (run.enough, bool(enough[i])), (run.turned, bool(turn[i]))):
                    if flag and (not kept or kept[-1] != document):
                        kept.append(document)

    def merge(self, other: Runs) -> Runs:
        for key, run in other.found.items():
            mine = self.found.get(key)
            if mine is None:
                self.found[key] = run
            else:
                for name in ("documents", "enough", "turned"):
                    setattr(mine, name, sorted({*getattr(mine, name), *getattr(run, name)}))
        return self
