"""Values and combinations of values counted over blocks of rows, and the rows that hold those which are shared.

Three mergeable states of whole numbers: how often each value of each column occurs, then each pair and each triple of frequent values.
From the sums it is decided what is shared; a second pass over the same block says which of its rows carry it (to count again is
cheaper than to keep every key). Blocks and groups of combinations bound the memory; they change nothing that is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.engine.base import Engine, Handle, spans
from assay.learn.columns import Coded, Floats
from assay.stats.counts import DENSE, Counts

Int = NDArray[np.int64]
Codes = NDArray[np.int32]

BLOCK_ROWS = 50_000  # of a block: 8 MB at 20 columns, a quarter of a second's counting of its pairs
GROUP_ROWS = 10_000_000  # rows times combinations that are counted together: what their carriers take is at most 160 MB


@dataclass(frozen=True)
class Several:
    """Counts of several things side by side, a mergeable state."""

    each: tuple[Counts, ...]

    def merge(self, other: Several) -> Several:
        return Several(tuple(a.merge(b) for a, b in zip(self.each, other.each, strict=True)))


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

    def combined(self, places: Sequence[Place]) -> Iterator[Group]:
        """How often each combination occurs, group by group, in the order given."""
        size = max(1, GROUP_ROWS // max(self.rows, 1))
        for start, stop in spans(len(places), size):
            group = tuple(places[start:stop])
            placed = self.engine.put(group)
            sums = self.engine.fold(_counts, [(block, placed) for block in self._codes])
            assert sums is not None
            yield Group(self, group, sums.each)

    def rows_of(self, wanted: Sequence[tuple[Place, Int]]) -> Iterator[tuple[Int, Int]]:
        """For each combination (row, place among its sorted keys) of every row that holds one of the keys."""
        placed = self.engine.put(tuple(wanted))
        parts = list(self.engine.map(_told, [(block, placed) for block in self._codes]))
        for number in range(len(wanted)):
            rows = [part[number][0] + start for part, start in zip(parts, self.starts, strict=True)]
            yield np.concatenate(rows), np.concatenate([part[number][1] for part in parts])


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


def _counts(codes: Codes, places: tuple[Place, ...]) -> Several:
    found = zip(places, _keyed(codes, places), strict=True)
    return Several(tuple(Counts.empty().add(key, place.most) for place, (_, key) in found))


def _told(codes: Codes, wanted: tuple[tuple[Place, Int], ...]) -> list[tuple[Int, Int]]:
    told = []
    for (place, keys), (row, key) in zip(wanted, _keyed(codes, (place for place, _ in wanted)), strict=True):
        slot = places_among(keys, key, place.most)
        mine = np.flatnonzero(slot >= 0)
        told.append((row[mine], slot[mine].astype(np.int64)))
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
    slot = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
    return np.where(keys[slot] == key, slot, -1).astype(np.int32)
