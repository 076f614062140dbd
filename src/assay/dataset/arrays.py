"""NumPy arrays as records: pictures, rows of a matrix, texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.errors import DataError, short_of_memory
from assay.dataset.formats.base import Batch

CHANNELS = (1, 3, 4)
LEAST_SIDE = 4  # a picture has at least as many pixels a side


@dataclass(frozen=True)
class Parts:
    """Arrays of n records: `x` the content, `y` the labels, `others` one value a record each. `used` names them at
    their source.
    """

    x: NDArray[Any]
    y: NDArray[Any] | None = None
    others: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    used: Sequence[str] = ()


def batch_of(parts: Parts, path: str, split: str | None = None) -> Batch:
    """The records as one batch. Columns: "label" for y, the others by name, x0, x1, ... for a matrix, "text" for
    strings.
    """
    x = parts.x
    if x.ndim == 0 or (parts.y is not None and len(parts.y) != len(x)):
        found = f"x {x.shape}" + (f" and y {parts.y.shape}" if parts.y is not None else "")
        raise DataError(f"x and y must have one entry a record, and have the shapes {found}", path=path, remedy="save them again")
    columns: dict[str, pa.Array] = {}
    pixels = None
    if x.ndim == 1:
        columns["text" if x.dtype.kind in "US" else "x"] = to_arrow(x, "x", path)
    elif x.ndim == 2:
        columns |= {f"x{i}": to_arrow(np.ascontiguousarray(x[:, i]), "x", path) for i in range(x.shape[1])}
    else:
        pixels = pictures(x, path)
    if parts.y is not None:
        columns["label"] = labels(parts.y, path)
    for name, array in parts.others.items():
        columns[name if name not in columns else f"{name}_2"] = to_arrow(array, name, path)
    if split is not None and "split" not in columns:
        columns["split"] = pa.array([split] * len(x), pa.string())
    return Batch(pa.table(columns), len(x), pictures=pixels)


def labels(y: NDArray[Any], path: str) -> pa.Array:
    """The labels as one column: classes; of one-hot rows their class; of other rows of 0 and 1 the list of what is set."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.dtype.kind in "biuf" and set(np.unique(y).tolist()) <= {0, 1}:
        if (y.sum(axis=1) == 1).all():  # one-hot
            return pa.array(y.argmax(axis=1))
        return pa.array([np.flatnonzero(row).tolist() for row in y], pa.list_(pa.int64()))
    if y.ndim != 1:
        raise DataError(f"y has the shape {y.shape}; one label a record is expected", path=path, remedy="give y of shape (n,)")
    return to_arrow(y, "y", path)


def to_arrow(array: NDArray[Any], name: str, path: str) -> pa.Array:
    """One column. Raises DataError for types that hold Python objects which are no strings or numbers."""
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "strict")
    try:
        return pa.array(array.tolist() if array.dtype.kind in "OU" else np.ascontiguousarray(array))
    except (pa.ArrowException, TypeError) as error:
        if short_of_memory(error):
            raise
        raise DataError(f"array {name!r} of type {array.dtype} cannot be a column", path=path, remedy="give numbers or strings") from error


def pictures(x: NDArray[Any], path: str) -> NDArray[np.uint8]:
    """(n, h, w, 1 or 3) uint8 of (n, h, w), (n, h, w, c) or (n, c, h, w); numbers in 0..1 are taken times 255.

    No copy is made of uint8 pictures that are already in this order.
    """
    if x.ndim == 3:
        x = x[..., None]
    elif x.ndim == 4 and x.shape[3] not in CHANNELS and x.shape[1] in CHANNELS:
        x = x.transpose(0, 2, 3, 1)
    if x.ndim != 4 or x.shape[3] not in CHANNELS or min(x.shape[1:3]) < LEAST_SIDE:
        raise DataError(
            f"x has the shape {x.shape}: neither pictures (n, h, w[, 1, 3 or 4]) nor a matrix (n, features)",
            path=path,
            remedy="give pictures as uint8 (n, h, w, 3) or (n, h, w)",
        )
    if x.shape[3] == 4:
        x = x[..., :3]
    if x.dtype == np.uint8:
        return x
    if x.dtype == np.bool_:
        return x.astype(np.uint8) * np.uint8(255)
    if x.dtype.kind not in "iuf" or not np.isfinite(x).all():
        raise DataError(f"pictures of type {x.dtype}, or with values that are not finite", path=path, remedy="give uint8 pictures")
    low, high = float(x.min(initial=0)), float(x.max(initial=0))
    if low >= 0 and high <= 1 and x.dtype.kind == "f":
        return np.rint(x * 255).astype(np.uint8)
    if low >= 0 and high <= 255:
        return np.rint(x).astype(np.uint8) if x.dtype.kind == "f" else x.astype(np.uint8)
    raise DataError(
        f"pixel values from {low:g} to {high:g}",
        path=path,
        remedy="give values in 0..255, or 0..1 as floats; undo any normalisation",
    )
