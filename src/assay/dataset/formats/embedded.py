"""Pictures inside tables, and what Hugging Face writes into an Arrow schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.dataset.formats.base import PICTURE
from assay.dataset.pictures import encode_png

# first bytes of the encoded pictures that Pillow is asked to read: PNG, JPEG, GIF, BMP, WebP (RIFF), TIFF, PNM
PICTURE_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"P5", b"P6")
NAMES = ("image", "img", "picture", "photo", "pixels", "png", "jpg", "jpeg")  # of a column of bare bytes


def picture_column(table: pa.Table) -> str | None:
    """The column that holds encoded pictures: a struct with `bytes`, or bytes that begin as a picture does."""
    for field in table.schema:
        if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0:
            return str(field.name)
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            first = next((v.as_py() for v in table.column(field.name) if v.is_valid), b"")
            if first.startswith(PICTURE_MAGIC) or field.name.lower() in NAMES:
                return str(field.name)
    return None


def lift_pictures(table: pa.Table) -> tuple[pa.Table, list[bytes] | None, dict[int, str]]:
    """(table without its pictures, the encoded pictures of its readable rows, faults): rows without a picture are taken
    out.
    """
    name = picture_column(table)
    if name is None:
        return table, None, {}
    column = table.column(name)
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    table = table.drop_columns([name])
    values = column.to_pylist()
    faults = {i: f"column {name!r} holds no picture bytes" for i, value in enumerate(values) if not value}
    if faults:
        whole = pa.array([i not in faults for i in range(len(values))], pa.bool_())
        table = table.filter(whole) if table.num_columns else table.slice(0, len(values) - len(faults))
    return table, [value for value in values if value], faults


def class_names_in(schema: pa.Schema) -> Mapping[str, Sequence[str]]:
    """Column -> class names, from the `huggingface` entry of the schema's metadata."""
    raw = (schema.metadata or {}).get(b"huggingface")
    if raw is None:
        return {}
    try:
        features = json.loads(raw)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}  # not ours to judge: the codes themselves are shown instead of names
    return class_names_of(features)


def class_names_of(features: object) -> Mapping[str, Sequence[str]]:
    """The same from the `features` of a dataset_info.json."""
    if not isinstance(features, dict):
        return {}
    return {
        str(name): [str(v) for v in feature["names"]]
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
    }


def with_pictures(table: pa.Table, images: NDArray[np.uint8] | None) -> pa.Table:
    """The table with a first column "image" of structs {bytes, path}, every picture a PNG; as it is without pictures."""
    if images is None:
        return table
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    encoded = pa.array([{"bytes": encode_png(pixels), "path": None} for pixels in images], kind)
    return pa.table({PICTURE: encoded, **{name: table.column(name) for name in table.column_names}})
