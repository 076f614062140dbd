"""Whether the rows that stay are the same rows in a copy from which others were left out.

The type of a CSV column is learnt from all of its values (docs/formats.md). Where only the rows that are left out held a word among
numbers, the copy reads that column as numbers, and every row that stays has another digest: to a ledger, rows that nobody brought.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.columns import Column, Kind
from assay.dataset.data import Dataset
from assay.dataset.digest import row_digests
from assay.dataset.errors import DataError
from assay.dataset.read import read

Int = NDArray[np.int64]

WORDS: dict[Kind, str] = {
    "bool": "true and false",
    "integer": "whole numbers",
    "float": "numbers",
    "string": "text",
    "time": "moments",
    "list": "lists",
    "other": "nested values",
}
REMEDY = "write the data as Parquet, which keeps the types of columns, and give that: its rows and fingerprint are the same (docs/flows.md)"


def read_without(data: Dataset, drop: Int, out: Path) -> Dataset:
    """`out`, the copy of `data` without the records `drop`, read with the columns of `data`.

    Raises DataError where the rows that stay do not have the digests in it that they have in `data`; the column is named.
    """
    try:
        found = read(out, columns=data.columns, task=data.task)
    except DataError as error:
        content = error.column is not None and error.column not in data.columns.label  # one class that is left is no matter of types
        said = f"cannot be read as it was without these rows: {error.problem}".replace(str(out), "the copy")
        raise DataError(said, path=data.path, column=error.column, remedy=REMEDY if content else None) from error
    stays = ~np.isin(data.row, drop)
    if np.array_equal(found.digest, data.digest[stays]):
        return found
    before = data.table.filter(pa.array(stays))
    for name in before.column_names:
        was, now = _column(before, name), _column(found.table, name)
        if not np.array_equal(row_digests(was), row_digests(now)):
            said = f"column {name!r} was {_kind(data.table, name)} and is {_kind(found.table, name)} without these rows"
            raise DataError(f"{said}: those that stay would be other rows", path=data.path, remedy=REMEDY)
    raise DataError("reads otherwise without these rows: those that stay would be other rows", path=data.path, remedy=REMEDY)


def _column(table: pa.Table, name: str) -> pa.Table:
    return table.select([name]) if name in table.column_names else pa.table({name: pa.nulls(table.num_rows)})


def _kind(table: pa.Table, name: str) -> str:
    return WORDS.get(Column(name, table.column(name)).kind, "empty") if name in table.column_names else "not there"
