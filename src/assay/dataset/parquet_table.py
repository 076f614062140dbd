"""Parquet files of our own making, which may have been damaged or replaced since."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from assay.dataset.errors import DataError


def parquet_table(path: Path, columns: Sequence[str] | None = None, *, remedy: str, what: str = "") -> pa.Table:
    """The file, or these of its columns. DataError, of `what` it is and with the `remedy`, where it cannot be read or lacks one of them."""
    try:
        if columns is None:
            return pq.read_table(path)
        there = pq.read_schema(path).names
        missing = [name for name in columns if name not in there]
        if missing:
            raise DataError(f"has no column {missing[0]!r}", path=path, remedy=remedy)
        return pq.read_table(path, columns=list(columns))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # a damaged name of a column is no UTF-8
        raise DataError(f"{what} cannot be read ({error})".lstrip(), path=path, remedy=remedy) from error
