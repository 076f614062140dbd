"""One record that is not in a data set, in the shape of its rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, UnidentifiedImageError

from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows, UInt8


def record_rows(data: Dataset, record: Any) -> Rows:
    """The record as one row of content: a picture (array, or a file's path), a text, or cells (a mapping, or a JSON object as text).

    A picture is brought to the size and channels of the data's. Cells that are not named are missing. DataError for what does not fit.
    """
    if data.images is not None:
        return Rows(data.table.slice(0, 1).select([]), _picture(data.images, record)[None])
    content = list(data.columns.content)
    if isinstance(record, str) and record.lstrip().startswith("{") and not (len(content) == 1 and data.modality == "text"):
        try:
            record = json.loads(record)
        except json.JSONDecodeError as error:
            raise DataError(f"the record is no JSON object ({error})", remedy="write for example '{\"age\": 40}'") from error
    if isinstance(record, str):
        if len(content) != 1:
            raise DataError(f"a record needs the columns {', '.join(content[:10])}", path=data.path, remedy="give a JSON object")
        record = {content[0]: record}
    if not isinstance(record, Mapping):
        raise DataError(f"a record is a text or a mapping of cells; found {type(record).__name__}", path=data.path)
    unknown = [name for name in record if name not in content]
    if unknown:
        raise DataError(f"no content column {unknown[0]!r}", path=data.path, remedy=f"name one of: {', '.join(content[:20])}")
    columns = {}
    for name in content:
        kind = data.table.schema.field(name).type
        try:
            columns[name] = pa.array([record.get(name)], kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(f"{record[name]!r} is no {kind}", path=data.path, column=name, remedy="give a value of that kind") from error
    return Rows(pa.table(columns))


def _picture(images: UInt8, record: Any) -> UInt8:
    """(h, w, c) as the pictures (n, h, w, c)."""
    _, h, w, c = images.shape
    if isinstance(record, str | Path):
        try:
            with Image.open(record) as opened:
                picture = np.asarray(opened.convert("L" if c == 1 else "RGB" if c == 3 else "RGBA").resize((w, h)), np.uint8)
        except (UnidentifiedImageError, OSError) as error:
            raise DataError(f"is no picture that can be read ({error})", path=record, remedy="give a picture's file") from error
    else:
        picture = np.asarray(record)
    picture = picture if picture.ndim == 3 else picture[..., None]
    if picture.dtype != np.uint8 or picture.shape != (h, w, c):
        raise DataError(f"expected a picture of {(h, w, c)} bytes, found {picture.shape} {picture.dtype}", remedy="resize it")
    return picture
