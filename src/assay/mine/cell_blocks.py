"""Combinations of column values counted over all rows, and the rows that hold those which are shared.

A combination is counted by one worker over all rows, block by block, as sums of whole numbers: blocks bound the scratch memory and change
nothing that is found. What each row holds of a combination is worked out once; from the counts it is decided what is shared, and the rows
that hold it are looked up among the same numbers.

Where a combination of columns could take more kinds of value than a table in the processor's cache holds (two columns of measured numbers:
10^9), its rows are first counted by a hash of what they hold: what shares a cell with too few is rarer still, so that next to nothing is
left to sort (Park, Chen and Yu 1995, An Effective Hash-Based Algorithm for Mining Association Rules, SIGMOD).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from assay.engine.base import spans
from assay.learn.columns import Floats
from assay.stats.counts import Counts
from assay.stats.lookup import Lookup, hashed

Int = NDArray[np.int64]
Codes = NDArray[np.int32]
Bools = NDArray[np.bool_]
Key: TypeAlias = Codes | Int

BLOCK_ROWS = 200_000  # of a block, at least: some MB of scratch; five times as many from 10^7 rows on
TABLE = 1 << 18  # kinds of value that are counted by table: 2 MB while it is made; larger ones wait for memory at every row
FEWEST_BITS, MOST_BITS = 12, 22  # of a hash; 32 MB at most
ROWS_A_CELL = 4  # of a hash: so many strangers and five more meet in one cell of a hundred, and are sorted though they are rare
CELLS_A_ROW = 4  # of a block, at most: a table is made for each block, and to make it takes as long as to count a row for every other cell
SIEVED = 0.1  # rows, as a share of the cells, from which a sieve is worth it: fewer keys are sorted sooner


@dataclass(frozen=True)
class Place:
    """A combination of columns and how many kinds of value each of them has. A triple grows from its first two columns: `pairs` are
    the sorted keys of their frequent pairs."""

    columns: tuple[int, ...]
    kinds: tuple[int, ...]
    pairs: Int | None = None

    @property
    def most(self) -> int:
        """Keys are below it."""
        if self.pairs is not None:
            return len(self.pairs) * self.kinds[2]
        return self.kinds[0] * self.kinds[1]


@dataclass(frozen=True)
class Part:
    """What some neighbouring rows hold, those from `start` on: `row` (m,) counted from there, or None for all of them; `key` (m,)."""

    start: int
    row: Int | None
    key: Key

    def at(self, places: Int) -> Part:
        return Part(self.start, places if self.row is None else self.row[places], self.key[places])

    @property
    def rows(self) -> Codes:
        """(m,) numbered over the whole table, in 32 bits, as all that travels."""
        rows = np.arange(len(self.key), dtype=np.int32) if self.row is None else self.row.astype(np.int32)
        return rows + np.int32(self.start)


@dataclass(frozen=True)
class Found:
    """`counts` of the keys that occur often enough in one combination; `parts` hold all rows with such a key, and perhaps others."""

    counts: Counts
    most: int
    parts: tuple[Part, ...]

    def rows_of(self, keys: Int) -> tuple[Codes, Codes]:
        """(row, place among the sorted `keys`) of every row that holds one of them; rows ascend."""
        if not len(keys):
            return np.zeros(0, np.int32), np.zeros(0, np.int32)
        among = places_among(keys, self.most)
        rows, slots = [], []
        for part in self.parts:
            slot = among.places(part.key)
            mine = np.flatnonzero(slot >= 0)
            rows.append(part.at(mine).rows)
            slots.append(slot[mine])
        return np.concatenate(rows), np.concatenate(slots)


def counted(codes: Mapping[int, Codes], places: Sequence[Place], support: int) -> Iterator[Found]:
    """How often each value of each combination occurs, in the order given; those below `support` are missing.

    `codes` (n,) a column: the place of each cell among the column's frequent values, -1 for any other.
    """
    rows = len(next(iter(codes.values()))) if codes else 0
    bits = _bits_for(rows)
    blocks = spans(rows, max(BLOCK_ROWS, (1 << bits) // CELLS_A_ROW))
    keyed = [_keyed({j: column[start:stop] for j, column in codes.items()}, places) for start, stop in blocks]
    for place in places:
        yield _found([Part(start, *next(keys)) for keys, (start, _) in zip(keyed, blocks, strict=True)], place.most, support, bits)


def _found(parts: list[Part], most: int, support: int, bits: int) -> Found:
    if most <= TABLE:
        table = _tally([part.key for part in parts], most)
        often = np.flatnonzero(table >= support)
        return Found(Counts(often, table[often]), most, tuple(parts))
    if sum(len(part.key) for part in parts) > SIEVED * (1 << bits):
        passes = _tally((hashed(part.key, bits) for part in parts), 1 << bits) >= support
        parts = [part.at(np.flatnonzero(passes[hashed(part.key, bits)])) for part in parts]
    keys = np.concatenate([part.key for part in parts]) if parts else np.zeros(0, np.int64)
    counts = Counts.empty().add(keys).least(support)
    return Found(Counts(np.asarray(counts.keys, np.int64), counts.counts), most, tuple(parts))


def _tally(keys: Iterable[Key], most: int) -> Int:
    """(most,) how often each whole number below it occurs."""
    total: Int | None = None
    for key in keys:
        table = np.bincount(key, minlength=most)
        total = table if total is None else np.add(total, table, out=total)
    return np.zeros(most, np.int64) if total is None else total


def _bits_for(rows: int) -> int:
    """Of the cells that so many rows are hashed into."""
    return int(np.clip(np.ceil(np.log2(max(rows // ROWS_A_CELL, 1))), FEWEST_BITS, MOST_BITS))


def _keyed(codes: Mapping[int, Codes], places: Iterable[Place]) -> Iterator[tuple[Int | None, Key]]:
    """(row, key) of each combination: the rows of a block that hold frequent values in all its columns; None: all of them do."""
    held = {j: None if (column >= 0).all() else column >= 0 for j, column in codes.items()}
    grown: tuple[tuple[int, int], Int | None, Codes] | None = None  # rows with a frequent pair of the columns that were looked at last
    for place in places:
        i, j = place.columns[:2]
        if place.pairs is None:
            yield _pairs(codes, held, place)
            continue
        if grown is None or grown[0] != (i, j):
            row, key = _pairs(codes, held, place)
            pair = places_among(place.pairs, place.kinds[0] * place.kinds[1]).places(key)
            grown = (i, j), *_where(row, pair, pair >= 0)
        _, row, pair = grown
        m = place.columns[2]
        third = codes[m] if row is None else codes[m][row]
        if held[m] is not None:
            mine = np.flatnonzero(third >= 0)
            row, pair, third = mine if row is None else row[mine], pair[mine], third[mine]
        yield row, _joint(pair, third, place.kinds[2], place.most)


def _pairs(codes: Mapping[int, Codes], held: Mapping[int, Bools | None], place: Place) -> tuple[Int | None, Key]:
    i, j = place.columns[:2]
    a, b = codes[i], codes[j]
    both = [mine for mine in (held[i], held[j]) if mine is not None]
    row = np.flatnonzero(np.logical_and.reduce(both)) if both else None
    if row is not None:
        a, b = a[row], b[row]
    return row, _joint(a, b, place.kinds[1], place.kinds[0] * place.kinds[1])


def _where(row: Int | None, pair: Codes, mine: Bools) -> tuple[Int | None, Codes]:
    if mine.all():
        return row, pair
    kept = np.flatnonzero(mine)
    return kept if row is None else row[kept], pair[kept]


def _joint(high: Codes, low: Codes, size: int, most: int) -> Key:
    """`high * size + low`, all below `most`: in 32 bits where that suffices."""
    key = high * np.int32(size) if most <= np.iinfo(np.int32).max else high.astype(np.int64) * size
    key += low
    return key


def coded_as(column: Floats, values: Floats) -> Codes:
    """(n,) place of each cell among sorted `values`, -1 where it is none of them."""
    return Lookup.among(_bits(values)).places(_bits(column))


def _bits(numbers: Floats) -> Int:
    """(n,) one whole number for each number: equal where they are."""
    bits = (numbers + 0.0).view(np.int64)  # the two zeros become one
    return np.asarray(bits ^ (bits >> 32))  # what tells short numbers apart stands in the upper half


@dataclass(frozen=True)
class Table:
    """(most,) the place of each whole number among some of them, -1 where it is none."""

    place: Codes

    def places(self, key: Key) -> Codes:
        return np.asarray(self.place[key])


def places_among(keys: Int, most: int) -> Table | Lookup:
    """Where the sorted `keys` stand, all of them below `most`; few of those that will be asked for are among them."""
    if most > TABLE:
        return Lookup.among(keys, rare=True)
    place = np.full(most, -1, np.int32)
    place[keys] = np.arange(len(keys))
    return Table(place)
