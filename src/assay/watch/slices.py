"""Slices: the parts of the traffic that are watched by themselves. The whole, every usual value of a slice column, every usual pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.watch.events import Batch

Ints = NDArray[np.int64]

FEWEST = 100  # events of a slice in the trusted period: with fewer the interval of a mean is wider than most harm
MOST = 400  # slices in all, the most usual first: each takes its share of the one budget
UNKNOWN = -1  # the code of a value that the trusted period did not have, or had too seldom


@dataclass(frozen=True)
class Slices:
    """`columns` and, for each, the `values` that are told apart. A slice is a tuple of (column, value) numbers: () is the whole traffic."""

    columns: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    parts: tuple[tuple[tuple[int, int], ...], ...]

    def __len__(self) -> int:
        return len(self.parts)

    def name(self, number: int) -> str:
        """In words: "all traffic", "country = de and device = phone"."""
        said = [f"{self.columns[c]} = {self.values[c][v]}" for c, v in self.parts[number]]
        return " and ".join(said) or "all traffic"

    def codes(self, batch: Batch) -> Ints:
        """(n, columns) the number of each event's value in each column."""
        out = np.full((len(batch), len(self.columns)), UNKNOWN, np.int64)
        for c, column in enumerate(self.columns):
            numbers = {value: i for i, value in enumerate(self.values[c])}
            out[:, c] = [UNKNOWN if w is None else numbers.get(w, UNKNOWN) for w in batch.words(column)]
        return out

    @cached_property
    def _tables(self) -> list[tuple[tuple[int, ...], Ints]]:
        """For each combination of columns in use, a table from its codes (with one place more for UNKNOWN) to slice numbers, or -1."""
        tables: dict[tuple[int, ...], Ints] = {}
        for number, part in enumerate(self.parts):
            columns = tuple(c for c, _ in part)
            sizes = tuple(len(self.values[c]) + 1 for c in columns)
            table = tables.setdefault(columns, np.full(sizes, -1, np.int64))
            table[tuple(v for _, v in part)] = number
        return list(tables.items())

    def members(self, codes: Ints) -> list[tuple[int, Ints]]:
        """(slice, positions of its events in order) for each slice that these events touch."""
        found: list[tuple[int, Ints]] = []
        for columns, table in self._tables:
            number = table[tuple(codes[:, c] for c in columns)] if columns else np.zeros(len(codes), np.int64)
            order = np.argsort(number, kind="stable")
            sorted_ = number[order]
            edges = np.flatnonzero(np.diff(sorted_, prepend=-2))
            for start, stop in zip(edges, [*edges[1:], len(order)], strict=True):
                if sorted_[start] >= 0:
                    found.append((int(sorted_[start]), order[start:stop]))
        return found

    def to_json(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "columns": list(self.columns),
            "values": [list(v) for v in self.values],
            "parts": [[list(p) for p in s] for s in self.parts],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Slices:
        """The inverse of `to_json`."""
        parts = tuple(tuple((int(c), int(v)) for c, v in s) for s in data["parts"])
        return cls(tuple(data["columns"]), tuple(tuple(v) for v in data["values"]), parts)


def divide(batch: Batch, columns: Sequence[str], pairs: bool = True) -> Slices:
    """The slices of a period: all of it, and each value and pair of values with at least FEWEST events, the most usual MOST of them.

    A pair that holds nearly the same events as one of its values (over 95 %) says nothing new and is left out.
    """
    values = []
    for column in columns:
        names, counts = np.unique([w for w in batch.words(column) if w is not None], return_counts=True)
        values.append(tuple(str(names[i]) for i in np.argsort(-counts, kind="stable") if counts[i] >= FEWEST))
    codes = Slices(tuple(columns), tuple(values), ()).codes(batch)
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
    return Slices(tuple(columns), tuple(values), ((), *(part for _, part in counted[: MOST - 1])))
