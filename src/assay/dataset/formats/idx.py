"""IDX, the format of MNIST: train-images-idx3-ubyte and train-labels-idx1-ubyte, perhaps with .gz.

A file begins with two zero bytes, the type of its values (0x08: unsigned bytes), the number of dimensions, and each of them as
a big-endian 32-bit number (LeCun, Cortes, Burges, "The MNIST database", file formats).
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.arrays import Parts, batch_of
from assay.dataset.edits import Cut, Edit, Rewritten, runs
from assay.dataset.errors import DataError
from assay.dataset.formats.base import Batch, Format, Int, Layout, UInt8, visible_files, visible_names
from assay.dataset.limits import LIMITS, VARIABLE, Limits

NAME = re.compile(r"^(?P<split>.*?)[-_.]?(?P<what>images|labels)[-._]idx(?P<dims>[1-4])[-._]ubyte(?P<gz>\.gz)?$")
UBYTE = 0x08
AGAIN = "fetch the file again"


@dataclass(frozen=True)
class Pair:
    """The pictures and the labels of one split."""

    split: str
    images: Path
    labels: Path | None


class Idx(Format):
    """Several pairs in a folder (train, t10k) are read by name, one after another, with a column "split"."""

    name = "idx"

    def sniff(self, path: Path) -> bool:
        if path.is_file():
            found = NAME.match(path.name)
            return found is not None and found["what"] == "images"
        return any((found := NAME.match(name.rsplit("/", 1)[-1])) and found["what"] == "images" for name in visible_names(path))

    def batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        pairs = _pairs(path)
        for pair in pairs:
            x = _array(pair.images, limits)
            y = None if pair.labels is None else _array(pair.labels, limits)
            if y is not None and len(y) != len(x):
                raise DataError(f"{len(y):,} labels for {len(x):,} pictures", path=pair.labels, remedy="give the labels of these pictures")
            notes = () if y is not None else (f"There are no labels beside {pair.images.name}.",)
            batch = batch_of(Parts(x, None if y is None else y.astype(np.int64)), str(pair.images), pair.split if len(pairs) > 1 else None)
            yield replace(batch, notes=notes)

    def without(self, path: Path, drop: Int, limits: Limits) -> tuple[list[Edit], int]:
        edits: list[Edit] = []
        first = 0
        for pair in _pairs(path):
            shape, _ = _header(pair.images)
            here = drop[(drop >= first) & (drop < first + shape[0])] - first
            if len(here):
                if path.is_file():
                    raise DataError("pictures and labels lie in two files", path=path, remedy="give the folder that holds both")
                edits += [_edit(file, here) for file in (pair.images, pair.labels) if file is not None]
            first += shape[0]
        return edits, first

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        rest = [name for name in table.column_names if name not in ("label", "split")]
        labels = np.asarray(table.column("label").to_numpy()) if "label" in table.column_names else None
        bytes_only = labels is None or (labels.dtype.kind in "iu" and labels.min(initial=0) >= 0 and labels.max(initial=0) <= 255)
        if images is None or images.shape[3] != 1 or rest or not bytes_only:
            raise DataError("IDX holds grey pictures and labels from 0 to 255, nothing else", path=out.name, remedy="write .npz or Parquet")
        out.mkdir()
        splits = np.asarray(table.column("split").to_pylist() if "split" in table.column_names else ["train"] * len(images))
        row = np.empty(len(images), np.int64)
        at = 0
        for split in sorted(set(splits.tolist())):
            here = np.flatnonzero(splits == split)
            row[here] = np.arange(at, at + len(here))
            at += len(here)
            _write(out / f"{split}-images-idx3-ubyte", images[here, ..., 0])
            if labels is not None:
                _write(out / f"{split}-labels-idx1-ubyte", labels[here].astype(np.uint8))
        return Layout(row)


def _pairs(path: Path) -> list[Pair]:
    files = [path, *path.parent.iterdir()] if path.is_file() else visible_files(path)
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    for file in files:
        found = NAME.match(file.name)
        if found is not None:
            where = str(file.parent / found["split"])
            (images if found["what"] == "images" else labels).setdefault(where, file)
    if path.is_file():
        images = {where: file for where, file in images.items() if file == path}
    return [Pair(Path(where).name, file, labels.get(where)) for where, file in sorted(images.items())]


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _header(path: Path) -> tuple[tuple[int, ...], int]:
    """(dimensions, bytes of the header)."""
    try:
        with _open(path) as file:
            magic = file.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != UBYTE or not 1 <= magic[3] <= 4:
                raise DataError(f"not an IDX file of unsigned bytes (it begins with {magic.hex()})", path=path, remedy=AGAIN)
            raw = file.read(4 * magic[3])
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cut short or damaged ({error})", path=path, remedy=AGAIN) from error
    if len(raw) < 4 * magic[3]:
        raise DataError("cut short in its header", path=path, remedy=AGAIN)
    return struct.unpack(f">{magic[3]}I", raw), 4 + len(raw)


def _array(path: Path, limits: Limits) -> NDArray[np.uint8]:
    shape, head = _header(path)
    size = math.prod(shape)
    if size == 0:
        raise DataError(f"holds no values (dimensions {shape})", path=path, remedy=AGAIN)
    if size > limits.unpacked:
        raise DataError(f"promises {size:,} bytes, more than {limits.unpacked:,}", path=path, remedy=f"allow more: {VARIABLE}=unpacked=...")
    if path.suffix != ".gz" and path.stat().st_size < head + size:
        raise _short(path, shape, path.stat().st_size - head)
    try:
        with _open(path) as file:
            file.read(head)
            data = file.read(size)  # what the header promises and no more: a small .gz cannot fill the memory by itself
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cut short or damaged ({error})", path=path, remedy=AGAIN) from error
    if len(data) < size:
        raise _short(path, shape, len(data))
    return np.frombuffer(data, np.uint8).reshape(shape)


def _short(path: Path, shape: tuple[int, ...], found: int) -> DataError:
    each = max(1, int(np.prod(shape[1:], dtype=np.int64)))
    return DataError(
        f"cut short: {shape[0]:,} records are promised and {found // each:,} are there",
        path=path,
        row=found // each,
        remedy=AGAIN,
    )


def _edit(path: Path, drop: Int) -> Edit:
    shape, head = _header(path)
    count = struct.pack(">I", shape[0] - len(drop))
    if path.suffix == ".gz":
        return Rewritten(path, partial(_rewrite, path, drop))
    each = int(np.prod(shape[1:], dtype=np.int64))
    start, stop = runs(head + drop * each, head + (drop + 1) * each)
    return Cut(path, np.concatenate(([4], start)), np.concatenate(([8], stop)), {0: count})


def _rewrite(path: Path, drop: Int, new: Path) -> None:
    with new.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        _put(cast(BinaryIO, file), np.delete(_array(path, LIMITS), drop, axis=0))


def _write(path: Path, array: NDArray[np.uint8]) -> None:
    with path.open("wb") as file:
        _put(file, array)


def _put(file: BinaryIO, array: NDArray[np.uint8]) -> None:
    file.write(bytes([0, 0, UBYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape))
    file.write(np.ascontiguousarray(array).tobytes())
