"""The journal and the snapshot: no acknowledged event is lost, whenever the process dies.

    FOLDER/baseline.json              what is watched
    FOLDER/journal/<frame>.log        frames in order, the first having that number
    FOLDER/snapshot.npz               the state after all frames below the number it holds
    FOLDER/lock                       held by the one process that writes

    frame = "AWJ1", u8 kind, u32 length, payload, SHA-256 of all that     (big-endian)

A frame is acknowledged once it is on disk (fsync). What follows the last whole frame was never acknowledged, and is cut off. A snapshot
is moved into place whole; frames that it holds are removed after it, so that a folder does not grow.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError

MAGIC = b"AWJ1"
EVENTS, COMMAND = 1, 2  # kinds of frame: an Arrow stream; JSON
_HEAD = Struct(">4sBI")
_CHECK = 32
SEGMENT = 16 * 2**20  # bytes of journal after which a snapshot is due: replayed in about a second
NAME = "snapshot.npz"

# What a frame raises that is not what was expected; Arrow's own errors are among them.
UNREADABLE = (DataError, ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError, OverflowError)

Arrays = dict[str, NDArray[Any]]


class Journal:
    """An append-only journal in a folder, with one writer. Use as a context manager, or `close`."""

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        """Open and lock, or read what is acknowledged beside a process that writes. Raises DataError where another process has it open
        for writing too, or a frame that was acknowledged is damaged."""
        self.folder, self._read_only = folder, read_only
        self._lock: BinaryIO | None = None
        if not read_only:
            self._lock = (folder / "lock").open("ab")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._lock.close()
                raise DataError("another process writes to this watch", path=folder, remedy="stop it first, or read only") from None
            (folder / "journal").mkdir(exist_ok=True)
        self.snapshot_at, self._state = self._read_snapshot()
        self.next = self.snapshot_at
        self._file: BinaryIO | None = None
        self.size = 0
        self.failed = False  # a frame could not be written: what is in memory may be ahead of what is on disk

    def restore(self) -> tuple[Arrays, dict[str, Any]] | None:
        """The state of the last snapshot; None where there is none."""
        return self._state

    def replay(self, take: Callable[[int, bytes], None]) -> None:
        """Give `take` the kind and payload of every frame after the snapshot; call once, before the first `append`.

        Raises DataError where a frame is whole, and is not what can be taken.
        """
        for path, number, kind, payload in self._frames():
            try:
                take(kind, payload)
            except UNREADABLE as error:
                raise DataError(
                    f"frame {number} cannot be read ({type(error).__name__}: {error})",
                    path=path,
                    remedy="open it with the version that wrote it, or bring the folder back from a copy",
                ) from error

    def _frames(self) -> Iterator[tuple[Path, int, int, bytes]]:
        """(path, number, kind, payload) of them."""
        paths = sorted((self.folder / "journal").glob("*.log"))
        for i, path in enumerate(paths):
            number, data, at = int(path.stem), path.read_bytes(), 0
            while at < len(data):
                frame = _frame(data, at)
                if frame is None:
                    if i + 1 < len(paths):
                        raise DataError(
                            f"frame {number} is damaged", path=path, remedy="bring the file back from a copy: it holds acknowledged events"
                        )
                    if not self._read_only:
                        with path.open("r+b") as file:
                            file.truncate(at)
                            _sync(file)
                    break
                kind, payload, at = frame
                if number > self.next:
                    raise DataError(f"frames {self.next} to {number - 1} are not there", path=path, remedy="bring them back from a copy")
                if number == self.next:
                    self.next += 1
                    self.size += len(payload)
                    yield path, number, kind, payload
                number += 1

    def held(self) -> Iterator[tuple[int, bytes]]:
        """(kind, payload) of every whole frame that is still on disk, read anew: what came after the last snapshot."""
        for path in sorted((self.folder / "journal").glob("*.log")):
            data, at = path.read_bytes(), 0
            while (frame := _frame(data, at)) is not None:
                kind, payload, at = frame
                yield kind, payload

    def append(self, kind: int, payload: bytes) -> None:
        """Write one frame and wait until it is on disk.

        Raises DataError where the journal was opened to be read, OSError where it could not be written, and from then on DataError: half a
        frame may be at its end, which the next start cuts off.
        """
        if self._read_only:
            raise DataError("the watch was opened to be read", path=self.folder, remedy="open it without read_only")
        self._refuse()
        try:
            self._append(kind, payload)
        except OSError:
            self.failed = True
            raise

    def _refuse(self) -> None:
        if self.failed:
            raise DataError("the journal could not be written before", path=self.folder, remedy="make room, and open the watch again")

    def _append(self, kind: int, payload: bytes) -> None:
        if self._file is None:
            path = self.folder / "journal" / f"{self.next:020d}.log"
            self._file = path.open("ab")
            _sync_folder(path.parent)
        head = _HEAD.pack(MAGIC, kind, len(payload))
        check = sha256(head)
        check.update(payload)
        self._file.write(b"".join((head, payload, check.digest())))
        _sync(self._file)
        self.next += 1
        self.size += len(payload)

    @property
    def due(self) -> bool:
        """Whether so much has been written since the last snapshot that another should be made."""
        return self.size >= SEGMENT

    def snapshot(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Write the state after every frame so far, then remove the frames. Raises DataError where a frame could not be written."""
        self._refuse()
        text = json.dumps({"frame": self.next, "meta": meta}, allow_nan=False).encode()
        buffer = io.BytesIO()
        held: dict[str, Any] = {f"a/{name}": array for name, array in arrays.items()}
        np.savez(buffer, json=np.frombuffer(text, np.uint8), **held)
        replace_whole(self.folder / NAME, buffer.getvalue())
        if self._file is not None:
            self._file.close()
            self._file = None
        for path in (self.folder / "journal").glob("*.log"):
            path.unlink()
        self.size = 0

    def _read_snapshot(self) -> tuple[int, tuple[Arrays, dict[str, Any]] | None]:
        path = self.folder / NAME
        if not path.exists():
            return 0, None
        with np.load(path, allow_pickle=False) as held:
            data = json.loads(held["json"].tobytes())
            arrays = {name.removeprefix("a/"): held[name] for name in held.files if name.startswith("a/")}
        return int(data["frame"]), (arrays, data["meta"])

    def close(self) -> None:
        """Let go of the folder."""
        if self._file is not None:
            self._file.close()
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _frame(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """(kind, payload, where the next begins), or None where no whole frame is there."""
    if len(data) < at + _HEAD.size:
        return None
    magic, kind, length = _HEAD.unpack_from(data, at)
    end = at + _HEAD.size + length
    if magic != MAGIC or len(data) < end + _CHECK or sha256(data[at:end]).digest() != data[end : end + _CHECK]:
        return None
    return kind, data[at + _HEAD.size : end], end + _CHECK


def replace_whole(path: Path, data: bytes) -> None:
    """Put a file in the place of another: a reader finds the old one or the new one, whole, and a crash leaves one of them."""
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(data)
        _sync(file)
    os.replace(new, path)
    _sync_folder(path.parent)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
