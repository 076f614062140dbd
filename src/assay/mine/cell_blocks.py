"""Values and combinations of values counted over blocks of rows, and the rows that hold those which are shared.

Three mergeable states of whole numbers: how often each value of each column occurs, then each pair and each triple of frequent values.
From the sums it is decided what is shared; a second pass over what each block still holds says which of its rows carry it. Blocks and
groups of combinations bound the memory; they change nothing that is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.engine.base import Engine, Handle, spans
from assay.learn.columns import Coded, Floats
from assay.stats.counts import DENSE, Counts

Int = NDArray[np.int64]
Codes = NDArray[np.int32]

BLOCK_ROWS = 100_000  # of a block: 16 MB at 20 columns, half a second's counting of its pairs
GROUP_ROWS = 20_000_000  # rows times combinations that are counted together: 320 MB are held until their rows are told


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


@dataclass(frozen=True)
class Keyed:
    """Of one block: for each combination the rows that hold frequent values (numbered from 0 here) and their keys, and the counts."""

    rows: tuple[Int, ...]
    keys: tuple[Int, ...]
    counts: Several


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

    def combined(self, places: Sequence[Place]) -> Iterator[tuple[Place, Counts, Held]]:
        """How often each combination occurs, in the order given; `Held` tells its rows, until the next group is counted."""
        size = max(1, GROUP_ROWS // max(self.rows, 1))
        for start, stop in spans(len(places), size):
            group = self.engine.put(tuple(places[start:stop]))
            keyed = self.engine.hold(_keyed, [(block, group) for block in self._codes])
            sums = self.engine.fold(_counts, [(part,) for part in keyed])
            assert sums is not None
            held = Held(self, keyed)
            for number, (place, counts) in enumerate(zip(places[start:stop], sums.each, strict=True)):
                yield place, counts, held.at(number)


@dataclass(frozen=True)
class Held:
    """The blocks' rows of one group of combinations; `number` says which is meant."""

    blocks: RowBlocks
    keyed: list[Handle[Keyed]]
    number: int = 0

    def at(self, number: int) -> Held:
        return Held(self.blocks, self.keyed, number)

    def rows(self, keys: Int, most: int) -> tuple[Int, Int]:
        """(row, place among the sorted `keys`, all below `most`) of every row that holds one."""
        parts = list(self.blocks.engine.map(_told, [(part, self.number, keys, most) for part in self.keyed]))
        rows = [row + start for (row, _), start in zip(parts, self.blocks.starts, strict=True)]
        return np.concatenate(rows), np.concatenate([slot for _, slot in parts])


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


def _keyed(codes: Codes, places: tuple[Place, ...]) -> Keyed:
    rows, keys, counts = [], [], []
    grown: tuple[tuple[int, int], Int, Int] | None = None  # rows with a frequent pair of the columns that were looked at last
    for place in places:
        i, j = place.columns[:2]
        if place.pairs is None:
            row, key = _pairs(codes, place)
        else:
            if grown is None or grown[0] != (i, j):
                row, key = _pairs(codes, place)
                pair = places_among(place.pairs, key, place.kinds[0] * place.kinds[1])
                held = np.flatnonzero(pair >= 0)
                grown = (i, j), row[held], pair[held].astype(np.int64)
            third = codes[place.columns[2]][grown[1]]
            mine = np.flatnonzero(third >= 0)
            row, key = grown[1][mine], grown[2][mine] * place.kinds[2] + third[mine]
        rows.append(row)
        keys.append(key)
        counts.append(Counts.empty().add(key, place.most))
    return Keyed(tuple(rows), tuple(keys), Several(tuple(counts)))


def _pairs(codes: Codes, place: Place) -> tuple[Int, Int]:
    a, b = codes[place.columns[0]], codes[place.columns[1]]
    row = np.flatnonzero((a >= 0) & (b >= 0))
    return row, a[row].astype(np.int64) * place.kinds[1] + b[row]


def _counts(keyed: Keyed) -> Several:
    return keyed.counts


def _told(keyed: Keyed, number: int, keys: Int, most: int) -> tuple[Int, Int]:
    slot = places_among(keys, keyed.keys[number], most)
    mine = np.flatnonzero(slot >= 0)
    return keyed.rows[number][mine], slot[mine].astype(np.int64)


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
