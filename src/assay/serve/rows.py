"""rows.parquet of the service: every record of a data set in its order, cut so small that any page of them is read at once.

Groups hold `GROUP` rows, so that a page touches one or two however many rows there are. Cells are JSON text: what people see, in
their own columns' names, whatever types the data has.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from assay.dataset.atomic import whole
from assay.dataset.data import MISSING, Dataset

GROUP = 1000  # rows: 100 KiB to 3 MiB of text or small pictures, read in milliseconds
FOOTERS = 16  # of the data sets looked at last: 3 MiB each for a million rows
LONGEST = 20_000  # characters of one cell that are shown
PICTURE = "picture"
SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("digest", pa.string()),
        pa.field("label", pa.string()),
        pa.field("cells", pa.string(), nullable=False),
        pa.field("has_picture", pa.bool_(), nullable=False),
        pa.field("unreadable", pa.string()),
        pa.field(PICTURE, pa.binary()),
    ]
)


def write_rows(data: Dataset, out: Path) -> None:
    """Every record, readable or not. Nothing is at `out` before it is whole."""
    at = {int(row): place for place, row in enumerate(data.row)}
    lost = {u.row: u for u in data.unreadable}
    with whole(out) as (new,), pq.ParquetWriter(new, SCHEMA, compression="zstd") as writer:
        for start in range(0, data.records, GROUP):
            numbers = range(start, min(start + GROUP, data.records))
            places = [at[n] for n in numbers if n in at]
            cells = iter(data.table.take(pa.array(places, pa.int64())).to_pylist()) if data.table.num_columns else iter([{}] * len(places))
            lines = [_lost(n, lost[n].key, lost[n].reason) if n in lost else _line(data, n, at[n], next(cells)) for n in numbers]
            writer.write_table(pa.Table.from_pylist(lines, SCHEMA))


def _line(data: Dataset, number: int, place: int, cells: dict[str, Any]) -> dict[str, Any]:
    picture = None if data.images is None else png(data.images[place])
    coded = len(data.y) > 0 and data.classes and int(data.y[place]) != MISSING
    label = data.classes[int(data.y[place])] if coded else _text(cells.get(data.columns.label[0])) if data.columns.label else None
    return {
        "row": number,
        "key": data.key[place],
        "digest": data.digest[place].tobytes().hex(),
        "label": label,
        "cells": json.dumps({name: _plain(value) for name, value in cells.items()}, ensure_ascii=False),
        "has_picture": picture is not None,
        "unreadable": None,
        PICTURE: picture,
    }


def _lost(number: int, key: str, reason: str) -> dict[str, Any]:
    nothing = {"digest": None, "label": None, "cells": "{}", "has_picture": False, PICTURE: None}
    return {"row": number, "key": key, "unreadable": reason, **nothing}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:LONGEST]


def _plain(value: Any) -> Any:
    """A cell as JSON has it: NaN and bytes, which JSON has not, become nothing and a word."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value[:1000]]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return str(value)[:LONGEST]


def png(picture: NDArray[np.uint8]) -> bytes:
    """(h, w, c) as PNG."""
    flat = picture[..., 0] if picture.shape[2] == 1 else picture[..., :3] if picture.shape[2] >= 3 else picture[..., 0]
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(flat)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _footer(path: Path) -> pq.FileMetaData:
    """Where each group lies: 0.1 s to read for a million rows, so it is kept while the file is the same."""
    held = path.stat()
    return _read_footer(str(path), held.st_ino, held.st_mtime_ns, held.st_size)


@lru_cache(FOOTERS)
def _read_footer(path: str, *same: int) -> pq.FileMetaData:
    return pq.read_metadata(path)


def take_rows(path: Path, numbers: Sequence[int], *, pictures: bool) -> pa.Table:
    """The lines of these records, in this order; only the groups that hold them are read."""
    columns = [name for name in SCHEMA.names if pictures or name != PICTURE]
    if not numbers:
        return SCHEMA.empty_table().select(columns)
    with pq.ParquetFile(path, metadata=_footer(path)) as held:
        groups = sorted({number // GROUP for number in numbers})
        table = held.read_row_groups(groups, columns=columns)
    begins = {group: i * GROUP for i, group in enumerate(groups)}
    return table.take(pa.array([begins[n // GROUP] + n % GROUP for n in numbers]))
