"""A zip archive of pictures: class/picture.png inside, with train, val or test above, as in a folder. Never unpacked.

Rows are in the order of the members' names, by UTF-8 bytes, as those of the folder that it would unpack to. A member that leads out of the
archive refuses it as a whole; one that is encrypted, damaged, too large or there twice is an unreadable record.
"""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import ClassVar

import pyarrow as pa

from assay.dataset.edits import Edit, written_anew
from assay.dataset.errors import DataError
from assay.dataset.formats.base import Batch, FileFormat, Int, Layout, UInt8, suffix
from assay.dataset.formats.image_folder import HIDDEN, by_name, columns_of, in_batches, laid_out, passed_over
from assay.dataset.limits import VARIABLE, Limits
from assay.dataset.pictures import SUFFIXES

ENCRYPTED = 1  # the bit of a member's flags
UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, RuntimeError, ValueError)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of every member that is written: nothing of the past


class ZippedImages(FileFormat):
    """The class of a picture is the name of its folder in the archive, as in `assay.dataset.formats.image_folder`."""

    name = "zipped_images"
    suffixes: ClassVar[tuple[str, ...]] = (".zip",)

    def sniff_file(self, path: Path) -> bool:
        """Whether there is a picture in it."""
        if suffix(path.name) not in self.suffixes:
            return False
        try:
            with zipfile.ZipFile(path) as archive:
                return any(_shown(info) and suffix(info.filename) in SUFFIXES for info in archive.infolist())
        except UNREADABLE:
            return False

    def file_batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        with _opened(path) as archive:
            members, others = _pictures(archive, path, limits)
            keys = [info.filename for info in members]
            yield from in_batches(keys, columns_of(keys), lambda i: _bytes(archive, members, i, limits), passed_over(others, "archive"))

    def file_without(self, path: Path, limits: Limits) -> tuple[int, Callable[[Int], Edit]]:
        with _opened(path) as archive:
            count = len(_pictures(archive, path, limits)[0])
        return count, partial(written_anew, path, partial(_filter, path, limits=limits))

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        keys = []
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # PNG files are compressed already
            for key, data in laid_out(table, images, out):
                archive.writestr(zipfile.ZipInfo(key, EPOCH), data)
                keys.append(key)
        return by_name(keys)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise DataError(f"cut short or damaged ({error})", path=path, remedy="fetch the archive again") from error


def _shown(info: zipfile.ZipInfo) -> bool:
    return not info.filename.endswith("/") and not any(part.startswith(HIDDEN) for part in PurePosixPath(info.filename).parts)


def _pictures(archive: zipfile.ZipFile, path: Path, limits: Limits) -> tuple[list[zipfile.ZipInfo], list[str]]:
    """The members that are pictures, in the order of their rows, and the names of the other files. DataError as said above."""
    infos = archive.infolist()
    if len(infos) > limits.files:
        raise DataError(f"holds more than {limits.files:,} files", path=path, remedy=f"allow more: {VARIABLE}=files=...")
    for info in infos:
        name = PurePosixPath(info.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in info.filename:
            raise DataError(
                f"the member {info.filename!r} leads out of the archive; such an archive is not read at all",
                path=path,
                remedy="find out who made it, and pack the files again with plain relative names",
            )
    shown = [info for info in infos if _shown(info)]
    pictures = [info for info in shown if suffix(info.filename) in SUFFIXES]
    if (total := sum(info.file_size for info in pictures)) > limits.unpacked:
        raise DataError(f"unpacks to {total:,} bytes", path=path, remedy=f"allow more: {VARIABLE}=unpacked=...")
    others = sorted(info.filename for info in shown if suffix(info.filename) not in SUFFIXES)
    return sorted(pictures, key=lambda info: info.filename.encode("utf-8", "surrogateescape")), others


def _bytes(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], i: int, limits: Limits) -> bytes | str:
    """The encoded picture of a member, or why there is none."""
    info = members[i]
    if i and members[i - 1].filename == info.filename:
        return "another member has the same name"
    if info.flag_bits & ENCRYPTED:
        return "is encrypted"
    if info.file_size > limits.line:
        return f"has {info.file_size:,} bytes, more than the limit of {limits.line:,}"
    try:
        with archive.open(info) as file:
            return file.read(limits.line)  # no more, whatever its header says
    except UNREADABLE as error:
        return f"is damaged ({error})"


def _filter(path: Path, new: Path, drop: Int, limits: Limits) -> None:
    """The archive again without some pictures. DataError for a member that cannot be read, and so not be copied."""
    with _opened(path) as old, zipfile.ZipFile(new, "w") as out:
        members = _pictures(old, path, limits)[0]
        gone = {id(members[i]) for i in drop.tolist() if 0 <= i < len(members)}
        for info in old.infolist():
            if id(info) in gone or not info.filename:
                continue
            try:
                with old.open(info) as member, out.open(copy(info), "w") as made:
                    copyfileobj(member, made)
            except UNREADABLE as error:
                said = f"the member {info.filename!r} cannot be copied ({error})"
                raise DataError(said, path=path, remedy="unpack the archive, and clean the folder") from error
