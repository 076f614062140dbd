"""A table as numbers for the screens that look at whole rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.screen.statistics import Statistics, row_statistics, text_columns

Float = NDArray[np.float64]


def table_values(data: Dataset, read: Statistics | None = None) -> Float:
    """(n, m) a table's numbers, missing ones at the median and infinite ones just past the range, with a column that
    says which were missing or infinite; and for each categorical column the surprise of its value, -ln of its share. A column lies
    together in memory."""
    numbers = (row_statistics(data) if read is None else read).values
    columns: list[Float] = []
    for j in range(numbers.shape[1]):
        column = numbers[:, j]
        known = np.isfinite(column)
        if not known.any():
            continue
        low, mid, high = column[known].min(), np.median(column[known]), column[known].max()
        room = (high - low) / 2 or 1.0
        columns.append(np.nan_to_num(column, nan=mid, posinf=high + room, neginf=low - room))
        if not known.all():
            columns.append((~known).astype(np.float64))
    if data.modality == "table":
        for name in data.columns.content:
            kind = data.table.schema.field(name).type
            if pa.types.is_boolean(kind) or name in text_columns(data):
                codes = np.asarray(
                    pc.dictionary_encode(data.table.column(name).cast(pa.string()), null_encoding="encode").combine_chunks().indices
                )
                columns.append(-np.log(np.bincount(codes)[codes] / len(codes)))
    return np.stack(columns).T if columns else np.zeros((len(data), 0))
