"""Files of events: Parquet, CSV, JSON lines."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from assay.dataset.errors import DataError

READERS = {".parquet": pa.parquet.read_table, ".csv": pa.csv.read_csv, ".jsonl": pa.json.read_json}


def events_table(path: Path) -> pa.Table:
    """All events of a file. DataError for another format, or where it cannot be read."""
    if path.suffix.lower() not in READERS:
        raise DataError("events are read from .parquet, .csv and .jsonl", path=path, remedy="convert it")
    if not path.exists():
        raise DataError("is not there", path=path, remedy="name an existing file")
    try:
        return READERS[path.suffix.lower()](str(path))
    except pa.ArrowException as error:
        raise DataError(f"cannot be read: {error}", path=path) from error
