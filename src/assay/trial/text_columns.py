"""Which content columns hold text to read, as against values to compare."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from assay.dataset.data import Dataset

WORDS = 3.0  # words a value, on average: below that a string column holds categories, not text


def text_columns(data: Dataset) -> list[str]:
    """The content columns that hold running text."""
    found = []
    for name in data.columns.content:
        kind = data.table.schema.field(name).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            continue
        blanks = pc.mean(pc.count_substring(data.table.column(name), " ")).as_py()
        if blanks is not None and blanks + 1 >= WORDS:
            found.append(name)
    return found
