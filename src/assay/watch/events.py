"""Events: what a model was asked and what it said, a batch at a time, as columns.

Detectors take events in the order of their arrival, which is the order in which anything could be known. `time` is shown, and
turns run lengths into days; it may be out of order, and nothing waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.dataset.numbers import as_doubles
from assay.dataset.rows import as_rows
from assay.watch.checks import NO_TEXT, check_columns, check_text, check_vectors, is_text, twice
from assay.watch.fields import Fields
from assay.watch.times import check_unit, times

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """n events in order of arrival. Lists hold None where there is nothing, arrays NaN."""

    table: pa.Table  # as it came, without what is not kept: this goes into the journal
    id: list[str | None]
    time: Floats  # seconds since 1970
    prediction: list[str | None]
    label: list[str | None]
    confidence: Floats  # of the prediction

    def __len__(self) -> int:
        return len(self.id)

    def column(self, name: str) -> pa.Array:
        """One column; a column of nulls where the batch has none of that name."""
        if self.table.schema.get_field_index(name) < 0 and name not in self.table.column_names:  # the first is quick, and knows no doubles
            return pa.nulls(len(self))
        return column_of(self.table, name)

    def words(self, name: str) -> list[str | None]:
        """A column as text, the way a person would write the value."""
        return words(self.column(name))


def words(column: pa.Array) -> list[str | None]:
    """Values as text: 1.0 as "1", so that a class is the same whether a file held it as a number or as a word; NaN is missing; lists and
    objects, which `read_batch` refuses and earlier versions kept, as JSON.

    >>> words(pa.array([1.0, -0.0, 2.5, 1000001.0, None, float("nan"), float("inf")]))
    ['1', '0', '2.5', '1000001', None, None, 'inf']
    """
    if pa.types.is_string(column.type):
        return list(column.to_numpy(zero_copy_only=False).tolist())
    if pa.types.is_dictionary(column.type):
        return words(column.dictionary_decode())
    if pa.types.is_nested(column.type):
        return [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in column.to_pylist()]
    each = column.dictionary_encode()  # each value is written once
    said = [None if v is None or v != v else str(int(v)) if _whole(v) else str(v) for v in each.dictionary.to_pylist()]
    at = np.asarray(each.indices.fill_null(len(said)))
    return list(np.array([*said, None], object)[at].tolist())


def coded(column: pa.Array, values: Sequence[str], other: int) -> NDArray[np.int64]:
    """(n,) the place of each value, as `words` writes it, among `values`; `other` where it is none of them, or missing.

    >>> coded(pa.array(["de", None, "fr"]), ["fr", "de"], -1).tolist()
    [1, -1, 0]
    """
    place = {value: i for i, value in enumerate(values)}
    if pa.types.is_nested(column.type):
        column = pa.array(words(column), pa.string())
    each = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    found = [other if w is None else place.get(w, other) for w in words(each.dictionary)]
    return np.array([*found, other], np.int64)[np.asarray(each.indices.fill_null(len(found)), np.int64)]


def _whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def read_batch(events: Any, fields: Fields) -> Batch:
    """A batch of what a person holds: a list of mappings (one an event), a mapping of columns, an Arrow table, a frame.

    Raises DataError where an event is neither a prediction nor a label, a confidence is no probability, times are in no seconds, a
    column that must hold text, numbers or times does not, or two columns have one name.
    """
    table = table_of(events)
    check_columns(table, fields)
    made = kept_batch(table, fields)
    if fields.time in table.column_names and np.isnan(made.time).all():
        check_unit(column_of(table, fields.time), fields.time)
    return made


def kept_batch(table: pa.Table, fields: Fields) -> Batch:
    """A batch that was judged when it came and is read again from where it was kept: what earlier versions took is no error."""
    if fields.private and fields.text in table.column_names:
        texts = words(column_of(table, fields.text))
        digests = pa.array([None if t is None else sha256(t.encode()).hexdigest() for t in texts], pa.string())
        table = table.drop_columns([fields.text])
        if fields.digest not in table.column_names:
            table = table.append_column(fields.digest, digests)
    n = table.num_rows

    def text(name: str) -> list[str | None]:
        return words(column_of(table, name)) if name in table.column_names else [None] * n

    names, predictions, labels = text(fields.id), text(fields.prediction), text(fields.label)
    for row in [row for row, prediction in enumerate(predictions) if prediction is None]:
        if names[row] is None or labels[row] is None:
            raise DataError(
                "an event that is neither a prediction nor a label",
                row=row,
                remedy=f"give {fields.prediction!r}, or {fields.id!r} and {fields.label!r} where a label comes late",
            )
    return Batch(table, names, _times(table, fields.time), predictions, labels, _confidence(table, fields))


def event_of(line: bytes) -> dict[str, Any]:
    """An event that is a line of JSON. Raises DataError, without its place, where the line is none."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}") from error
    if not isinstance(event, dict):
        raise DataError("an event is a JSON object")
    return event


