"""Files of the service: where each lies, and how what people send is taken in.

    files/PROJECT/datasets/ID/original/NAME    what was uploaded, as it came; an archive beside the folder it held
    files/PROJECT/datasets/ID/rows.parquet     its rows, for looking at them one page at a time
    files/PROJECT/scans/ID/report/             what `assay scan` writes
    files/PROJECT/reviews/ID/                  a review's folder
    files/PROJECT/models/ID/NAME               a model file, never loaded
    files/PROJECT/monitors/ID/                 a watch's folder
    files/PROJECT/ledger/                      the project's ledger
    files/PROJECT/registry/                    which model each alias means
    files/PROJECT/remediations/ID/             a remediation's folder
    files/signatures/                          the list of known triggers, where one was brought in
    files/audit/                               the audit log

Names of people's files are used only as the last part of a path whose other parts are identifiers of ours.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from assay.dataset.errors import DataError
from assay.serve.errors import Full, ServiceError, TooLarge
from assay.serve.settings import Bounds, Settings

LONGEST_NAME = 150  # bytes: file systems take 255, and beside it lie temporary files with longer names
CHUNK = 1 << 20


@dataclass(frozen=True)
class Files:
    """The folders of one service."""

    root: Path
    bounds: Bounds

    @classmethod
    def of(cls, settings: Settings) -> Files:
        return cls(settings.files, settings.bounds)

    def dataset(self, project: str, id: str) -> Path:
        return self.root / project / "datasets" / id

    def rows(self, project: str, id: str) -> Path:
        return self.dataset(project, id) / "rows.parquet"

    def original(self, project: str, id: str, file: str) -> Path:
        return self.dataset(project, id) / "original" / file

    def scan(self, project: str, id: str) -> Path:
        return self.root / project / "scans" / id

    def report(self, project: str, id: str) -> Path:
        return self.scan(project, id) / "report"

    def review(self, project: str, id: str) -> Path:
        return self.root / project / "reviews" / id

    def model(self, project: str, id: str) -> Path:
        return self.root / project / "models" / id

    def monitor(self, project: str, id: str) -> Path:
        return self.root / project / "monitors" / id

    def ledger(self, project: str) -> Path:
        return self.root / project / "ledger"

    def registry(self, project: str) -> Path:
        return self.root / project / "registry"

    def remediation(self, project: str, id: str) -> Path:
        return self.root / project / "remediations" / id

    def signatures(self) -> Path:
        return self.root / "signatures"

    def room(self) -> int:
        """Bytes that may still be taken in."""
        return shutil.disk_usage(self.root).free - self.bounds.disk

    def check_room(self) -> None:
        """Raises Full where the disk is all but full."""
        if self.room() <= 0:
            raise Full(f"less than {self.bounds.disk >> 20:,} MiB of disk are free", "remove old scans (assay serve retain), or add disk")


@dataclass(frozen=True)
class Received:
    """A file that was taken in whole."""

    path: Path
    size: int
    sha256: str


def safe_name(name: str) -> str:
    """The name of a file that somebody sends. Raises ServiceError for what could be more than a name.

    >>> safe_name("reviews (2).csv")
    'reviews (2).csv'
    >>> safe_name("../../etc/passwd")
    Traceback (most recent call last):
    assay.serve.errors.ServiceError: '../../etc/passwd' cannot name a file. Remedy: give a plain name, like reviews.csv
    """
    bad = not name or name.startswith((".", "-", " ")) or name.endswith((" ", "."))
    if bad or any(c in '/\\:*?"<>|' or not c.isprintable() for c in name) or len(name.encode()) > LONGEST_NAME:
        raise ServiceError(f"{name[:60]!r} cannot name a file", "give a plain name, like reviews.csv")
    return name


class Incoming:
    """A file on its way in: written beside its place, counted and hashed, and moved there when it is whole.

    Use `async with`; what is not `finish`ed is removed.
    """

    def __init__(self, files: Files, target: Path, declared: int | None) -> None:
        """Raises TooLarge or Full at once where the declared length says so."""
        self.target, self.limit, self.files = target, files.bounds.upload, files
        files.root.mkdir(parents=True, exist_ok=True)
        if declared is not None and declared > self.limit:
            raise TooLarge(f"{declared:,} bytes are more than the {self.limit:,} that are taken", "send less, or raise --upload-limit")
        files.check_room()
        if declared is not None and declared > files.room():
            raise Full(f"{declared:,} bytes do not fit on the disk")
        self.size, self._hash = 0, hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        self._part = target.with_name(f".{target.name}.part")
        self._file = self._part.open("xb")
        self._checked = 0

    def add(self, chunk: bytes) -> None:
        """Raises TooLarge or Full when it becomes so."""
        self.size += len(chunk)
        if self.size > self.limit:
            raise TooLarge(f"more than the {self.limit:,} bytes that are taken", "send less, or raise --upload-limit")
        if self.size - self._checked > 64 * CHUNK:
            self._checked = self.size
            self.files.check_room()
        self._hash.update(chunk)
        self._file.write(chunk)

    def finish(self) -> Received:
        """On disk, under its name, when it returns."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.rename(self._part, self.target)
        return Received(self.target, self.size, self._hash.hexdigest())

    def drop(self) -> None:
        """Leave nothing behind; nothing to do after `finish`."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def receive(files: Files, target: Path, chunks: Iterable[bytes], declared: int | None = None) -> Received:
    """Take in a file from chunks that are at hand."""
    incoming = Incoming(files, target, declared)
    try:
        for chunk in chunks:
            incoming.add(chunk)
        return incoming.finish()
    finally:
        incoming.drop()


async def receive_stream(files: Files, target: Path, chunks: AsyncIterator[bytes], declared: int | None = None) -> Received:
    """Take in a file while it is sent; never more than one chunk in memory."""
    incoming = Incoming(files, target, declared)
    try:
        async for chunk in chunks:
            incoming.add(chunk)
        return incoming.finish()
    finally:
        incoming.drop()


def unpack(archive: Path, out: Path, bounds: Bounds) -> None:
    """Unpack a zip file of pictures or tables into the new folder `out`.

    Raises DataError where a member would lie outside, is a link or encrypted, or all of them are more than the limits allow: sizes
    are counted as they are written, whatever the archive says of itself. Nothing is left behind then.
    """
    out.mkdir()
    try:
        with zipfile.ZipFile(archive) as held:
            members = [m for m in held.infolist() if not m.is_dir()]
            if len(members) > bounds.members:
                raise DataError(f"holds {len(members):,} files, more than the {bounds.members:,} that are unpacked", path=archive.name)
            left = min(bounds.unpacked, max(archive.stat().st_size, 1) * bounds.ratio)
            for member in members:
                left = _member(held, member, out, left, archive.name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        shutil.rmtree(out)
        raise DataError(f"is no archive that can be unpacked ({error})", path=archive.name, remedy="send a plain zip file") from error
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def _member(held: zipfile.ZipFile, member: zipfile.ZipInfo, out: Path, left: int, name: str) -> int:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    if not parts or parts[0].startswith("/") or any(p in ("..", ".") or ":" in p or not p.isprintable() for p in parts):
        raise DataError(f"would put a file at {member.filename[:80]!r}, outside its folder", path=name, remedy="pack plain relative names")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(f"holds a link, {member.filename[:80]!r}", path=name, remedy="pack the files themselves")
    target = out.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with held.open(member) as source, target.open("xb") as file:
        while chunk := source.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise DataError("unpacks to more than is allowed: a bomb, or too much at once", path=name, remedy="send less at once")
            file.write(chunk)
    return left


def pack(folder: Path, out: Path) -> None:
    """A folder as an archive that `unpack` takes, in the order of its paths; links are not followed."""
    above = folder.parent if folder.parent != folder else folder
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                archive.write(path, path.relative_to(above).as_posix())
