"""Which content columns hold text to read, as against values to compare."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from assay.artefact.tokens import ALONE
from assay.dataset.data import Dataset

SAMPLE = 2_000  # values looked at for scripts without spaces
UNSPACED = 6  # characters that are more than a name, as for columns (`assay.dataset.columns`)
WORDS = 3.0  # words a value, on average: below that a string column holds categories, not text


def text_columns(data: Dataset) -> list[str]:
    """The content columns that hold running text; looked for once in a data set, of which every family and several screens ask it."""
    return list(data.once(_looked_for))


def _looked_for(data: Dataset) -> list[str]:
    found = []
    for name in data.columns.content:
        kind = data.table.schema.field(name).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            continue
        values = data.table.column(name)
        blanks = pc.mean(pc.count_substring(values, " ")).as_py()
        if blanks is not None and (blanks + 1 >= WORDS or _unspaced(values)):
            found.append(name)
    return found


def _unspaced(values: pa.ChunkedArray) -> bool:
    """Whether most values are several characters of a script without spaces."""
    there = values.drop_null().slice(0, SAMPLE).to_pylist()
    return sum(len(ALONE.findall(v)) >= UNSPACED for v in there) > 0.5 * len(there)