def table_of(events: Any) -> pa.Table:
    """The events as a table, as they came. Raises DataError where a column holds values of several types, or text that is none."""
    if isinstance(events, Sequence) and not isinstance(events, str) and all(isinstance(e, Mapping) for e in events):
        names = list(dict.fromkeys(name for event in events for name in event))
        columns = [_column(name, [event.get(name) for event in events]) for name in names]
        return pa.table(columns, [check_text(name) for name in names])
    try:
        return as_rows(events).table
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise DataError(f"the events are no table: {error}", remedy="give columns of one length, and one type a column") from error


def _column(name: str, values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, from_pandas=True)
    except UnicodeEncodeError as error:
        row = next((i for i, v in enumerate(values) if isinstance(v, str) and not is_text(v)), None)
        raise DataError(f"holds {NO_TEXT}", row=row, column=name, remedy="send UTF-8, and escapes like \\ud83d\\ude00 in pairs") from error
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(f"the events do not agree on the type of a value: {error}", column=name, remedy="give one type a column") from error


def column_of(table: pa.Table, name: str) -> pa.Array:
    """A column in one piece. Raises DataError where there is none of that name, or more than one."""
    at = table.schema.get_field_index(name)
    if at < 0 and name in table.column_names:
        raise twice(name)
    if at < 0:
        raise DataError("there is no such column", column=name, remedy=f"there are: {', '.join(table.column_names)}")
    column = table.column(at)
    if column.num_chunks == 1:
        return column.chunk(0)
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else whole.chunk(0)


def _times(table: pa.Table, name: str) -> Floats:
    """(n,) seconds since 1970, NaN where there is no time."""
    return times(column_of(table, name), name) if name in table.column_names else np.full(table.num_rows, np.nan)


def _confidence(table: pa.Table, fields: Fields) -> Floats:
    """The column of confidences, or the greatest score of each row."""
    n = table.num_rows
    if fields.confidence in table.column_names:
        name, values = fields.confidence, numbers(column_of(table, fields.confidence), fields.confidence)
    elif fields.scores in table.column_names:
        name, column = fields.scores, column_of(table, fields.scores)
        if not pa.types.is_null(column.type):
            check_vectors(column.type, name)
        given = [[s for s in v or () if s is not None] for v in column.to_pylist()]
        values = np.array([max(v) if v else np.nan for v in given], float)
    else:
        return np.full(n, np.nan)
    wrong = np.flatnonzero((values < 0) | (values > 1))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(f"{values[row]:g} is no probability", row=row, column=name, remedy="give confidences between 0 and 1")
    return values


def numbers(column: pa.Array, name: str) -> Floats:
    """(n,) a column as numbers, NaN where null or infinite. Raises DataError where it holds none."""
    try:
        values = as_doubles(column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError("holds no numbers", column=name, remedy="the baseline saw numbers in this column") from error
    finite = np.isfinite(values)
    return values if finite.all() else np.where(finite, values, np.nan)
