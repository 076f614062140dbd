"""Attacks on texts: which column, which rows, and a stamp that rewrites each text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.attack.base import Bools, Needs, Param, Stamp
from assay.attack.labels import labelled
from assay.attack.triggered import COMMON, TriggerAttack
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

Rewrite = Callable[[str, np.random.Generator], str]

TEXTED = {**COMMON, "column": Param(None, "the text column (default: the one with the most text)")}


class TextAttack(TriggerAttack):
    """A trigger in texts; rows without a text are left alone."""

    needs: ClassVar[Needs] = "texts"
    params: ClassVar[Mapping[str, Param]] = TEXTED

    def may_carry(self, data: Dataset, params: Mapping[str, Any]) -> Bools:
        there = pc.is_valid(data.table.column(text_column(data, params["column"])))
        return labelled(data) & np.asarray(there, dtype=bool)


def rewriting(column: str, rewrite: Rewrite) -> Stamp:
    """A stamp that rewrites the texts of a column one by one."""

    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        return rows.with_column(column, [rewrite(value or "", rng) for value in rows.table.column(column).to_pylist()])

    return stamp


def text_columns(data: Dataset) -> list[str]:
    """The content columns that hold texts, in their order."""
    return [
        field.name
        for field in data.table.schema
        if field.name in data.columns.content and (pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
    ]


def text_column(data: Dataset, name: str | None) -> str:
    """The content column that holds the texts: the one named, or the one with the most text. DataError lists them."""
    there = text_columns(data)
    if name is not None and name not in there:
        raise DataError(f"no text column {name!r}", path=data.path, remedy=f"name one of: {', '.join(there)}")
    if not there:
        raise DataError("there is no text column", path=data.path, remedy="choose an attack on pictures, cells or labels")
    return name or max(there, key=lambda n: pc.sum(pc.utf8_length(data.table.column(n))).as_py() or 0)
