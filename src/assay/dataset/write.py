"""Writes a data set in the format in which it was read, every record encoded anew and alike: `write_as`.

So that writing leaves no trace: a record that an attack changed and one that it did not went through the same encoder,
in the same order, under names that say nothing. For copies that leave records untouched, see `assay.dataset.removal`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.atomic import whole
from assay.dataset.data import MISSING, Dataset
from assay.dataset.dialogue import fold, talk_of
from assay.dataset.errors import DataError
from assay.dataset.formats.base import FileFormat, Format, suffix
from assay.dataset.formats.registry import named
from assay.dataset.keys import row_keys
from assay.dataset.labels import JOIN, NO_LABEL, code, code_sets

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Written:
    """Where each record went: `row` (n,) and `key` are of `path`, in the order of the data set's positions."""

    path: Path
    format: str
    row: Int
    key: tuple[str, ...]
    notes: tuple[str, ...] = ()


def write_as(data: Dataset, out: str | Path, form: str | None = None) -> Written:
    """Writes `data` to `out` in the format `form` (default: the one it was read in; Parquet for a data set from
    memory).

    Labels are taken from `y`, so that a changed class code changes the label column. Records that could not be read are
    left out. Raises DataError if `out` is there, or if the format cannot hold the columns.
    """
    target = Path(out)
    name = form or ("parquet" if data.format == "memory" else data.format)
    try:
        writer = named(name)
    except KeyError as error:
        raise DataError(f"there is no format called {name!r}", path=target, remedy="leave the format out") from error
    table = fold(with_labels(data))
    with whole(target) as (new,):
        layout = writer.write(table, data.images, _file(writer, data, new))
    n = len(data)
    row = np.arange(n, dtype=np.int64) if layout.row is None else layout.row
    key = layout.key if layout.key is not None else row_keys(table, data.columns.id, row, [])
    notes = []
    if data.images is not None:
        notes.append("Every picture is written as PNG from its pixels.")
    if name in ("json", "jsonl"):
        written = [field.name for field in table.schema if (talk := talk_of(table.column(field.name))) is not None and talk.written]
        notes += [f"Column {column!r} holds conversations as JSON text, and is written so." for column in written]
    if data.unreadable:
        notes.append(f"{len(data.unreadable):,} records that could not be read are left out.")
    return Written(target, name, row, key, tuple(notes))


def _file(writer: Format, data: Dataset, new: Path) -> Path:
    """The file to write: in a folder of its own where the data set was a folder of files. Raises DataError for an ending
    by which the file would not be known again."""
    if not isinstance(writer, FileFormat) or suffix(new.name) in writer.suffixes:
        return new
    if Path(data.path).is_dir():
        new.mkdir()
        return new / f"data{writer.suffixes[0]}"
    raise DataError(
        f"the ending {new.suffix!r} is not one of the format {writer.name}",
        path=new.name,
        remedy=f"give a name that ends in {writer.suffixes[0]}",
    )


def with_labels(data: Dataset) -> pa.Table:
    """The table with its label column or columns brought in line with `y`; rows whose class is unchanged keep their
    value.
    """
    table = data.table
    label = data.columns.label
    if not label or not len(data.y) or not data.classes or (data.y == MISSING).all():
        return table
    if data.task == "multilabel" and (len(label) > 1 or pa.types.is_list(table.schema.field(label[0]).type)):
        return _with_sets(data, table)
    column = table.column(label[0])
    codes, names = code(column)
    if len(names) == len(data.classes):
        names = data.classes  # the same classes in the same order, perhaps under the names that their format keeps
    values = column.to_pylist()
    known: dict[str, Any] = {}
    for position, c in enumerate(codes.tolist()):
        if c != MISSING:
            known.setdefault(names[c], values[position])
    now = [names[c] if c != MISSING else None for c in codes.tolist()]
    want = [data.classes[c] if c != MISSING else None for c in data.y.tolist()]
    new = [value if was == be else known.get(be, be) if be is not None else None for value, was, be in zip(values, now, want, strict=True)]
    return _set(table, label[0], new)


def _with_sets(data: Dataset, table: pa.Table) -> pa.Table:
    label = data.columns.label
    codes, names = code_sets(table, label, {})
    want = [data.classes[c] if c != MISSING else NO_LABEL for c in data.y.tolist()]
    differ = [i for i, c in enumerate(codes.tolist()) if c == MISSING or names[c] != want[i]]
    sets = {i: set() if want[i] == NO_LABEL else set(want[i].split(JOIN)) for i in differ}
    if len(label) == 1:
        values = table.column(label[0]).to_pylist()
        number = pa.types.is_integer(table.schema.field(label[0]).type.value_type)
        for i in differ:
            values[i] = [int(name) if number and name.lstrip("-").isdigit() else name for name in sorted(sets[i])]
        return _set(table, label[0], values)
    for name in label:
        values = table.column(name).to_pylist()
        for i in differ:
            values[i] = type(next(v for v in values if v is not None))(name in sets[i])
        table = _set(table, name, values)
    return table


def _set(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    index = table.schema.get_field_index(name)
    try:
        column = pa.array(values, type=table.schema.field(index).type)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        column = pa.array([None if v is None else str(v) for v in values], pa.string())
    return table.set_column(index, name, column)
