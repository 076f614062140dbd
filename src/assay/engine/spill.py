"""Values that several processes of one machine read, held once: their arrays lie in a file that each maps into its memory.

Only the arrays' bytes are in the file; what makes objects of them goes through the processes' own pipe, so no pickle is ever read from
disk. Pages that are not in use go back to the disk: the data may be larger than memory. A pipe copies what passes through it four times
over, and holds up both its ends meanwhile; a file is written once and read where it lies.
"""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.engine.shelf import ALIGN, asking


@dataclass(frozen=True)
class Spilled:
    """A value whose arrays lie in a file: `structure` makes it again from `spans` (start, stop) of the file at `path`; a small one's
    arrays are in `structure` itself, and there is no file."""

    structure: bytes
    path: Path | None
    spans: tuple[tuple[int, int], ...]

    def load(self) -> Any:
        """The value; its arrays are read-only views of the file."""
        if self.path is None:
            return pickle.loads(self.structure)
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                whole = memoryview(b"")
            else:
                whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return pickle.loads(self.structure, buffers=[whole[start:stop] for start, stop in self.spans])

    def drop(self) -> None:
        """Remove the file; those who have mapped it keep their view (where a system forbids that, it goes with its folder)."""
        if self.path is not None:
            with suppress(PermissionError):
                self.path.unlink(missing_ok=True)


def spill(value: Any, folder: Path, least: int = 0) -> Spilled:
    """Write a value's arrays, if they have `least` bytes or more, to a new file in `folder`.

    `NoRoom` where the disk is full: nothing is left half-written.
    """
    buffers: list[pickle.PickleBuffer] = []
    structure = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    size = sum(buffer.raw().nbytes for buffer in buffers)
    if size < least:
        return Spilled(pickle.dumps(value, protocol=5), None, ())
    with asking(size, folder):
        return Spilled(structure, *_written(buffers, folder))


def _written(buffers: list[pickle.PickleBuffer], folder: Path) -> tuple[Path, tuple[tuple[int, int], ...]]:
    """The file, and where in it each lies."""
    number, name = tempfile.mkstemp(suffix=".block", dir=folder)
    spans: list[tuple[int, int]] = []
    try:
        with os.fdopen(number, "wb") as file:
            for buffer in buffers:
                raw = buffer.raw()
                start = file.tell()
                file.write(raw)
                spans.append((start, start + raw.nbytes))
                file.write(b"\0" * (-raw.nbytes % ALIGN))
    except BaseException:
        os.unlink(name)
        raise
    return Path(name), tuple(spans)
