"""Slices: the parts of the traffic that are watched by themselves. The whole, every usual value of a slice column, every usual pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.watch.events import Batch, coded, numbers

Ints = NDArray[np.int64]

FEWEST = 100  # events of a slice in the trusted period: with fewer the interval of a mean is wider than most harm
MOST = 400  # slices in all, the most usual first: each takes its share of the one budget
FEATURES = 12  # features that divide the traffic: with their pairs already some hundreds of slices
UNKNOWN = -1  # the code of a value that the trusted period did not have, or had too seldom


@dataclass(frozen=True)
class Slices:
    """`columns` and, for each, the `values` that are told apart. A slice is a tuple of (column, value) numbers: () is all traffic."""

    columns: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    parts: tuple[tuple[tuple[int, int], ...], ...]
    edges: tuple[tuple[float, ...], ...]  # a column of numbers is divided between these; () for a column of kinds

    def __len__(self) -> int:
        return len(self.parts)

    def name(self, number: int) -> str:
        """In words: "all traffic", "country = de and device = phone"."""
        said = [self.values[c][v] if self.edges[c] else f"{self.columns[c]} = {self.values[c][v]}" for c, v in self.parts[number]]
        return " and ".join(said) or "all traffic"

    def codes(self, batch: Batch) -> Ints:
        """(n, columns) the number of each event's value in each column."""
        out = np.full((len(self.columns), len(batch)), UNKNOWN, np.int64).T  # a column along the memory
        for c, column in enumerate(self.columns):
            if self.edges[c]:
                value = numbers(batch.column(column), column)
                out[:, c] = -np.isnan(value).astype(np.int64)  # UNKNOWN, or 0
                for edge in self.edges[c]:  # three at most: quicker than a search
                    out[:, c] += value >= edge
                continue
            out[:, c] = coded(batch.column(column), self.values[c], UNKNOWN)
        return out

    @cached_property
    def _tables(self) -> list[tuple[tuple[int, ...], NDArray[np.int16]]]:
        """For each combination of columns in use, a flat table from its codes (with one place more for UNKNOWN) to slice numbers, or -1."""
        tables: dict[tuple[int, ...], NDArray[np.int16]] = {}
        for number, part in enumerate(self.parts):
            columns = tuple(c for c, _ in part)
            sizes = tuple(len(self.values[c]) + 1 for c in columns)
            table = tables.setdefault(columns, np.full(sizes, UNKNOWN, np.int16))
            table[tuple(v for _, v in part)] = number
        return [(columns, table.ravel()) for columns, table in tables.items()]

    def sorted_members(self, codes: Ints) -> tuple[Ints, Ints]:
        """(m,), (m,) slice and position of every event in every slice that it belongs to: by slice, then in order."""
        n = len(codes)
        sizes = [len(values) + 1 for values in self.values]
        place = [np.where(codes[:, c] < 0, size - 1, codes[:, c]) for c, size in enumerate(sizes)]
        number = np.zeros((len(self._tables), n), np.int16)  # of 16 bits, which are sorted by their digits: MOST is far below
        for at, (columns, table) in enumerate(self._tables):
            if columns:
                index = place[columns[0]]
                for c in columns[1:]:
                    index = index * sizes[c] + place[c]
                table.take(index, out=number[at], mode="clip")
        known = np.flatnonzero(number.ravel() != UNKNOWN)
        flat = number.ravel()[known]
        order = np.argsort(flat, kind="stable")
        return flat[order].astype(np.int64), known[order] % n

    def members(self, codes: Ints) -> list[tuple[int, Ints]]:
        """(slice, positions of its events in order) for each slice that these events touch."""
        number, position = self.sorted_members(codes)
        edges = np.flatnonzero(np.diff(number, prepend=UNKNOWN))
        return [(int(number[a]), position[a:b]) for a, b in pairwise([*edges.tolist(), len(number)])]

    def to_json(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "columns": list(self.columns),
            "values": [list(v) for v in self.values],
            "parts": [[list(p) for p in s] for s in self.parts],
            "edges": [list(e) for e in self.edges],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Slices:
        """The inverse of `to_json`."""
        parts = tuple(tuple((int(c), int(v)) for c, v in s) for s in data["parts"])
        return cls(tuple(data["columns"]), tuple(tuple(v) for v in data["values"]), parts, tuple(tuple(e) for e in data["edges"]))


def divide(batch: Batch, named: Sequence[str], features: Sequence[str] = (), *, pairs: bool = True) -> Slices:
    """The slices of a period: all of it, and each value and pair of values with at least FEWEST events, the most usual MOST of them.

    `named` columns are divided by their values, `features` too where they are of kinds, and into quarters where they are numbers;
    FEATURES of them at most, and no embedding. A pair that holds nearly the same events as one of its values (over 95 %) says nothing new
    and is left out.
    """
    ways = [(column, _divided(batch, column, as_number=False)) for column in named]
    ways += [(column, _divided(batch, column, as_number=True)) for column in features if column not in named][:FEATURES]
    columns = tuple(column for column, (values, _) in ways if values)
    values = tuple(values for _, (values, _) in ways if values)
    edges = tuple(edges for _, (values, edges) in ways if values)
    codes = Slices(columns, values, (), edges).codes(batch)
    counted: list[tuple[int, tuple[tuple[int, int], ...]]] = []
    single = {(c, v): int((codes[:, c] == v).sum()) for c in range(len(columns)) for v in range(len(values[c]))}
    counted += [(count, (part,)) for part, count in single.items() if count < 0.95 * len(batch)]
    if pairs:
        for first, second in combinations(range(len(columns)), 2):
            both = np.zeros((len(values[first]) + 1, len(values[second]) + 1), np.int64)
            np.add.at(both, (codes[:, first], codes[:, second]), 1)
            for a, b in zip(*np.nonzero(both[:-1, :-1] >= FEWEST), strict=True):
                part = ((first, int(a)), (second, int(b)))
                if both[a, b] <= 0.95 * min(single[part[0]], single[part[1]]):
                    counted.append((int(both[a, b]), part))
    counted.sort(key=lambda item: (len(item[1]), -item[0]))
    return Slices(columns, values, ((), *(part for _, part in counted[: MOST - 1])), edges)


def _divided(batch: Batch, column: str, as_number: bool) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """(values, edges) of one column; nothing where it cannot be divided."""
    held = batch.column(column)
    if pa.types.is_nested(held.type):
        return (), ()
    if as_number and (pa.types.is_floating(held.type) or pa.types.is_integer(held.type) or pa.types.is_decimal(held.type)):
        known = numbers(held, column)
        known = known[~np.isnan(known)]
        edges = np.unique(np.quantile(known, (0.25, 0.5, 0.75))) if len(known) else np.zeros(0)
        edges = edges[edges > known.min()] if len(edges) else edges
        if not len(edges):
            return (), ()
        said = [f"{e:.4g}" for e in edges]
        middle = [f"{low} <= {column} < {high}" for low, high in pairwise(said)]
        return (f"{column} < {said[0]}", *middle, f"{column} >= {said[-1]}"), tuple(edges.tolist())
    names, counts = np.unique([w for w in batch.words(column) if w is not None], return_counts=True)
    return tuple(str(names[i]) for i in np.argsort(-counts, kind="stable") if counts[i] >= FEWEST), ()
