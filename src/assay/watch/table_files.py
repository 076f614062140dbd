"""Files of events: Parquet, CSV, JSON lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from assay.dataset.errors import DataError
from assay.dataset.formats.delimited import Delimited, dialect
from assay.dataset.limits import LIMITS
from assay.watch.checks import check_once, twice


def _csv(path: Path) -> pa.Table:
    """As data sets are read: a blank cell is missing, in columns of text too, and a column is of numbers where all its values are."""
    for name in dialect(path, LIMITS).repeated:
        raise twice(name, path)
    tables, rows = [], 0
    for batch in Delimited().batches(path, LIMITS):
        for row, problem in batch.faults.items():
            raise DataError(problem, path=path, row=rows + row, remedy="mend the line")
        tables.append(batch.table)
        rows += batch.count
    return pa.concat_tables(tables) if tables else pa.table({})


def _parquet(path: Path) -> pa.Table:
    check_once(pq.read_schema(path).names, path)
    return pq.read_table(path)


READERS: dict[str, Callable[[Path], pa.Table]] = {".parquet": _parquet, ".csv": _csv, ".jsonl": pa.json.read_json}


def events_table(path: Path) -> pa.Table:
    """All events of a file. DataError for another format, or where it cannot be read."""
    if path.suffix.lower() not in READERS:
        raise DataError("events are read from .parquet, .csv and .jsonl", path=path, remedy="convert it")
    if not path.exists():
        raise DataError("is not there", path=path, remedy="name an existing file")
    try:
        return READERS[path.suffix.lower()](path)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", path=path) from error
