"""Values that several processes of one machine read, held once: their arrays lie in a file that each maps into its memory.

Only the arrays' bytes are in the file; what makes objects of them goes through the processes' own pipe, so no pickle is ever read from
disk. Pages that are not in use go back to the disk: the data may be larger than memory.
"""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ALIGN = 64  # bytes: what Arrow asks of its buffers


@dataclass(frozen=True)
class Spilled:
    """A value whose arrays lie in a file: `structure` makes it again from `spans` (start, stop) of the file at `path`."""

    structure: bytes
    path: Path
    spans: tuple[tuple[int, int], ...]

    def load(self) -> Any:
        """The value; its arrays are read-only views of the file."""
        if not self.spans:
            return pickle.loads(self.structure)
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                whole = memoryview(b"")
            else:
                whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return pickle.loads(self.structure, buffers=[whole[start:stop] for start, stop in self.spans])

    def drop(self) -> None:
        """Remove the file; those who have mapped it keep their view."""
        self.path.unlink(missing_ok=True)


def spill(value: Any, folder: Path) -> Spilled:
    """Write a value's arrays to a new file in `folder`. OSError where the disk is full: nothing is left half-written."""
    buffers: list[pickle.PickleBuffer] = []
    structure = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
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
    return Spilled(structure, Path(name), tuple(spans))
