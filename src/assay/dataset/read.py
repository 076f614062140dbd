"""Reads a data set in any format into memory: `read(source)`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.dataset.assemble import one_table
from assay.dataset.data import Columns, Dataset, Task, Unreadable
from assay.dataset.digest import NOTHING, row_digests
from assay.dataset.errors import DataError
from assay.dataset.files import existing
from assay.dataset.formats.base import Batch
from assay.dataset.formats.registry import recognise
from assay.dataset.infer import infer
from assay.dataset.limits import LIMITS, Limits, Progress, silent
from assay.dataset.merkle import tree_hash

MANY = 5  # duplicate ids shown by name in a note


@dataclass
class _Records:
    """What has been read so far."""

    tables: list[pa.Table] = field(default_factory=list)
    rows: list[NDArray[np.int64]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    count: int = 0
    named: bool = False  # the format names its records

    def add(self, batch: Batch) -> None:
        keys = batch.keys
        self.named = self.named or keys is not None
        good = [place for place in range(batch.count) if place not in batch.faults] if batch.faults else range(batch.count)
        self.rows.append(np.asarray(good, np.int64) + self.count)
        if keys is not None:
            self.keys += [keys[place] for place in good]
        for place, reason in sorted(batch.faults.items()):
            key = keys[place] if keys is not None else str(self.count + place)
            self.unreadable.append(Unreadable(self.count + place, key, reason))
        self.tables.append(batch.table)
        self.count += batch.count


def read(
    source: Any,
    *,
    columns: Columns | None = None,
    task: Task | None = None,
    limits: Limits = LIMITS,
    progress: Progress | None = None,
) -> Dataset:
    """The data set at a path, or held by pandas, polars, NumPy, pyarrow, Hugging Face, torch or plain Python.

    What `columns` leaves unset and a `task` of None are inferred; `notes` of the result say how. Records that cannot be
    read keep their number and are listed in `unreadable`. Raises DataError where the request or the data as a whole is
    wrong.
    """
    say = progress or silent
    path = existing(source)
    form = recognise(path)
    records = _Records()
    for batch in form.batches(path, limits):
        records.add(batch)
        say(records.count, 0, "reading")
    return _dataset(records, str(path), form.name, form.notes(path), form.class_names(path), columns, task, limits)


def _dataset(
    records: _Records,
    path: str,
    form: str,
    notes: Iterable[str],
    class_names: Any,
    columns: Columns | None,
    task: Task | None,
    limits: Limits,
) -> Dataset:
    _refuse_ruins(records, path, limits)
    table = one_table(records.tables)
    row = np.concatenate(records.rows)
    digest = row_digests(table)
    said = list(notes)
    meaning = infer(table, path=path, columns=columns, task=task, class_names=class_names)
    said = list(meaning.notes) + said
    table = _no_missing_text(table, meaning.columns.content, meaning.modality, said)
    keys = tuple(records.keys) if records.named else _keys(table, meaning.columns.id, row, said)
    if records.unreadable:
        said.append(
            f"{len(records.unreadable):,} of {records.count:,} records could not be read; they are listed and keep their numbers."
        )
    return Dataset(
        path=path,
        format=form,
        modality=meaning.modality,
        task=meaning.task,
        columns=meaning.columns,
        table=table,
        images=None,
        row=row,
        key=keys,
        digest=digest,
        records=records.count,
        fingerprint=_fingerprint(digest, row, records.count),
        unreadable=tuple(records.unreadable),
        notes=tuple(said),
        classes=meaning.classes,
        y=meaning.y,
    )


def _fingerprint(digest: NDArray[np.uint8], row: NDArray[np.int64], count: int) -> str:
    leaves = [NOTHING] * count
    flat = digest.tobytes()
    for position, number in enumerate(row.tolist()):
        leaves[number] = flat[32 * position : 32 * position + 32]
    return tree_hash(leaves).hex()


def _refuse_ruins(records: _Records, path: str, limits: Limits) -> None:
    bad = records.unreadable
    if records.count == 0:
        raise DataError("there are no records", path=path, remedy="give a data set with at least one record")
    if len(bad) == records.count or (len(bad) > 10 and len(bad) > limits.faults * records.count):
        raise DataError(
            f"{len(bad):,} of {records.count:,} records cannot be read; the first: {bad[0].reason}",
            path=path,
            row=bad[0].row,
            remedy="check that this is the right file in the right format, or mend those records",
        )


def _keys(table: pa.Table, column: str | None, row: NDArray[np.int64], said: list[str]) -> tuple[str, ...]:
    """Row names: the id column, made distinct by the row number where it repeats; without one, the row numbers."""
    if column is None:
        return tuple(map(str, row.tolist()))
    names = [None if v is None else str(v) for v in table.column(column).to_pylist()]
    seen: dict[str, int] = {}
    for name in names:
        if name is not None:
            seen[name] = seen.get(name, 0) + 1
    repeated = [name for name, count in seen.items() if count > 1]
    absent = names.count(None)
    if repeated or absent:
        shown = ", ".join(map(repr, repeated[:MANY])) + (", ..." if len(repeated) > MANY else "")
        parts = [f"{len(repeated):,} ids occur more than once ({shown})"] if repeated else []
        parts += [f"{absent:,} rows have no id"] if absent else []
        said.append(f"In the id column {column!r} {' and '.join(parts)}; their keys are made distinct by the row number.")
    return tuple(
        str(number) if name is None else f"{name}#{number}" if seen[name] > 1 else name
        for name, number in zip(names, row.tolist(), strict=True)
    )


def _no_missing_text(table: pa.Table, content: Iterable[str], modality: str, said: list[str]) -> pa.Table:
    """Texts that are not there read as empty ones, so that whoever reads words need not ask. The digest still tells
    them apart.
    """
    if modality != "text":
        return table
    for name in content:
        column = table.column(name)
        if pa.types.is_string(column.type) and column.null_count:
            said.append(f"{column.null_count:,} rows have no {name!r}; it is read as an empty text.")
            table = table.set_column(table.schema.get_field_index(name), name, pc.fill_null(column, ""))
    return table
