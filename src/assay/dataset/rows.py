"""Rows: what an artefact is put into and taken out of.

Decoded content of some records, in one of three shapes: pictures (`images`), or columns of text and values (`table`), or
both. Everything a person may hold (an array of pictures, a list of strings, a pandas frame) is turned into `Rows` by
`as_rows` and back by `like`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Rows:
    """n records: `table` has n rows (perhaps no columns); `images`, where there are pictures, is (n, h, w, c) uint8."""

    table: pa.Table
    images: UInt8 | None = None

    def __len__(self) -> int:
        return len(self.images) if self.images is not None else int(self.table.num_rows)

    def take(self, positions: NDArray[np.integer[Any]]) -> Rows:
        """The rows at these 0-based positions, in that order."""
        images = None if self.images is None else self.images[positions]
        table = self.table.take(pa.array(positions)) if self.table.num_columns else self.table
        return Rows(table, images)

    def with_images(self, images: UInt8) -> Rows:
        return replace(self, images=images)

    def with_column(self, name: str, values: pa.Array | Sequence[Any]) -> Rows:
        """The same rows with one column replaced, kept in its place and, where it can hold the values, in its type."""
        index = self.table.schema.get_field_index(name)
        if index < 0:
            raise KeyError(f"no column {name!r}; there are {self.table.column_names}")
        if not isinstance(values, pa.Array | pa.ChunkedArray):
            try:
                values = pa.array(values, type=self.table.schema.field(index).type)
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                values = pa.array(values)
        return replace(self, table=self.table.set_column(index, name, values))


def as_rows(batch: Any) -> Rows:
    """`Rows` of what a person holds.

    Accepts `Rows`, an array of pictures (n, h, w) or (n, h, w, c) uint8, a sequence of strings (column "text"), a mapping
    of columns, a pyarrow table or record batch, a pandas or polars frame. Raises TypeError for anything else.

    >>> as_rows(["a", "b"]).table.column_names
    ['text']
    >>> as_rows(np.zeros((2, 4, 4), np.uint8)).images.shape
    (2, 4, 4, 1)
    """
    if isinstance(batch, Rows):
        return batch
    if isinstance(batch, pa.Table):
        return Rows(batch)
    if isinstance(batch, pa.RecordBatch):
        return Rows(pa.Table.from_batches([batch]))
    if isinstance(batch, np.ndarray) and batch.dtype == np.uint8 and batch.ndim in (3, 4):
        images = batch if batch.ndim == 4 else batch[..., None]
        return Rows(pa.table({}), images)
    if isinstance(batch, Mapping):
        return Rows(pa.table(dict(batch)))
    if hasattr(batch, "to_arrow"):  # polars
        return Rows(batch.to_arrow())
    if type(batch).__module__.startswith("pandas"):
        return Rows(pa.Table.from_pandas(batch, preserve_index=False))
    if isinstance(batch, Sequence | np.ndarray) and all(isinstance(v, str) for v in batch):
        return Rows(pa.table({"text": pa.array(list(batch), pa.string())}))
    raise TypeError(
        f"cannot read rows from {type(batch).__name__}; give uint8 pictures (n, h, w[, c]), a list of strings, a mapping of "
        "columns, a pyarrow table, or a pandas or polars frame"
    )


def like(rows: Rows, batch: Any) -> Any:
    """`rows` in the shape that `batch` had when `as_rows` read it."""
    if isinstance(batch, Rows):
        return rows
    if isinstance(batch, np.ndarray) and batch.dtype == np.uint8:
        assert rows.images is not None
        return rows.images if batch.ndim == 4 else rows.images[..., 0]
    if isinstance(batch, pa.RecordBatch):
        return rows.table.combine_chunks().to_batches()[0]
    if isinstance(batch, pa.Table):
        return rows.table
    if isinstance(batch, Mapping):
        return rows.table.to_pydict()
    if hasattr(batch, "to_arrow"):
        return type(batch)(rows.table)
    if type(batch).__module__.startswith("pandas"):
        return rows.table.to_pandas()
    return rows.table.column("text").to_pylist()
