"""Files of events: Parquet, CSV, JSON lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from assay.dataset.errors import DataError
from assay.dataset.formats.delimited import Delimited, dialect
from assay.dataset.limits import LIMITS


def _csv(path: Path) -> pa.Table:
    """As data sets are read: a blank cell is missing, in columns of text too, and a column is of numbers where all its values are."""
    _refuse_repeated(path, dialect(path, LIMITS).repeated)
    tables, rows = [], 0
    for batch in Delimited().batches(path, LIMITS):
        for row, problem in batch.faults.items():
            raise DataError(problem, path=path, row=rows + row, remedy="mend the line")
        tables.append(batch.table)
        rows += batch.count
    return pa.concat_tables(tables) if tables else pa.table({})


def _parquet(path: Path) -> pa.Table:
    _refuse_repeated(path, [name for name, count in Counter(pq.read_schema(path).names).items() if count > 1])
    return pq.read_table(path)


def _refuse_repeated(path: Path, names: Iterable[str]) -> None:
    for name in names:
        raise DataError("two columns have this name", path=path, column=name, remedy="rename one, or leave it out")


READERS: dict[str, Callable[[Path], pa.Table]] = {".parquet": _parquet, ".csv": _csv, ".jsonl": pa.json.read_json}


def events_table(path: Path) -> pa.Table:
    """All events of a file. DataError for another format, or where it cannot be read."""
    if path.suffix.lower() not in READERS:
        raise DataError("events are read from .parquet, .csv and .jsonl", path=path, remedy="convert it")
    if not path.exists():
        raise DataError("is not there", path=path, remedy="name an existing file")
    try:
        return READERS[path.suffix.lower()](path)
    except pa.ArrowException as error:
        raise DataError(f"cannot be read: {error}", path=path) from error
