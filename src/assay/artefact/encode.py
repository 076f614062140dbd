"""Small pictures and JSON values: how artefacts that hold them are written down and shown."""

from __future__ import annotations

import base64
import datetime
import decimal
import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

UInt8 = NDArray[np.uint8]

SHOWN = 96  # pixels: small pictures are enlarged to at least this in a report; a 3x3 patch is 96x96
LARGEST = 4096  # pixels a side, above which a stored artefact is refused: no trigger is that large, a bomb may be


def png_text(picture: UInt8) -> str:
    """A picture (h, w, c), c of 1, 3 or 4, as base64 of a PNG: nothing is lost.

    >>> png_array(png_text(np.full((2, 3, 1), 7, np.uint8))).shape
    (2, 3, 1)
    """
    if picture.ndim != 3 or picture.shape[2] not in (1, 3, 4):
        raise ValueError(f"a picture is (h, w, 1), (h, w, 3) or (h, w, 4) uint8; this is {picture.shape}")
    stream = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def png_array(text: str) -> UInt8:
    """The inverse of `png_text`: (h, w, c) uint8. Raises ValueError for anything but a PNG of a sensible size."""
    with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
        if max(image.size) > LARGEST:
            raise ValueError(f"a stored picture of {image.size} is larger than {LARGEST} pixels a side")
        array = np.asarray(image, np.uint8)
    return array[..., None] if array.ndim == 2 else array


def colour(picture: UInt8) -> UInt8:
    """Any picture (h, w, c) as (h, w, 3): grey is repeated, transparency dropped."""
    return np.repeat(picture[..., :1], 3, axis=2) if picture.shape[2] < 3 else picture[..., :3]


def enlarge(picture: UInt8, at_least: int = SHOWN) -> UInt8:
    """Nearest neighbour, by a whole factor, until both sides reach `at_least`: every pixel stays a visible square.

    >>> enlarge(np.zeros((3, 5, 3), np.uint8)).shape
    (96, 160, 3)
    """
    factor = max(1, math.ceil(at_least / max(1, min(picture.shape[:2]))))
    return np.repeat(np.repeat(picture, factor, axis=0), factor, axis=1)


def plain(value: Any) -> Any:
    """A cell's value as Python has it: NumPy scalars unpacked, NaN and NaT are None (missing)."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def to_json_value(value: Any) -> Any:
    """A cell's value as JSON: what JSON lacks (infinities, exact decimals, moments, spans of time) as {"number": ...}, {"time": ...}
    and the like.

    >>> to_json_value(math.inf), to_json_value("a"), to_json_value(datetime.date(2024, 5, 1))
    ({'number': 'inf'}, 'a', {'date': '2024-05-01'})
    >>> to_json_value(decimal.Decimal("9.90")), to_json_value(datetime.time(7, 30)), to_json_value(datetime.timedelta(minutes=1))
    ({'decimal': '9.90'}, {'clock': '07:30:00'}, {'microseconds': 60000000})
    """
    value = plain(value)
    if isinstance(value, float) and math.isinf(value):
        return {"number": str(value)}
    if isinstance(value, datetime.datetime):
        return {"time": value.isoformat()}
    if isinstance(value, datetime.date):
        return {"date": value.isoformat()}
    if isinstance(value, decimal.Decimal):
        return {"decimal": str(value)}
    if isinstance(value, datetime.time):
        return {"clock": value.isoformat()}
    if isinstance(value, datetime.timedelta):
        return {"microseconds": value // datetime.timedelta(microseconds=1)}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"a cell of type {type(value).__name__} cannot be written as JSON")


def from_json_value(value: Any) -> Any:
    """The inverse of `to_json_value`."""
    if isinstance(value, dict):
        if "number" in value:
            return float(value["number"])
        if "time" in value:
            return datetime.datetime.fromisoformat(value["time"])
        if "decimal" in value:
            return decimal.Decimal(value["decimal"])
        if "clock" in value:
            return datetime.time.fromisoformat(value["clock"])
        if "microseconds" in value:
            return datetime.timedelta(microseconds=value["microseconds"])
        return datetime.date.fromisoformat(value["date"])
    return value


def words(value: Any) -> str:
    """A cell's value for people.

    >>> words(None), words("red"), words(0.5), words(3)
    ('missing', '"red"', '0.5', '3')
    """
    if value is None:
        return "missing"
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:.6g}" if isinstance(value, float) else str(value)
