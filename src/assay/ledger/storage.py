"""Where a log keeps its bytes: a small interface, and its embedded back ends; postgres.py and bucket.py have the others.

    get(path)              the bytes, or None
    put_new(items)         write once: all durable on return, in any order; the same bytes again are no change, other
                           bytes under a written path are refused
    swap(path, old, new)   compare and swap: `new` is durable on return; refused unless the bytes there are `old`
    remove(paths)          journal segments that are in the tree, partial tiles that have become full
    list(prefix)           every path below, sorted
    lock()                 one writer at a time, over all processes

The lock keeps writers from doing work in vain; that no history forks rests on `put_new` and `swap` alone.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from assay.dataset.atomic import move
from assay.ledger.errors import Refused, Tampered

FLUSHERS = 8  # threads that wait for the disk; 400 files of 8 kB take .11 ms each so, .37 ms one after another (ext4)


class Storage(Protocol):
    """What a log needs of a back end."""

    def get(self, path: str) -> bytes | None: ...

    def put_new(self, items: Mapping[str, bytes]) -> None: ...

    def swap(self, path: str, old: bytes | None, new: bytes) -> None: ...

    def remove(self, paths: Iterable[str]) -> None: ...

    def list(self, prefix: str) -> list[str]: ...

    def lock(self) -> AbstractContextManager[None]: ...


def differs(path: str) -> Tampered:
    """What `put_new` raises."""
    return Tampered(f"{path} is there already with other content: two histories were written into one log")


def lost(path: str) -> Refused:
    """What `swap` raises."""
    return Refused(f"{path} was changed by someone else in the meantime", remedy="run the command again")


class Memory:
    """A log in memory, as an object store would hold it; for tests and for looking into a copy."""

    def __init__(self, items: Mapping[str, bytes] | None = None) -> None:
        self.items = dict(items or {})
        self._mutex = threading.RLock()

    def get(self, path: str) -> bytes | None:
        return self.items.get(path)

    def put_new(self, items: Mapping[str, bytes]) -> None:
        with self._mutex:
            for path, data in items.items():
                if self.items.setdefault(path, data) != data:
                    raise differs(path)

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        with self._mutex:
            if self.items.get(path) != old:
                raise lost(path)
            self.items[path] = new

    def remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            self.items.pop(path, None)

    def list(self, prefix: str) -> list[str]:
        return sorted(path for path in self.items if path.startswith(prefix))

    @contextmanager
    def lock(self) -> Iterator[None]:
        with self._mutex:
            yield


class Folder:
    """A log in a folder of a local file system, safe for several processes.

    A file is written aside, flushed, and linked to its name, so that it is whole or not there; folders are flushed too. What it
    assumes: the file system keeps what fsync has returned, and `flock` works on it (some network mounts offer neither).
    """

    ASIDE, LOCK = ".aside", ".lock"

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._mutex = threading.RLock()
        self._depth = 0

    def get(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put_new(self, items: Mapping[str, bytes]) -> None:
        aside = self.root / self.ASIDE
        aside.mkdir(parents=True, exist_ok=True)
        written = []
        try:
            for number, (path, data) in enumerate(items.items()):
                temporary = aside / f"{os.getpid()}-{threading.get_ident()}-{number}"
                written.append((temporary, self.root / path, data))
                temporary.write_bytes(data)
            _flush([temporary for temporary, _, _ in written])
            folders = set()
            for temporary, final, data in written:
                folders |= self._folders(final.parent)
                try:
                    os.link(temporary, final)
                except FileExistsError as error:
                    if final.read_bytes() != data:
                        raise differs(str(final)) from error
            _flush(sorted(folders))
        finally:
            for temporary, _, _ in written:
                temporary.unlink(missing_ok=True)

    def _folders(self, folder: Path) -> set[Path]:
        """The folder and, where it has to be made, those above it: whatever now holds a new name."""
        if folder.is_dir():
            return {folder}
        above = {folder.parent} if folder == self.root else self._folders(folder.parent)
        folder.mkdir(exist_ok=True)
        return above | {folder}

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        with self.lock():
            if self.get(path) != old:
                raise lost(str(self.root / path))
            replace(self.root / path, new, self.root / self.ASIDE / f"{os.getpid()}-{threading.get_ident()}-swap")

    def remove(self, paths: Iterable[str]) -> None:
        emptied = set()
        for path in paths:
            file = self.root / path
            file.unlink(missing_ok=True)
            if file.parent.suffix == ".p":
                emptied.add(file.parent)
        for folder in emptied:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def list(self, prefix: str) -> list[str]:
        base = self.root / prefix
        found = (Path(folder, name) for folder, _, names in os.walk(base) for name in names)
        return sorted(file.relative_to(self.root).as_posix() for file in found)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held by one thread of one process; the kernel lets go of it when a process dies, however it dies."""
        with self._mutex:
            if self._depth:
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                return
            (self.root / self.ASIDE).mkdir(parents=True, exist_ok=True)
            with (self.root / self.LOCK).open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._depth = 1
                try:
                    for left in (self.root / self.ASIDE).iterdir():  # by a writer that died
                        left.unlink(missing_ok=True)
                    yield
                finally:
                    self._depth = 0


def replace(path: Path, data: bytes, temporary: Path) -> None:
    """Puts `data` at `path`, whole or not at all, durable on return. `temporary` lies on the same file system."""
    temporary.write_bytes(data)
    _flush([temporary])
    move(temporary, path)
    _flush([path.parent])


def _flush(paths: list[Path]) -> None:
    if len(paths) < 3:
        for path in paths:
            _fsync(path)
        return
    with ThreadPoolExecutor(FLUSHERS) as pool:
        list(pool.map(_fsync, paths))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
