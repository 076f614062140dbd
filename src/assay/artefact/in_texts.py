"""What artefacts in texts share: which columns are looked into, and which rows hold one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.rows import Rows


def text_columns(rows: Rows, columns: Sequence[str]) -> list[str]:
    """The columns of text among those named; all of them where none is named."""
    fields = [f for f in rows.table.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    return [f.name for f in fields if not columns or f.name in columns]


def found_in(rows: Rows, names: Iterable[str], find: Callable[[str], Sequence[object]]) -> NDArray[np.bool_]:
    """(n,) rows in any of whose texts `find` finds something."""
    present = np.zeros(len(rows), bool)
    for name in names:
        present |= np.array([bool(text and find(text)) for text in rows.table.column(name).to_pylist()], bool)
    return present
