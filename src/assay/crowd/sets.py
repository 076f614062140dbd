"""Votes that give several labels at once: sets of labels, each different set a class by the name of its members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.dataset.labels import JOIN, NO_LABEL, class_name


def joined(table: pa.Table, columns: Sequence[str], separator: str, known: Sequence[str] | None, path: str) -> pa.Table:
    """The table with its label columns as texts, the names of each set in sorted order; null stays null.

    DataError for labels outside `known`, and for names that hold what joins them.
    """
    for name in columns:
        if name in table.column_names:
            texts = [
                None if v is None else _text(v, separator, known, path, row, name) for row, v in enumerate(table.column(name).to_pylist())
            ]
            table = table.set_column(table.column_names.index(name), name, pa.array(texts, pa.string()))
    return table


def _text(value: object, separator: str, known: Sequence[str] | None, path: str, row: int, column: str) -> str:
    parts = value if isinstance(value, list) else str(value).split(separator)
    names = sorted({class_name(part).strip() for part in parts if part is not None} - {"", NO_LABEL})
    if known is not None and (strange := [name for name in names if name not in known]):
        raise DataError(
            f"unknown label {strange[0]!r}", path=path, row=row, column=column, remedy=f"choose among {', '.join(known)}, or mend --classes"
        )
    if any(JOIN in name for name in names):
        raise DataError(f"a label's name holds {JOIN!r}, which joins labels", path=path, row=row, column=column, remedy="rename it")
    return JOIN.join(names) or NO_LABEL


def members(classes: Sequence[str]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """((sets, labels) which set holds which label, names of the labels, sorted).

    >>> members(["(none)", "a", "a + b"])[0].astype(int).tolist()
    [[0, 0], [1, 0], [1, 1]]
    """
    split = [set() if name == NO_LABEL else set(name.split(JOIN)) for name in classes]
    names = tuple(sorted(set().union(*split)))
    return np.array([[name in held for name in names] for held in split], bool).reshape(len(classes), len(names)), names
