"""A folder of temporary files that goes with its process, however that ends: what a killed process left is removed by the next one.

Files that are only mapped need no folder (`assay.engine.shelf`); those that others open by name do: what workers hand over, what was
fetched, what was unpacked. Each folder holds a file that its process keeps locked. The system lets go of the lock when the process ends,
whatever ended it, so that a folder whose lock can be had is nobody's. The number of a process would not tell: numbers come again, and
mean nothing in another container. Where there are no such locks (Windows), folders of killed processes stay.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PREFIX, LOCK, INSIDE = "assay-scratch-", "owner", "files"
SETTLED = 60.0  # seconds after which a folder's process has surely locked it


def claimed(home: Path) -> tuple[Path, IO[bytes]]:
    """A new folder in `home`, once what others left there is gone, and the lock: the folder is this process's as long as that is open."""
    _sweep(home)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
    lock = (folder / LOCK).open("wb")
    _locked(lock)
    return folder, lock


def let_go(folder: Path, lock: IO[bytes]) -> None:
    """Remove a folder that was claimed."""
    lock.close()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder among temporary files for the length of the block."""
    folder, lock = claimed(Path(tempfile.gettempdir()))
    try:
        (folder / INSIDE).mkdir()
        yield folder / INSIDE
    finally:
        let_go(folder, lock)


def _sweep(home: Path) -> None:
    for folder in home.glob(f"{PREFIX}*"):
        try:
            told = folder.lstat()
            if stat.S_ISDIR(told.st_mode) and _mine(told) and time.time() - told.st_mtime > SETTLED and _nobodys(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another process removed it meanwhile
            continue


def _mine(told: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or told.st_uid == os.getuid()


def _nobodys(folder: Path) -> bool:
    """Whether its process has ended; without a lock, whether it ended before it could make one."""
    if not (folder / LOCK).exists():
        return True
    with (folder / LOCK).open("rb") as lock:
        return _locked(lock)


def _locked(lock: IO[bytes]) -> bool:
    """Whether the lock is had now."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
