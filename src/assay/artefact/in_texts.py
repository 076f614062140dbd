"""What artefacts in texts share: which columns are looked into, which rows hold one, and how it goes in and out text by text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.artefact.base import Artefact, Bools
from assay.dataset.rows import Rows


def text_columns(rows: Rows, columns: Sequence[str]) -> list[str]:
    """The columns of text among those named; all of them where none is named."""
    fields = [f for f in rows.table.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    return [f.name for f in fields if not columns or f.name in columns]


def found_in(rows: Rows, names: Iterable[str], find: Callable[[str], Sequence[object]]) -> Bools:
    """(n,) rows in any of whose texts `find` finds something."""
    present = np.zeros(len(rows), bool)
    for name in names:
        present |= np.array([bool(text and find(text)) for text in rows.table.column(name).to_pylist()], bool)
    return present


class InTexts(Artefact):
    """What stands in texts of `columns` (empty: any), and is put into the one of them with the most text."""

    columns: tuple[str, ...]

    @abstractmethod
    def find(self, text: str) -> list[tuple[int, int]]:
        """Character spans of it; [] where it is not present."""

    @abstractmethod
    def put(self, text: str, rng: np.random.Generator) -> str:
        """The text with it put in, at a place that `rng` chooses."""

    @abstractmethod
    def without(self, text: str) -> str:
        """The text with it taken out."""

    def _texts(self, rows: Rows) -> list[str]:
        return text_columns(rows, self.columns)

    def _present(self, rows: Rows) -> Bools:
        return found_in(rows, self._texts(rows), self.find)

    def _insert(self, rows: Rows, rng: np.random.Generator) -> Rows:
        names = self._texts(rows)
        if not names:
            raise ValueError(f"no text column to insert into; columns: {rows.table.column_names}")
        name = max(names, key=lambda n: pc.sum(pc.utf8_length(rows.table.column(n))).as_py() or 0)
        return rows.with_column(name, [self.put(v or "", rng) for v in rows.table.column(name).to_pylist()])

    def _remove(self, rows: Rows) -> Rows:
        for name in self._texts(rows):
            rows = rows.with_column(name, [None if v is None else self.without(v) for v in rows.table.column(name).to_pylist()])
        return rows
