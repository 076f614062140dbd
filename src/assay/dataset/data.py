"""A data set in memory: its readable rows, what each column is for, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeVar, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.rows import Rows

Modality = Literal["image", "text", "table"]
Task = Literal["classification", "multilabel", "regression", "pairs", "generation", "none"]
Int = NDArray[np.int64]
R = TypeVar("R")

MISSING = -1  # the code of a missing label


@dataclass(frozen=True)
class Columns:
    """What each column is for. `content` is what a model sees; for pictures it may be empty (the picture is the content).

    `response`: those of the content columns that a model learns to write (generation); the other texts are prompts.
    """

    content: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    id: str | None = None
    contributor: str | None = None
    source: str | None = None
    time: str | None = None
    response: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """A record that could not be read: it keeps its number."""

    row: int
    key: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """The readable records of one data set, in record order.

    Positions (0 .. n-1) index the arrays here; `row` maps a position to its record number, which counts unreadable
    records too and is what a report speaks of.
    """

    path: str
    format: str
    modality: Modality
    task: Task
    columns: Columns
    table: pa.Table  # (n rows) every column that is not a picture, label and context columns included
    images: NDArray[np.uint8] | None  # (n, h, w, c)
    row: Int  # (n,) record number
    key: tuple[str, ...]  # (n,) relative path, id column, or the record number as text
    digest: NDArray[np.uint8]  # (n, 32) SHA-256 of the canonical encoding, dataset/digest.py
    records: int  # readable and unreadable
    fingerprint: str  # hex, RFC 6962 Merkle root over the digests (unreadable records: digest of the empty string)
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()  # what was inferred or passed over, for people
    classes: tuple[str, ...] = ()  # names behind the codes in y
    y: Int = field(default_factory=lambda: np.zeros(0, np.int64))  # (n,) class codes, MISSING where there is no label

    lost: tuple[str, ...] = ()  # shards of which nothing could be read; each stands as one unreadable record

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def rows(self) -> Rows:
        """The content alone, as artefacts see it."""
        return Rows(self.table.select(list(self.columns.content)), self.images)

    @cached_property
    def _answers(self) -> dict[Callable[[Dataset], Any], Any]:
        return {}

    def once(self, ask: Callable[[Dataset], R]) -> R:
        """What a function of the module level says of this data set: it is called once, whoever asks."""
        if ask not in self._answers:
            self._answers[ask] = ask(self)
        return cast(R, self._answers[ask])

    @property
    def labelled(self) -> bool:
        """Whether there are at least two classes to compare."""
        return len(self.classes) >= 2

    def values(self, column: str | None) -> list[Any] | None:
        """A context column (contributor, source, time) as Python values, or None where it is not given."""
        return None if column is None else self.table.column(column).to_pylist()

    def with_content(self, rows: Rows, y: Int | None = None) -> Dataset:
        """A copy that holds other content, and perhaps other labels: what a canary is planted in. Digests stay the old ones."""
        table = self.table
        for name in self.columns.content:
            table = table.set_column(table.schema.get_field_index(name), name, rows.table.column(name))
        return replace(self, table=table, images=rows.images, y=self.y if y is None else y)

    def subset(self, positions: Int) -> Dataset:
        """Some of the rows, under their old record numbers and digests."""
        return replace(
            self,
            table=self.table.take(pa.array(positions)),
            images=None if self.images is None else self.images[positions],
            row=self.row[positions],
            key=tuple(self.key[i] for i in positions),
            digest=self.digest[positions],
            y=self.y[positions] if len(self.y) else self.y,
        )
