"""Values and combinations of values counted over blocks of rows, and the rows that hold those which are shared.

Three mergeable states of whole numbers: how often each value of each column occurs, then each pair and each triple of frequent values.
From the sums it is decided what is shared; a second pass over the same block says which of its rows carry it (to count again is
cheaper than to keep every key). Blocks and groups of combinations bound the memory; they change nothing that is found.

Where a combination of columns could take more kinds of value than a table holds (two columns of measured numbers: 10^9), its rows are
first counted by a hash of what they hold: what shares a cell with too few is rarer still, so that next to nothing is left to sort
(Park, Chen and Yu 1995, An Effective Hash-Based Algorithm for Mining Association Rules, SIGMOD).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.engine.base import Engine, Handle, spans
from assay.learn.columns import Coded, Floats
from assay.stats.counts import DENSE, Counts, Tally

Int = NDArray[np.int64]
Codes = NDArray[np.int32]
Bools = NDArray[np.bool_]

BLOCK_ROWS = 200_000  # of a block: 32 MB at 20 columns, a second's counting of its pairs; more, smaller ones add up more hashed cells
GROUP_ROWS = 10_000_000  # rows times combinations that are counted together: what their carriers take is at most 160 MB
FEWEST_BITS, MOST_BITS = 12, 22  # of a hash: as many cells as rows, 32 MB at most
SIEVED = 0.1  # rows, as a share of these cells, from which a sieve is worth it: fewer keys are sorted sooner
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hash, 2^64 over the golden ratio


@dataclass(frozen=True)
class Several:
    """Counts of several things side by side, a mergeable state."""

    each: tuple[Counts, ...]

    def merge(self, other: Several) -> Several:
        return Several(tuple(a.merge(b) for a, b in zip(self.each, other.each, strict=True)))


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
        self.starts = [start for start, _ in spans(self.rows, BLOCK_ROWS)]
        self._cells = [engine.put(coded.cells[start:stop]) for start, stop in spans(self.rows, BLOCK_ROWS)]
        self._codes: list[Handle[Codes]] = []

    def values(self) -> tuple[Counts, ...]:
        """How often each value of each column occurs; missing ones are none."""
        found = self.engine.fold(_values, [(block,) for block in self._cells])
        return () if found is None else found.each

    def carriers(self, column: int, values: Floats) -> tuple[Int, Codes]:
        """Rows whose cell is among the sorted `values`, and which of them it is."""
        parts = list(self.engine.map(_carriers, [(block, column, values) for block in self._cells]))
        rows = [row + start for (row, _), start in zip(parts, self.starts, strict=True)]
        return np.concatenate(rows), np.concatenate([code for _, code in parts])

    def code(self, values: Sequence[Floats]) -> None:
        """Every cell's place among its column's sorted `values` is what combinations are made of."""
        frequent = self.engine.put(tuple(values))
        self._codes = self.engine.hold(_codes, [(block, frequent) for block in self._cells])

    def combined(self, places: Sequence[Place], support: int) -> Iterator[Group]:
        """How often each combination occurs, group by group, in the order given; those below `support` may be missing."""
        size = max(1, GROUP_ROWS // max(self.rows, 1))
        bits = int(np.clip(np.ceil(np.log2(max(self.rows, 1))), FEWEST_BITS, MOST_BITS))
        for start, stop in spans(len(places), size):
            group = tuple(places[start:stop])
            placed = self.engine.put(group)
            crowded = tuple(
                place.most > DENSE and (self.rows if place.rows is None else place.rows) > SIEVED * (1 << bits) for place in group
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
            yield Group(self, group, sums.each)

    def rows_of(self, wanted: Sequence[tuple[Place, Int]]) -> Iterator[tuple[Int, Int]]:
        """For each combination (row, place among its sorted keys) of every row that holds one of the keys."""
        placed = self.engine.put(tuple(wanted))
        parts = list(self.engine.map(_told, [(block, placed) for block in self._codes]))
        for number in range(len(wanted)):
            rows = [part[number][0].astype(np.int64) + start for part, start in zip(parts, self.starts, strict=True)]
            yield np.concatenate(rows), np.concatenate([part[number][1] for part in parts]).astype(np.int64)


@dataclass(frozen=True)
class Group:
    """Combinations that were counted together, and their counts."""

    blocks: RowBlocks
    places: tuple[Place, ...]
    counts: tuple[Counts, ...]


def _values(cells: Floats) -> Several:
    columns = (cells[:, j] for j in range(cells.shape[1]))
    return Several(tuple(Counts.empty().add(column[~np.isnan(column)]) for column in columns))


def _carriers(cells: Floats, column: int, values: Floats) -> tuple[Int, Codes]:
    code = coded_as(cells[:, column], values)
    row = np.flatnonzero(code >= 0)
    return row, code[row]


def _codes(cells: Floats, values: tuple[Floats, ...]) -> Codes:
    """(d, rows): a column lies together in memory, since it is read as a whole."""
    return np.stack([coded_as(cells[:, j], known) for j, known in enumerate(values)])


def _keyed(codes: Codes, places: Iterable[Place]) -> Iterator[tuple[Int, Int]]:
    """(row, key) of each combination: the rows of a block that hold frequent values in all its columns."""
    grown: tuple[tuple[int, int], Int, Int] | None = None  # rows with a frequent pair of the columns that were looked at last
    for place in places:
        i, j = place.columns[:2]
        if place.pairs is None:
            yield _pairs(codes, place)
            continue
        if grown is None or grown[0] != (i, j):
            row, key = _pairs(codes, place)
            pair = places_among(place.pairs, key, place.kinds[0] * place.kinds[1])
            held = np.flatnonzero(pair >= 0)
            grown = (i, j), row[held], pair[held].astype(np.int64)
        third = codes[place.columns[2]][grown[1]]
        mine = np.flatnonzero(third >= 0)
        yield grown[1][mine], grown[2][mine] * place.kinds[2] + third[mine]


def _pairs(codes: Codes, place: Place) -> tuple[Int, Int]:
    a, b = codes[place.columns[0]], codes[place.columns[1]]
    row = np.flatnonzero((a >= 0) & (b >= 0))
    return row, a[row].astype(np.int64) * place.kinds[1] + b[row]


def _sieves(codes: Codes, places: tuple[Place, ...], crowded: tuple[bool, ...], bits: int) -> Sieves:
    keyed = _keyed(codes, [place for place, many in zip(places, crowded, strict=True) if many])
    return Sieves(tuple(_cells(_hashed(next(keyed)[1], bits), bits) if many else None for many in crowded))


def _cells(cell: Int, bits: int) -> Tally:
    return Tally(np.bincount(cell, minlength=1 << bits).astype(np.int32))


def _passing(sieves: Sieves, support: int) -> tuple[Bools | None, ...]:
    """Which cells hold rows enough."""
    return tuple(None if tally is None else tally.counts >= support for tally in sieves.each)


def _counts(codes: Codes, places: tuple[Place, ...], passing: tuple[Bools | None, ...]) -> Several:
    found = []
    for place, passes, (_, key) in zip(places, passing, _keyed(codes, places), strict=True):
        kept = key if passes is None else key[passes[_hashed(key, len(passes).bit_length() - 1)]]
        found.append(Counts.empty().add(kept, place.most))
    return Several(tuple(found))


def _hashed(key: Int, bits: int) -> Int:
    """(m,) the cell, of 2^bits, that each key falls into."""
    return np.asarray(((key.astype(np.uint64) * SPREAD) >> np.uint64(64 - bits)).astype(np.int64))


def _told(codes: Codes, wanted: tuple[tuple[Place, Int], ...]) -> list[tuple[Codes, Codes]]:
    """In 32 bits: most of what travels."""
    told = []
    for (place, keys), (row, key) in zip(wanted, _keyed(codes, (place for place, _ in wanted)), strict=True):
        slot = places_among(keys, key, place.most)
        mine = np.flatnonzero(slot >= 0)
        told.append((row[mine].astype(np.int32), slot[mine]))
    return told


def coded_as(column: Floats, values: Floats) -> Codes:
    """(n,) place of each cell among sorted `values`, -1 where it is none of them."""
    if not len(values):
        return np.full(len(column), -1, np.int32)
    slot = np.minimum(np.searchsorted(values, column), len(values) - 1)
    return np.where(values[slot] == column, slot, -1).astype(np.int32)


def places_among(keys: Int, key: Int, most: int) -> Codes:
    """(m,) the place of each `key` among the sorted `keys`, -1 where it is none of them; all are below `most`."""
    if most <= DENSE and len(key) * 16 > most:
        place = np.full(most, -1, np.int32)
        place[keys] = np.arange(len(keys))
        return np.asarray(place[key])
    out = np.full(len(key), -1, np.int32)
    bits = int(np.clip(4 + np.ceil(np.log2(max(len(keys), 1))), FEWEST_BITS, MOST_BITS))  # one key in sixteen passes by chance
    wanted = np.zeros(1 << bits, bool)
    wanted[_hashed(keys, bits)] = True
    likely = np.flatnonzero(wanted[_hashed(key, bits)])
    slot = np.minimum(np.searchsorted(keys, key[likely]), len(keys) - 1)
    held = keys[slot] == key[likely]
    out[likely[held]] = slot[held]
    return out
