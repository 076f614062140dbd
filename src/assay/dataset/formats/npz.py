"""NumPy archives: `x` (pictures, a matrix or texts) and `y`, or one such pair a split; never with pickled objects."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.arrays import Parts, batch_of
from assay.dataset.edits import Edit, written_anew
from assay.dataset.errors import DAMAGE, DataError
from assay.dataset.formats.base import Batch, FileFormat, Int, Layout, UInt8
from assay.dataset.limits import VARIABLE, Limits

X = ("x", "images", "image", "data", "features")
Y = ("y", "labels", "label", "target", "targets")


class Npz(FileFormat):
    """Other arrays of the same length become columns under their names."""

    name = "npz"
    suffixes: ClassVar[tuple[str, ...]] = (".npz",)

    def file_batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        arrays = _arrays(path, limits)
        pairs = _pairs(arrays, path)
        rest = [name for name in arrays if not any(name in parts.used for _, parts in pairs)]
        notes = [f"Arrays without one value a record are passed over: {', '.join(rest)}."] if rest else []
        for split, parts in pairs:
            yield replace(batch_of(parts, str(path), split), notes=notes)

    def file_without(self, path: Path, limits: Limits) -> tuple[int, Callable[[Int], Edit]]:
        arrays = _arrays(path, limits)
        pairs = _pairs(arrays, path)
        count = sum(len(parts.x) for _, parts in pairs)
        return count, partial(written_anew, path, partial(_filter, arrays, pairs))

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        """Pictures as `x`, the column "label" as `y`, other columns by their names; without pictures every column by
        its name.
        """
        columns = {name: _array(table.column(name), name, out) for name in table.column_names}
        if images is not None:
            columns = {"x": images, **columns}
        elif all(f"x{i}" in columns for i in range(len(columns) - ("label" in columns))):
            width = len(columns) - ("label" in columns)
            columns = {"x": np.stack([columns.pop(f"x{i}") for i in range(width)], axis=1), **columns}
        elif "text" in columns:
            columns = {"x": columns.pop("text"), **columns}
        else:
            raise DataError("an .npz file holds pictures, a matrix or texts", path=out.name, remedy="write Parquet, JSON lines or CSV")
        if "label" in columns:
            columns["y"] = columns.pop("label")
        with out.open("wb") as file:
            np.savez(file, allow_pickle=False, **columns)
        return Layout()


def _array(column: pa.ChunkedArray, name: str, out: Path) -> NDArray[Any]:
    values = column.to_numpy() if not pa.types.is_string(column.type) else np.asarray(column.to_pylist())
    if values.dtype.kind not in "biufU" or column.null_count:
        raise DataError(
            f"column {name!r} has missing values or a type that an .npz file cannot hold", path=out.name, remedy="write Parquet"
        )
    return values


def _filter(arrays: Mapping[str, NDArray[Any]], pairs: list[tuple[str | None, Parts]], new: Path, drop: Int) -> None:
    kept = dict(arrays)
    first = 0
    for _, parts in pairs:
        n = len(parts.x)
        keep = np.ones(n, np.bool_)
        keep[drop[(drop >= first) & (drop < first + n)] - first] = False
        for name, array in arrays.items():  # whatever has one entry a record, used or not, loses the same ones
            beside = name in parts.used or (len(pairs) == 1 and array.ndim and len(array) == n)
            if beside:
                kept[name] = array[keep]
        first += n
    with new.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **kept)


def _arrays(path: Path, limits: Limits) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as packed:
            for entry in packed.infolist():
                _fits(packed, entry, path)
            if sum(entry.file_size for entry in packed.infolist()) > limits.unpacked:
                raise DataError(f"unpacks to more than {limits.unpacked:,} bytes", path=path, remedy=f"allow more: {VARIABLE}=unpacked=...")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except DAMAGE as error:
        if "pickle" in str(error).lower():
            raise DataError(
                "holds Python objects, which would have to be unpickled, and a pickle can run any program",
                path=path,
                remedy="save arrays of numbers or strings: np.savez(path, x=x.astype(np.uint8), y=y.astype(str))",
            ) from error
        raise DataError(f"not a whole .npz file ({error})", path=path, remedy="fetch or write the file again") from error


def _fits(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    """DataError where an array's header promises more than its member holds: memory is taken by what the header says."""
    if not entry.filename.endswith(".npy"):
        return
    with packed.open(entry) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(member)
    if not kind.hasobject and math.prod(shape) * kind.itemsize > entry.file_size:
        raise DataError(f"the array {entry.filename!r} is cut short", path=path, remedy="fetch or write the file again")


def _pairs(arrays: Mapping[str, NDArray[Any]], path: Path) -> list[tuple[str | None, Parts]]:
    """(split or None, arrays): one pair `x` and `y`, or `x_train` and `y_train`, `x_test` and `y_test`, by split name."""
    lower = {name.lower(): name for name in arrays}
    for x in X:
        if x in lower:
            y = next((lower[name] for name in Y if name in lower and name != x), None)
            return [(None, _parts(arrays, lower[x], y))]
    splits = sorted(name[2:] for name in lower if name.startswith("x_"))
    if splits:
        return [(split, _parts(arrays, lower[f"x_{split}"], lower.get(f"y_{split}"), f"_{split}")) for split in splits]
    raise DataError(
        f"no array called x (arrays: {', '.join(arrays) or 'none'})",
        path=path,
        remedy="save the records as x and their labels as y: np.savez(path, x=x, y=y)",
    )


def _parts(arrays: Mapping[str, NDArray[Any]], x: str, y: str | None, ending: str = "") -> Parts:
    n = len(arrays[x]) if arrays[x].ndim else 0
    others = {
        name.removesuffix(ending): array
        for name, array in arrays.items()
        if name not in (x, y) and array.ndim == 1 and len(array) == n and name.endswith(ending) and not name.startswith(("x_", "y_"))
    }
    used = (x, *([y] if y else []), *(name + ending for name in others))
    return Parts(arrays[x], None if y is None else arrays[y], others, used)
