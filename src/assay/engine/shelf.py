"""Arrays that together may be larger than memory: up to a bound they stay in it, and what comes after lies in mapped temporary files.

The guarantee: an array holds the same numbers wherever it lies, so that nothing that is worked out from it depends on the bound. A file
has no name from the moment at which it is made: the system takes it back once no array lies in it, or the process has ended, however it
ended. Room on the disk is taken before anything is written, so that a full disk is an error (`NoRoom`) and never a crash.

`ASSAY_HELD_MB` sets the bound, `DEFAULT` without it; 0 puts into files whatever is not tiny. Pages of a file that are not in use go back to
the disk when memory is needed elsewhere; where temporary files lie in memory themselves, nothing is gained (`scratch`).
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Lock
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

A = TypeVar("A", bound=np.generic)

SETTING, DEFAULT = "ASSAY_HELD_MB", 256.0  # MiB of arrays that are put here and stay in memory: those of some 200,000 short texts
LEAST = 1 << 16  # bytes of an array below which it always stays in memory
CHUNK = 1 << 26  # bytes of a file that smaller arrays share: each file costs a process one of its (often 1,024) open ones
ALIGN = 64  # bytes: what Arrow asks of its buffers
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
IN_MEMORY = ("tmpfs", "ramfs")  # file systems
MOUNTED = 4  # the field of a line of mountinfo that says where; what it is follows a dash (Linux, proc(5))
LASTING = Path("/var/tmp")  # where files that are too large for memory belong (Filesystem Hierarchy Standard 3.0, section 5.15)


class NoRoom(OSError, RuntimeError):
    """The disk that temporary files lie on is full; the message ends in a remedy."""


_numbers = count()
_held: dict[int, int] = {}  # bytes of each array that was put here, stays in memory and still lives
_lock = Lock()
_chunk: tuple[int, weakref.ref[mmap.mmap], int] | None = None  # process, the file that smaller arrays share, bytes of it that are taken


def bound() -> int:
    """Bytes of arrays that stay in memory. ValueError where `ASSAY_HELD_MB` is no number from 0 on."""
    said = os.environ.get(SETTING, "")
    try:
        mib = float(said) if said else DEFAULT
    except ValueError:
        mib = -1.0
    if not 0 <= mib < 2**40:
        raise ValueError(f"{SETTING} is {said!r}. Remedy: set it to a number of MiB, 0 or more")
    return int(mib * 2**20)


def zeros(shape: int | tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
    """Zeros to write to, in memory or in a file."""
    dtype, whole = np.dtype(kind), (shape,) if isinstance(shape, int) else shape
    size = dtype.itemsize * int(np.prod(whole))
    if _stays(size):
        made = np.zeros(whole, dtype)
        _count(made, size)
        return made
    room, start = _room(size)
    return np.frombuffer(room, dtype, size // dtype.itemsize, start).reshape(whole)


def kept(array: NDArray[A]) -> NDArray[A]:
    """An array that will be held for a while: itself, or its copy in a file."""
    if in_file(array):
        return array
    if _stays(array.nbytes):
        _count(array, array.nbytes)
        return array
    copy = zeros(array.shape, array.dtype)
    copy[...] = array
    return copy


def joined(parts: list[NDArray[A]], kind: DTypeLike) -> NDArray[A]:
    """The arrays of that kind one after another; `parts` is emptied, so that hardly anything is held twice."""
    parts[:] = [part for part in parts if len(part)] or parts[:1]
    if len(parts) == 1:
        return parts.pop()
    whole: NDArray[A] = zeros((sum(map(len, parts)), *(parts[0].shape[1:] if parts else ())), kind)
    start = 0
    for number, part in enumerate(parts):
        whole[start : start + len(part)] = part
        start += len(part)
        parts[number] = part[:0].copy()  # let go of
    parts.clear()
    return whole


def in_file(array: NDArray[Any]) -> bool:
    """Whether it lies in a mapped file."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base.obj if isinstance(base, memoryview) else base, mmap.mmap)


def scratch() -> Path:
    """Where temporary files lie: where TMPDIR says, or the system's folder for them, unless that is memory and `LASTING` is not."""
    usual = Path(tempfile.gettempdir())
    if any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")) or not _lies_in_memory(usual):
        return usual
    return LASTING if os.access(LASTING, os.W_OK) and not _lies_in_memory(LASTING) else usual


@contextmanager
def asking(size: int, folder: Path) -> Iterator[None]:
    """Within the block files of `size` bytes are written to `folder`: where it is full, the error is `NoRoom`."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoRoom(
            f"no room for temporary files of {size / 2**20:,.0f} MiB in {folder} ({error.strerror}). "
            f"Remedy: name a folder on a disk with more room by TMPDIR, or let more stay in memory by {SETTING} (MiB)"
        ) from error


def _lies_in_memory(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether its file system is one of `IN_MEMORY`; not known, so no, but on Linux."""
    try:
        lines = [line.split(" ") for line in mounts.read_text().splitlines()]
    except OSError:
        return False
    here = folder.resolve()
    around = [fields for fields in lines if len(fields) > MOUNTED and here.is_relative_to(fields[MOUNTED])]
    innermost = max(around, key=lambda fields: len(fields[MOUNTED]), default=["-", ""])
    return innermost[innermost.index("-") + 1] in IN_MEMORY


def _stays(size: int) -> bool:
    return size < LEAST or sum(list(_held.values())) + size <= bound()


def _count(array: NDArray[Any], size: int) -> None:
    """Until the memory that it is a view of is let go of."""
    if size < LEAST:
        return
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    number = next(_numbers)
    _held[number] = size
    weakref.finalize(owner, _held.pop, number, None).atexit = False


def _room(size: int) -> tuple[mmap.mmap, int]:
    """A mapped file, and the first of `size` bytes of it that are nobody else's."""
    global _chunk
    if size > CHUNK // 4:
        return _mapped(size), 0
    with _lock:
        room = _chunk[1]() if _chunk is not None and _chunk[0] == os.getpid() else None
        start = _chunk[2] if _chunk is not None and room is not None else CHUNK
        if room is None or start + size > CHUNK:
            room, start = _mapped(CHUNK), 0
        _chunk = os.getpid(), weakref.ref(room), start + size + -size % ALIGN
        return room, start


def _mapped(size: int) -> mmap.mmap:
    folder = scratch()
    with asking(size, folder), tempfile.TemporaryFile(prefix="assay-", dir=folder) as file:
        _take(file, size)
        return mmap.mmap(file.fileno(), size)


def _take(file: IO[bytes], size: int) -> None:
    """Room for so many zeros: written where the system cannot set it aside, as a mapped page without room would end the process."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        for start in range(0, size, CHUNK):
            file.write(bytes(min(CHUNK, size - start)))
        file.flush()
