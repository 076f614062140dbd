"""Values and combinations of values counted over blocks of rows, and the rows that hold those which are shared.

Three mergeable states of whole numbers: how often each value of each column occurs, then each pair and each triple of frequent values.
From the sums it is decided what is shared; a second pass over the same block says which of its rows carry it (to count again is
cheaper than to keep every key). Blocks and groups of combinations bound the memory; they change nothing that is found.

Where a combination of columns could take more kinds of value than a table in the processor's cache holds (two columns of measured numbers:
10^9), its rows are first counted by a hash of what they hold: what shares a cell with too few is rarer still, so that next to nothing is
left to sort (Park, Chen and Yu 1995, An Effective Hash-Based Algorithm for Mining Association Rules, SIGMOD).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from assay.engine.base import Engine, Handle, merged, spans
from assay.learn.columns import Coded, Floats
from assay.stats.counts import Counts, Tally
from assay.stats.lookup import Lookup, hashed

Int = NDArray[np.int64]
Codes = NDArray[np.int32]
Bools = NDArray[np.bool_]
T = TypeVar("T")

BLOCK_ROWS = 200_000  # of a block, at least: 32 MB at 20 columns, a second's counting of its pairs; five times as many from 10^7 rows on
GROUP_CELLS = 1 << 23  # of tables that are counted together: 32 MB a block
GROUP_ROWS = 10_000_000  # carriers that are told together: 160 MB
TABLE = 1 << 18  # kinds of value that are counted by table: 2 MB while it is made; larger ones wait for memory at every row
FEWEST_BITS, MOST_BITS = 12, 22  # of a hash; 16 MB at most
ROWS_A_CELL = 4  # of a hash: so many strangers and five more meet in one cell of a hundred, and are sorted though they are rare
CELLS_A_ROW = 4  # of a block, at most: a table is made for each block, and to make it takes as long as to count a row for every other cell
SIEVED = 0.1  # rows, as a share of the cells, from which a sieve is worth it: fewer keys are sorted sooner


@dataclass(frozen=True)
class Several:
    """Counts of several things side by side, a mergeable state: of things that are many, or of every one of a few."""

    each: tuple[Counts | Tally, ...]

    def merge(self, other: Several) -> Several:
        return self.merge_all((other,))

    def merge_all(self, others: Sequence[Several]) -> Several:
        return Several(tuple(merged(*several) for several in zip(self.each, *(other.each for other in others), strict=True)))


@dataclass(frozen=True)
class Sieves:
    """Of several combinations how many rows fall into each hashed cell; a mergeable state. None where no sieve is wanted."""

    each: tuple[Tally | None, ...]

    def merge(self, other: Sieves) -> Sieves:
        return Sieves(tuple(None if a is None or b is None else a.merge(b) for a, b in zip(self.each, other.each, strict=True)))


@dataclass(frozen=True)
class Place:
    """A combination of columns and how many kinds of value each of them has. A triple grows from its first two columns: `pairs` are
    the sorted keys of their frequent pairs, which stand in so many `rows`."""

    columns: tuple[int, ...]
    kinds: tuple[int, ...]
    pairs: Int | None = None
    rows: int | None = None

    @property
    def most(self) -> int:
        """Keys are below it."""
        if self.pairs is not None:
            return len(self.pairs) * self.kinds[2]
        return self.kinds[0] * self.kinds[1]


class RowBlocks:
    """A table's rows in blocks, placed with an engine: first their values, then, after `code`, their codes."""

    def __init__(self, engine: Engine, coded: Coded) -> None:
        self.engine = engine
        self.rows = len(coded)
        size = max(BLOCK_ROWS, (1 << _bits_for(self.rows)) // CELLS_A_ROW)
        self.starts = [start for start, _ in spans(self.rows, size)]
        self._cells = [engine.put(coded.cells[start:stop]) for start, stop in spans(self.rows, size)]
        self._codes: list[Handle[Codes]] = []

    def values(self) -> tuple[Counts, ...]:
        """How often each value of each column occurs; missing ones are none."""
        found = self.engine.fold(_values, [(block,) for block in self._cells])
        return () if found is None else tuple(counts for counts in found.each if isinstance(counts, Counts))

    def carriers(self, wanted: Sequence[tuple[int, Counts]]) -> Iterator[tuple[Int, Codes]]:
        """For each column and sorted values of it: rows whose cell is among them, and which of them it is."""
        return self._rows(_carriers, self._cells, wanted)

    def code(self, values: Sequence[Floats]) -> None:
        """Every cell's place among its column's sorted `values` is what combinations are made of."""
        frequent = self.engine.put(tuple(values))
        self._codes = self.engine.hold(_codes, [(block, frequent) for block in self._cells])

    def combined(self, places: Sequence[Place], support: int) -> Iterator[Group]:
        """How often each combination occurs, group by group, in the order given; those below `support` may be missing."""
        bits = _bits_for(self.rows)
        for group in _groups(places, [place.most if place.most <= TABLE else 1 << bits for place in places], GROUP_CELLS):
            placed = self.engine.put(group)
            crowded = tuple(
                place.most > TABLE and (self.rows if place.rows is None else place.rows) > SIEVED * (1 << bits) for place in group
            )
            sieved: Handle[tuple[Bools | None, ...]]
            if any(crowded):
                sieves = self.engine.folded(_sieves, [(block, placed, crowded, bits) for block in self._codes])
                assert sieves is not None
                sieved = self.engine.submit(_passing, sieves, support, stay=True)  # a megabyte a combination that need not come here
            else:
                sieved = self.engine.put((None,) * len(group))
            sums = self.engine.fold(_counts, [(block, placed, sieved) for block in self._codes])
            assert sums is not None
            yield Group(self, group, tuple(_often(counts, support) for counts in sums.each))

    def rows_of(self, wanted: Sequence[tuple[Place, Counts]]) -> Iterator[tuple[Int, Int]]:
        """For each combination (row, place among its sorted keys) of every row that holds one of the keys."""
        for rows, place in self._rows(_told, self._codes, wanted):
            yield rows, place.astype(np.int64)

    def _rows(
        self, work: Callable[..., Any], blocks: Sequence[Handle[Any]], wanted: Sequence[tuple[Any, Counts]]
    ) -> Iterator[tuple[Int, Any]]:
        """What `work` tells of each of the wanted in every block: rows, as they are numbered over all blocks, and which of its keys."""
        for group in _groups(wanted, [int(held.counts.sum()) for _, held in wanted], GROUP_ROWS):
            placed = self.engine.put(group)
            parts = list(self.engine.map(work, [(block, placed) for block in blocks]))
            for number in range(len(group)):
                rows = [part[number][0].astype(np.int64) + start for part, start in zip(parts, self.starts, strict=True)]
                yield np.concatenate(rows), np.concatenate([part[number][1] for part in parts])


@dataclass(frozen=True)
class Group:
    """Combinations that were counted together, and their counts."""

    blocks: RowBlocks
    places: tuple[Place, ...]
    counts: tuple[Counts, ...]


def _bits_for(rows: int) -> int:
    """Of the cells that so many rows are hashed into."""
    return int(np.clip(np.ceil(np.log2(max(rows // ROWS_A_CELL, 1))), FEWEST_BITS, MOST_BITS))


def _values(cells: Floats) -> Several:
    columns = (cells[:, j] for j in range(cells.shape[1]))
    return Several(tuple(Counts.empty().add(column[~np.isnan(column)]) for column in columns))


def _carriers(cells: Floats, wanted: tuple[tuple[int, Counts], ...]) -> list[tuple[Codes, Codes]]:
    """In 32 bits, as all that travels."""
    told = []
    for column, values in wanted:
        code = coded_as(cells[:, column], np.asarray(values.keys, np.float64))
        row = np.flatnonzero(code >= 0)
        told.append((row.astype(np.int32), code[row]))
    return told


def _codes(cells: Floats, values: tuple[Floats, ...]) -> Codes:
    """(d, rows): a column lies together in memory, since it is read as a whole."""
    return np.stack([coded_as(cells[:, j], known) for j, known in enumerate(values)])


def _groups(things: Sequence[T], weights: Sequence[int], most: int) -> Iterator[tuple[T, ...]]:
    """Neighbours that weigh at most so much together, or one that weighs more."""
    group: list[T] = []
    weight = 0
    for thing, more in zip(things, weights, strict=True):
        if group and weight + more > most:
            yield tuple(group)
            group, weight = [], 0
        group.append(thing)
        weight += more
    if group:
        yield tuple(group)


def _keyed(codes: Codes, places: Iterable[Place]) -> Iterator[tuple[Codes | Int | None, Codes | Int]]:
    """(row, key) of each combination: the rows of a block that hold frequent values in all its columns; None: all of them do."""
    held = codes >= 0
    grown: tuple[tuple[int, int], Int | None, Codes] | None = None  # rows with a frequent pair of the columns that were looked at last
    for place in places:
        i, j = place.columns[:2]
        if place.pairs is None:
            yield _pairs(codes, held, place)
            continue
        if grown is None or grown[0] != (i, j):
            row, key = _pairs(codes, held, place)
            pair = places_among(place.pairs, key, place.kinds[0] * place.kinds[1])
            grown = (i, j), *_where(row, pair, pair >= 0)
        _, row, pair = grown
        third = codes[place.columns[2]]
        row, pair, third = (row, pair, third) if row is None else (row, pair, third[row])
        if not held[place.columns[2]].all():
            mine = np.flatnonzero(third >= 0)
            row, pair, third = mine if row is None else row[mine], pair[mine], third[mine]
        yield row, _joint(pair, third, place.kinds[2], place.most)


def _pairs(codes: Codes, held: Bools, place: Place) -> tuple[Int | None, Codes | Int]:
    i, j = place.columns[:2]
    a, b = codes[i], codes[j]
    both = held[i] & held[j]
    row = None if both.all() else np.flatnonzero(both)
    if row is not None:
        a, b = a[row], b[row]
    return row, _joint(a, b, place.kinds[1], place.kinds[0] * place.kinds[1])


def _where(row: Int | None, pair: Codes, mine: Bools) -> tuple[Int | None, Codes]:
    if mine.all():
        return row, pair
    kept = np.flatnonzero(mine)
    return kept if row is None else row[kept], pair[kept]


def _joint(high: Codes, low: Codes, size: int, most: int) -> Codes | Int:
    """`high * size + low`, all below `most`: in 32 bits where that suffices."""
    key = high * np.int32(size) if most <= np.iinfo(np.int32).max else high.astype(np.int64) * size
    key += low
    return key


def _sieves(codes: Codes, places: tuple[Place, ...], crowded: tuple[bool, ...], bits: int) -> Sieves:
    keyed = _keyed(codes, [place for place, many in zip(places, crowded, strict=True) if many])
    return Sieves(tuple(_tally(hashed(next(keyed)[1], bits), 1 << bits) if many else None for many in crowded))


def _tally(key: Codes | Int, most: int) -> Tally:
    return Tally(np.bincount(key, minlength=most).astype(np.int32))


def _passing(sieves: Sieves, support: int) -> tuple[Bools | None, ...]:
    """Which cells hold rows enough."""
    return tuple(None if tally is None else tally.counts >= support for tally in sieves.each)


def _counts(codes: Codes, places: tuple[Place, ...], passing: tuple[Bools | None, ...]) -> Several:
    found: list[Counts | Tally] = []
    for place, passes, (_, key) in zip(places, passing, _keyed(codes, places), strict=True):
        if place.most <= TABLE:
            found.append(_tally(key, place.most))
            continue
        kept = key if passes is None else key[np.flatnonzero(passes[hashed(key, len(passes).bit_length() - 1)])]
        found.append(Counts.empty().add(kept.astype(np.int64)))
    return Several(tuple(found))


def _often(counts: Counts | Tally, support: int) -> Counts:
    """Those that occur at least so often."""
    if isinstance(counts, Counts):
        return counts.least(support)
    keys = np.flatnonzero(counts.counts >= support)
    return Counts(keys, counts.counts[keys].astype(np.int64))


def _told(codes: Codes, wanted: tuple[tuple[Place, Counts], ...]) -> list[tuple[Codes, Codes]]:
    """In 32 bits: most of what travels."""
    told = []
    for (place, held), (row, key) in zip(wanted, _keyed(codes, (place for place, _ in wanted)), strict=True):
        slot = places_among(np.asarray(held.keys, np.int64), key, place.most)
        mine = np.flatnonzero(slot >= 0)
        told.append(((mine if row is None else row[mine]).astype(np.int32), slot[mine]))
    return told


def coded_as(column: Floats, values: Floats) -> Codes:
    """(n,) place of each cell among sorted `values`, -1 where it is none of them."""
    return Lookup.among(_bits(values)).places(_bits(column))


def _bits(numbers: Floats) -> Int:
    """(n,) one whole number for each number: equal where they are."""
    bits = (numbers + 0.0).view(np.int64)  # the two zeros become one
    return np.asarray(bits ^ (bits >> 32))  # what tells short numbers apart stands in the upper half


def places_among(keys: Int, key: Codes | Int, most: int) -> Codes:
    """(m,) the place of each `key` among the sorted `keys`, -1 where it is none of them; all are below `most`."""
    if most <= TABLE:
        place = np.full(most, -1, np.int32)
        place[keys] = np.arange(len(keys))
        return np.asarray(place[key])
    return Lookup.among(keys, rare=True).places(key)
