"""Reads votes in any format that data sets come in: `read_votes(source)`.

Two shapes. Long: a record is one vote, `(row, annotator, label[, time])`. Wide: a record is one row, with a column an
annotator. Which of them it is, and which column is which, is inferred from the names of the columns and said, or named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike, fspath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.crowd.sets import joined
from assay.crowd.votes import Duplicates, Floats, Int, Votes, check, names_shown
from assay.dataset.assemble import one_table
from assay.dataset.data import MISSING
from assay.dataset.errors import DataError
from assay.dataset.files import existing
from assay.dataset.formats.registry import recognise
from assay.dataset.labels import code
from assay.dataset.limits import LIMITS
from assay.dataset.memory import in_memory
from assay.dataset.numbers import as_doubles

# Names under which annotation tools export each column, most particular first; compared in lower case without
# punctuation. A name that is not here is given by the user.
ANNOTATOR_NAMES: tuple[str, ...] = (
    "annotator",
    "annotatorid",
    "worker",
    "workerid",
    "labeler",
    "labeller",
    "labelerid",
    "rater",
    "raterid",
    "coder",
    "judge",
    "performer",
    "userid",
    "user",
    "contributor",
    "completedby",
    "amtworkerids",
)
ROW_NAMES: tuple[str, ...] = (
    "row",
    "rowid",
    "task",
    "taskid",
    "item",
    "itemid",
    "example",
    "exampleid",
    "question",
    "questionid",
    "unit",
    "unitid",
    "hitid",
    "instance",
    "sample",
    "sampleid",
    "origid",
    "key",
    "id",
)
LABEL_NAMES = (
    "label",
    "answer",
    "vote",
    "response",
    "annotation",
    "judgment",
    "judgement",
    "category",
    "choice",
    "class",
    "rating",
    "value",
)
TIME_NAMES = ("time", "timestamp", "createdat", "submittedat", "submittime", "date", "datetime", "annotatedat")


def read_votes(
    source: Any,
    *,
    row: str | None = None,
    annotator: str | None = None,
    label: str | None = None,
    time: str | None = None,
    wide: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    duplicates: Duplicates = "refuse",
    sets: str | None = None,
) -> Votes:
    """The votes at a path, or in a table held in memory, checked.

    `wide` names the columns of a wide table (one an annotator). `classes` gives the labels there are, in their order; any
    other label is refused. An empty cell is no vote. `sets`: a vote may give several labels, as a list or as a text in which this stands
    between them; each different set is then a class (see `assay.crowd.multilabel`), `classes` names the labels in the sets, and an
    empty text or list is a vote for none. Raises DataError where columns cannot be told apart, for labels
    outside `classes`, times that are none, and for votes that cannot be worked with (`assay.crowd.votes.check`).

    >>> read_votes({"task": ["a", "a"], "worker": ["x", "y"], "label": ["cat", "dog"]}).classes
    ('cat', 'dog')
    """
    table, path, said = _table(source)
    for name in (row, annotator, label, time, *(wide or ())):
        if name is not None and name not in table.column_names:
            raise DataError(f"there is no column {name!r}", path=path, remedy=f"name one of: {', '.join(table.column_names)}")
    found = annotator or column_named(table, ANNOTATOR_NAMES, (row, label, time))
    if sets is not None:
        given = wide if wide is not None or found is None else [label or column_named(table, LABEL_NAMES, (row, found, time)) or ""]
        table = joined(table, given or [name for name in table.column_names if name != row], sets, classes, path)
        classes = None
    if wide is not None or found is None:
        votes = _wide(table, path, row, wide, said)
    else:
        votes = _long(table, path, (row, found, label, time), said)
    if classes is not None:
        votes = _known(votes, classes, path)
    return check(replace(votes, notes=tuple(said)), path=path, duplicates=duplicates)


def read_table(source: Any) -> tuple[pa.Table, str]:
    """(every readable record's columns, path in words): a table that is not a data set, so nothing is inferred of it."""
    table, path, _ = _table(source)
    return table, path


def _table(source: Any) -> tuple[pa.Table, str, list[str]]:
    if isinstance(source, str | PathLike):
        there = existing(fspath(source))
        path, batches = str(there), recognise(there).batches(there, LIMITS)
    else:
        made, path, _ = in_memory(source)
        batches = iter(made)
    tables, faults, said = [], 0, []
    for batch in batches:
        tables.append(batch.table)
        faults += len(batch.faults)
        said += [note for note in batch.notes if note not in said]
    if faults:
        said.append(f"{faults:,} records could not be read and are left out.")
    table = one_table(tables)
    if not table.num_rows or not table.num_columns:
        raise DataError("there are no records", path=path, remedy="give a table with a record for each vote, or for each row")
    return table, path, said


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def column_named(table: pa.Table, names: Sequence[str], taken: Sequence[str | None] = ()) -> str | None:
    """The column with the most particular of `names`, in any case and punctuation; None where there is none."""
    known = {_plain(name): name for name in reversed(table.column_names) if name not in taken}
    return next((known[name] for name in names if name in known), None)


def _long(table: pa.Table, path: str, given: tuple[str | None, ...], said: list[str]) -> Votes:
    row, annotator, label, time = given
    row = row or column_named(table, ROW_NAMES, given)
    label = label or column_named(table, LABEL_NAMES, (*given, row))
    for role, name in (("row", row), ("label", label)):
        if name is None:
            raise DataError(
                f"cannot tell which column holds the {role} of a vote (there are {', '.join(table.column_names)})",
                path=path,
                remedy=f"name it with --{role} COLUMN",
            )
    assert row is not None
    assert annotator is not None
    assert label is not None
    time = time or column_named(table, TIME_NAMES, (row, annotator, label))
    said.append(f"Read as one vote a record: row {row!r}, annotator {annotator!r}, label {label!r}{f', time {time!r}' if time else ''}.")
    (r, rows), (a, annotators), (y, classes) = (_coded(table, name, path) for name in (row, annotator, label))
    for codes, name in ((r, row), (a, annotator)):
        if (codes == MISSING).any():
            first = int(np.flatnonzero(codes == MISSING)[0])
            raise DataError("a vote without it", path=path, row=first, column=name, remedy="fill it in, or leave the record out")
    when = None if time is None else _seconds(table, time, path)
    kept = y != MISSING
    if not kept.all():
        said.append(f"{int((~kept).sum()):,} records have no label: they are no votes.")
    return Votes(r[kept], a[kept], y[kept], rows, annotators, classes, None if when is None else when[kept])


def _wide(table: pa.Table, path: str, row: str | None, wide: Sequence[str] | None, said: list[str]) -> Votes:
    row = row or column_named(table, ROW_NAMES, tuple(wide or ()))
    columns = list(wide) if wide is not None else [name for name in table.column_names if name != row]
    if wide is None:
        columns = _alike(table, columns, path)
    if len(columns) < 2:
        raise DataError(
            f"one annotator, {columns[0]!r}: there is nobody to compare with" if columns else "there is no column of labels",
            path=path,
            remedy="name the column that tells annotators apart with --annotator, or the annotators' columns with --wide",
        )
    named = f"row {row!r}, " if row else ""
    said.append(f"Read as one row a record: {named}{len(columns)} annotators, one a column ({names_shown(columns)}).")
    if row is None:
        n, rows = table.num_rows, tuple(map(str, range(table.num_rows)))
        row_codes: Int = np.arange(n, dtype=np.int64)
    else:
        row_codes, rows = _coded(table, row, path)
        if (row_codes == MISSING).any():
            first = int(np.flatnonzero(row_codes == MISSING)[0])
            raise DataError("a record without it", path=path, row=first, column=row, remedy="fill it in")
    long = one_table([pa.table({"label": _as_label(table.column(name))}) for name in columns])
    labels, classes = _coded(long, "label", path)
    kept = labels != MISSING
    annotators: Int = np.repeat(np.arange(len(columns), dtype=np.int64), table.num_rows)
    return Votes(np.tile(row_codes, len(columns))[kept], annotators[kept], labels[kept], rows, tuple(columns), classes)


def _alike(table: pa.Table, columns: Sequence[str], path: str) -> list[str]:
    """The columns that can be annotators: those that say only what others say too."""
    values = {name: {str(v) for v in _as_label(table.column(name)).unique().to_pylist() if v is not None} for name in columns}
    shared = [name for name in columns if values[name] and any(len(values[name] & values[other]) > 0 for other in columns if other != name)]
    left_out = [name for name in columns if name not in shared]
    if left_out:
        raise DataError(
            f"no column is named like an annotator, and {names_shown(left_out)} cannot be one: its values are nobody else's",
            path=path,
            remedy="name the annotators' columns with --wide a,b,c, or the columns of a vote with --row, --annotator and --label",
        )
    return shared


def _as_label(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text with its spaces trimmed and "" as no label; other values as they are."""
    if not pa.types.is_string(column.type):
        return column
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _coded(table: pa.Table, name: str, path: str) -> tuple[Int, tuple[str, ...]]:
    column = _as_label(table.column(name))
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        raise DataError(f"values of type {column.type} name nothing", path=path, column=name, remedy="give text or numbers")
    return code(column)


def _known(votes: Votes, classes: Sequence[str], path: str) -> Votes:
    """The votes under the codes of `classes`. Raises DataError for a label that is not among them."""
    place = {name: i for i, name in enumerate(classes)}
    if len(place) < len(classes):
        raise DataError(f"a class is named twice in {', '.join(classes)}", remedy="name each class once")
    unknown = [name for name in votes.classes if name not in place]
    if unknown:
        first = int(np.flatnonzero(votes.label == votes.classes.index(unknown[0]))[0])
        raise DataError(
            f"unknown label {names_shown(unknown)}: annotator {votes.annotators[int(votes.annotator[first])]!r} on row "
            f"{votes.rows[int(votes.row[first])]!r}",
            path=path,
            remedy=f"mend it, or add it to --classes (there are {', '.join(classes)})",
        )
    new: NDArray[np.int64] = np.array([place[name] for name in votes.classes], np.int64)
    return replace(votes, label=new[votes.label], classes=tuple(classes))


def _seconds(table: pa.Table, name: str, path: str) -> Floats:
    """Times as seconds: numbers as they are, dates and ISO 8601 texts since 1970; texts that name no zone are all of one, taken for UTC."""
    column = table.column(name)
    if column.null_count:
        first = pc.index(column.is_null(), pa.scalar(True)).as_py()
        raise DataError("a vote without a time", path=path, row=first, column=name, remedy="fill it in, or name no time column")
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return as_doubles(column)
    try:
        moments = column if pa.types.is_timestamp(column.type) else _moments(column)
        return np.asarray(moments.cast(pa.timestamp("us")).cast(pa.int64()), float) / 1e6
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"not a time: {reason}", path=path, column=name, remedy="give seconds or ISO 8601, or name no time column"
        ) from error


def _moments(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return column.cast(pa.timestamp("us"))
