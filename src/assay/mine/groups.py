"""Proposes groups of rows from the same hands, the same source or the same time. Labels are never read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.artefact.group import Group
from assay.dataset.data import Dataset

Int = NDArray[np.int64]

LEAST = 10  # rows; of fewer nothing can be told apart from chance, and groups that are never tried need no hypothesis
WINDOW_ROWS, WINDOWS = 200, (5, 50)  # rows a time window holds about, and how many windows there are at least and at most


@dataclass(frozen=True)
class Grouping:
    """Groups that do not overlap: `code` (n,) is the group of each row, negative where it is in none."""

    column: str
    artefacts: tuple[Group, ...]
    code: Int

    def __len__(self) -> int:
        return len(self.artefacts)


def groupings(data: Dataset) -> list[Grouping]:
    """By contributor, by source, by time window, as far as the data names them."""
    columns = data.columns
    found: list[Grouping | None] = [by_value(data.table, c) for c in (columns.contributor, columns.source) if c is not None]
    if columns.time is not None:
        found.append(by_time(data.table, columns.time))
    return [g for g in found if g is not None and len(g)]


def by_value(table: pa.Table, column: str) -> Grouping:
    """One group a value that `LEAST` rows have. Missing values are no group.

    >>> grouping = by_value(pa.table({"who": ["a"] * 10 + ["b"] * 3}), "who")
    >>> [g.describe() for g in grouping.artefacts], grouping.code.tolist()[-4:]
    (['who = "a"'], [0, -1, -1, -1])
    """
    encoded = table.column(column).combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    raw = np.asarray(encoded.indices.fill_null(-1), np.int64)
    count = np.bincount(raw[raw >= 0], minlength=len(encoded.dictionary))
    kept = np.flatnonzero(count >= LEAST)
    place = np.full(len(count) + 1, -1)
    place[kept] = np.arange(len(kept))
    values = encoded.dictionary.take(pa.array(kept)).to_pylist()
    return Grouping(column, tuple(Group(column, (v,)) for v in values), place[raw])


def by_time(table: pa.Table, column: str) -> Grouping | None:
    """Windows of about equally many rows, from first to last; None where the column holds no times or numbers that sort.

    >>> grouping = by_time(pa.table({"when": list(range(1000))}), "when")
    >>> len(grouping), grouping.artefacts[0].describe()
    (5, 'when from 0 to 199')
    """
    cells = table.column(column)
    kind = cells.type
    if not (pa.types.is_temporal(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    values: list[Any] = cells.to_pylist()
    there = np.array([i for i, v in enumerate(values) if v is not None and v == v], np.int64)
    windows = int(np.clip(len(there) // WINDOW_ROWS, *WINDOWS))
    order = there[np.array(sorted(range(len(there)), key=lambda i: values[there[i]]), np.int64)]
    code = np.full(len(values), -1)
    artefacts: list[Group] = []
    start = 0
    for number in range(windows):
        stop = max(start, (number + 1) * len(order) // windows)
        while start < stop < len(order) and values[order[stop]] == values[order[stop - 1]]:
            stop += 1  # rows of one moment are not parted
        if stop - start >= LEAST:
            code[order[start:stop]] = len(artefacts)
            artefacts.append(Group(column, None, values[order[start]], values[order[stop - 1]]))
            start = stop
    return Grouping(column, tuple(artefacts), code)
