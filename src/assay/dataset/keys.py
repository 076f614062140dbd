"""What a row is called."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

MANY = 5  # duplicate ids shown by name in a note


def row_keys(table: pa.Table, column: str | None, row: NDArray[np.int64], said: list[str]) -> tuple[str, ...]:
    """Row names: the id column, made distinct by the row number where it repeats; without one, the row numbers."""
    if column is None:
        return tuple(map(str, row.tolist()))
    names = [None if v is None else str(v) for v in table.column(column).to_pylist()]
    seen: dict[str, int] = {}
    for name in names:
        if name is not None:
            seen[name] = seen.get(name, 0) + 1
    repeated = [name for name, count in seen.items() if count > 1]
    absent = names.count(None)
    if repeated or absent:
        shown = ", ".join(map(repr, repeated[:MANY])) + (", ..." if len(repeated) > MANY else "")
        parts = [f"{len(repeated):,} ids occur more than once ({shown})"] if repeated else []
        parts += [f"{absent:,} rows have no id"] if absent else []
        said.append(f"In the id column {column!r} {' and '.join(parts)}; their keys are made distinct by the row number.")
    return tuple(
        str(number) if name is None else f"{name}#{number}" if seen[name] > 1 else name
        for name, number in zip(names, row.tolist(), strict=True)
    )
