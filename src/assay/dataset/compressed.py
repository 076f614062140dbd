"""Files that may be compressed: read and written as if they were not, streamed. gzip and Zstandard, by the ending of the name."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.edits import Edit, cut_out, written_anew
from assay.dataset.errors import DataError
from assay.engine.leftovers import scratch_folder

Int = NDArray[np.int64]

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
BUFFER = 1 << 20  # bytes unpacked at a time: a bomb costs time, and no memory


def compression(path: Path) -> str | None:
    """
    >>> compression(Path("a.jsonl.zst")), compression(Path("a.jsonl"))
    ('zstd', None)
    """
    return COMPRESSIONS.get(path.suffix.lower())


def open_plain(path: Path) -> BinaryIO:
    """The plain bytes of a file. What is damaged shows as an OSError while reading; `damaged` words it."""
    kind = compression(path)
    if kind is None:
        return path.open("rb")
    return cast(BinaryIO, io.BufferedReader(pa.input_stream(str(path), compression=kind, buffer_size=BUFFER), BUFFER))


def create_plain(path: Path) -> BinaryIO:
    """A new file, to write plain bytes to."""
    kind = compression(path)
    if kind is None:
        return path.open("wb")
    return cast(BinaryIO, io.BufferedWriter(pa.output_stream(str(path), compression=kind), BUFFER))


@contextmanager
def unpacked(path: Path, most: int) -> Iterator[Path]:
    """A file in which one can seek: itself, or its plain bytes in a temporary folder for as long as the context lasts.

    DataErrors raised within name the packed file. DataError where it is damaged, holds more than `most` bytes, or there is no room.
    """
    if compression(path) is None:
        yield path
        return
    with scratch_folder() as folder:
        plain, held = folder / path.stem, 0
        try:
            with open_plain(path) as packed, plain.open("wb") as out:
                while block := packed.read(BUFFER):
                    held += len(block)
                    if held > most:
                        raise DataError(f"unpacks to more than {most:,} bytes", path=path, remedy="scan a part of it, or allow more")
                    out.write(block)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                said = f"no room in {folder} to unpack it"
                raise DataError(said, path=path, remedy="set TMPDIR to a folder with more, or unpack it yourself") from error
            raise damaged(path, 0, error) from error
        try:
            yield plain
        except DataError as error:
            raise DataError(str(error).replace(str(plain), str(path))) from error


def damaged(path: Path, row: int, error: OSError) -> DataError:
    """The error of a compressed file that ends too soon or is no such file."""
    return DataError(f"cannot be unpacked ({error})", path=path, row=row, remedy="fetch or pack the file again")


def lines_without(path: Path, mark: bytes = b"") -> tuple[int, Callable[[Int], Edit]]:
    """(lines that are not blank, what to change to take some of them out). `mark` at the beginning of the file stays: it is no content."""
    starts, stops, offset = [], [], 0
    with open_plain(path) as file:
        for line in file:
            before = len(mark) if offset == 0 and mark and line.startswith(mark) else 0
            if line[before:].strip():
                starts.append(offset + before)
                stops.append(offset + len(line))
            offset += len(line)
    if compression(path) is not None:
        return len(starts), partial(written_anew, path, partial(without_lines, path))
    start, stop = np.array(starts, np.int64), np.array(stops, np.int64)
    return len(start), partial(cut_out, path, start, stop)


def without_lines(path: Path, new: Path, drop: Int) -> None:
    """Write `new`, packed like `path`, without the lines whose numbers, counted over lines that are not blank, are in `drop`."""
    number, out_of = 0, set(drop.tolist())
    with open_plain(path) as old, create_plain(new) as out:
        for line in old:
            if line.strip():
                number += 1
                if number - 1 in out_of:
                    continue
            out.write(line)


def without_bytes(path: Path, new: Path, start: Int, stop: Int) -> None:
    """Write `new`, packed like `path`, without its plain bytes `start[i]` to `stop[i]`, ascending."""
    at = 0
    with open_plain(path) as old, create_plain(new) as out:
        for first, after in zip([*start.tolist(), None], [*stop.tolist(), None], strict=True):
            while block := old.read(BUFFER if first is None else min(BUFFER, first - at)):
                at += len(block)
                out.write(block)
            while first is not None and at < after and (block := old.read(min(BUFFER, after - at))):
                at += len(block)
