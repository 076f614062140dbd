"""Whether the columns of events can be what they are named as: looked at when events come, before anything of them is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from assay.dataset.errors import DataError
from assay.watch.fields import PARTS, Fields

HELD = "assay.matches", "assay.holds"  # columns that a watch adds to what it journals (`assay.watch.search`)
LATER = "id", "label"  # parts of an event that a trusted period may lack
NO_TEXT = "half a character (a lone surrogate), which is no text"


def check_columns(table: pa.Table, fields: Fields) -> None:
    """Raises DataError where two columns have one name, or lists or objects stand where an event has one value.

    >>> check_columns(pa.table({"id": [["a"]]}), Fields())
    Traceback (most recent call last):
    assay.dataset.errors.DataError: column 'id': holds list<item: string>, and one value an event is expected. Remedy: give text or numbers
    """
    check_once(table.column_names)
    said = fields.id, fields.time, fields.prediction, fields.confidence, fields.label
    for name in (*said, fields.contributor, fields.text, fields.digest, *fields.slices):
        at = table.schema.get_field_index(name)
        if at >= 0:
            check_flat(table.schema.field(at).type, name)


def check_once(names: Iterable[str], path: Path | None = None) -> None:
    """Raises DataError for the first name that comes again."""
    for name, count in Counter(names).items():
        if count > 1:
            raise twice(name, path)


def twice(name: str, path: Path | None = None) -> DataError:
    """What is raised where two columns have one name."""
    return DataError("two columns have this name", path=path, column=name, remedy="rename one, or leave it out")


def check_named(table: pa.Table, fields: Fields) -> None:
    """Raises DataError where a trusted period lacks a column that somebody named: a slice, or a part of an event under a name of its own.

    Labels, and the ids by which they meet their predictions, may come later and be in no trusted period.

    >>> check_named(pa.table({"said": ["a"]}), Fields(prediction="sad"))
    Traceback (most recent call last):
    assay.dataset.errors.DataError: column 'sad': there is no such column for the prediction. Remedy: there are: said
    """
    usual = Fields()
    renamed = {part: getattr(fields, part) for part in PARTS if part not in LATER and getattr(fields, part) != getattr(usual, part)}
    if fields.private:  # made of the text
        renamed.pop("digest", None)
    for part, name in [*renamed.items(), *(("slice", name) for name in fields.slices)]:
        if name not in table.column_names:
            said = ", ".join(table.column_names)
            raise DataError(f"there is no such column for the {part}", column=name, remedy=f"there are: {said}")


def check_flat(kind: pa.DataType, name: str) -> None:
    """Raises DataError for a column of lists or objects."""
    if pa.types.is_nested(kind):
        raise DataError(f"holds {kind}, and one value an event is expected", column=name, remedy="give text or numbers")


def check_vectors(kind: pa.DataType, name: str) -> None:
    """Raises DataError for a column that does not hold lists of numbers."""
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    of = kind.value_type if listed else None
    if of is None or not (pa.types.is_floating(of) or pa.types.is_integer(of) or pa.types.is_decimal(of) or pa.types.is_null(of)):
        raise DataError(f"holds {kind}, and a list of numbers an event is expected", column=name, remedy="give lists of numbers")


def check_own(table: pa.Table) -> None:
    """Raises DataError where events bring columns that the watch itself writes."""
    for name in HELD:
        if name in table.column_names:
            raise DataError("is a name that the watch keeps for itself", column=name, remedy="rename it")


def check_text(name: str) -> str:
    """The name of a column or a batch. Raises DataError where it cannot be written as UTF-8."""
    if not is_text(name):
        raise DataError(f"{name!r} holds {NO_TEXT}", remedy="give another name")
    return name


def is_text(value: str) -> bool:
    """Whether it can be written as UTF-8.

    >>> is_text("é"), is_text("\\ud800")
    (True, False)
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
