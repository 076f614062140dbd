"""What a format is: it recognises its files, streams their records and writes them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.compressed import COMPRESSIONS
from assay.dataset.digest import row_digests
from assay.dataset.edits import Edit
from assay.dataset.errors import DataError
from assay.dataset.limits import LIMITS, VARIABLE, Limits
from assay.engine.base import current

UInt8 = NDArray[np.uint8]
Int = NDArray[np.int64]

BATCH_ROWS = 8192  # records in a batch where the format does not choose: tens of MB of text at most, and full vectors
OTHER_FORMAT = "convert it to Parquet, JSON lines or CSV first"
PICTURE = "image"  # the name under which a record's picture is known, whatever its column or folder is called


@dataclass(frozen=True)
class Batch:
    """Consecutive records. `table` holds the readable ones, in order; `faults` says why the others could not be read."""

    table: pa.Table
    count: int  # records, readable and not
    faults: Mapping[int, str] = field(default_factory=dict)  # place in this batch (0-based, of `count`) -> reason
    keys: Sequence[str] | None = None  # (count,) relative paths; None: the format has no names for its records
    # one picture a readable record: encoded (PNG, JPEG, ...) or decoded (m, h, w, c)
    pictures: Sequence[bytes] | NDArray[np.uint8] | None = None
    total: int = 0  # records in the whole data set, where the format knows: for a progress bar
    notes: Sequence[str] = ()  # what was assumed or passed over, for people; said once however many batches say it
    digests: NDArray[np.uint8] | None = None  # (m, 32) of the readable records as this table types them, where they were made with it
    lost: str | None = None  # the shard that could not be read, whose records, however many, are told as one


@dataclass(frozen=True)
class Layout:
    """Where records went: `row` (n,) the record number each was given, in a format that orders them itself (None: as
    they were), and their keys in the order in which they were given (None: no names)."""

    row: Int | None = None
    key: tuple[str, ...] | None = None


class Format(ABC):
    """One way in which people keep data sets. Instances hold no state.

    `batches` may be called more than once on a path and gives the same records in the same order each time; each call
    streams, so memory stays at a few batches whatever the size of the file.
    """

    name: ClassVar[str]

    @abstractmethod
    def sniff(self, path: Path) -> bool:
        """Whether `path` (which exists) looks like this format; cheap."""

    @abstractmethod
    def batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        """The records in order. Raises DataError where the file as a whole is not as it should be."""

    def without(self, path: Path, drop: Int, limits: Limits) -> tuple[list[Edit], int]:
        """What to change so that the records numbered `drop` (sorted, distinct) are gone, and how many records there
        are.
        """
        raise DataError(f"records cannot be taken out of the format {self.name}", path=path, remedy=OTHER_FORMAT)

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        """Writes records to `out`, which is not there yet. Every record is encoded alike."""
        raise DataError(f"the format {self.name} cannot be written", path=out.name, remedy=OTHER_FORMAT)

    def class_names(self, path: Path) -> Mapping[str, Sequence[str]]:
        """Column -> names behind its integer codes, where the format keeps them."""
        return {}


def visible_names(folder: Path, hidden: tuple[str, ...] = (".", "_")) -> list[str]:
    """The POSIX path, relative to `folder`, of every file below it, in the order of its UTF-8 bytes.

    Files and folders whose name has a hidden beginning are passed over; links to folders are not followed.
    """
    base = os.fspath(folder)
    found: list[str] = []
    for root, folders, files in os.walk(base, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(hidden)]
        for name in (*folders, *files):
            in_utf8(name, folder)
        above = os.path.relpath(root, base).replace(os.sep, "/")
        above = "" if above == "." else above + "/"
        found += [above + name for name in files if not name.startswith(hidden)]
        if len(found) > LIMITS.files:
            raise DataError(
                f"holds more than {LIMITS.files:,} files", path=folder, remedy=f"scan a part of it, or allow more: {VARIABLE}=files=..."
            )
    return sorted(found, key=lambda name: name.encode("utf-8", "surrogateescape"))


def linked_folders(folder: Path, hidden: tuple[str, ...] = (".", "_")) -> list[str]:
    """The links to folders below it, which `visible_names` does not follow: they may lead round in a circle, or out of the data."""
    base, found = os.fspath(folder), []
    for root, folders, _ in os.walk(base, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(hidden)]
        found += [os.path.relpath(os.path.join(root, name), base) for name in folders if os.path.islink(os.path.join(root, name))]
    return sorted(name.replace(os.sep, "/") for name in found)


def counted(count: int, noun: str) -> str:
    """
    >>> counted(1, "file"), counted(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def few(names: Sequence[str], most: int = 3) -> str:
    """
    >>> few(["a", "b"]), few(["a", "b", "c", "d"])
    ('a, b', 'a, b, c, ...')
    """
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def in_utf8(name: str, folder: Path) -> None:
    """DataError for a file name that is not UTF-8: keys, reports and most formats hold text."""
    if not name.isascii() and any("\udc80" <= c <= "\udcff" for c in name):
        raise DataError(f"the file name {os.fsencode(name)!r} is not UTF-8", path=folder, remedy="rename it, for instance with convmv")


def visible_files(folder: Path, hidden: tuple[str, ...] = (".", "_")) -> list[Path]:
    """The same as paths."""
    return [folder / name for name in visible_names(folder, hidden)]


def suffix(name: str) -> str:
    """The ending of a file name in lower case, dot included, with that of a packed file's content before it.

    >>> suffix("A.CSV"), suffix("part-0.jsonl.zst")
    ('.csv', '.jsonl.zst')
    """
    stem, ending = os.path.splitext(name.lower())
    return os.path.splitext(stem)[1] + ending if ending in COMPRESSIONS else ending


class FileFormat(Format):
    """A format whose records lie in one file, or in a folder of such files, read one after another."""

    suffixes: ClassVar[tuple[str, ...]]

    def sniff(self, path: Path) -> bool:
        return self.fits(visible_names(path)) if path.is_dir() else self.sniff_file(path)

    def fits(self, names: Iterable[str]) -> bool:
        """Whether the files of a folder are its shards, and what may lie beside them."""
        suffixes = {suffix(name) for name in names}
        return bool(suffixes.intersection(self.suffixes)) and suffixes <= {*self.suffixes, *BESIDE}

    def holds(self, name: str) -> bool:
        """Whether a file of that name holds records."""
        return suffix(name) in self.suffixes

    def sniff_file(self, path: Path) -> bool:
        return self.holds(path.name)

    def parts(self, path: Path) -> list[Path]:
        """The files that hold the records, in order."""
        if not path.is_dir():
            return [path]
        return [file for file in visible_files(path) if self.holds(file.name)]

    def batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        """Shards of a folder are read by the engine in use, each as a whole; one that cannot be read is told as one lost record."""
        files = self.parts(path)
        if len(files) == 1:
            yield from self.file_batches(files[0], limits)
            return
        for shard in current().map(read_shard, ((self, file, limits) for file in files)):
            yield from shard

    def without(self, path: Path, drop: Int, limits: Limits) -> tuple[list[Edit], int]:
        """Where the records of each shard lie is told by the engine in use."""
        edits: list[Edit] = []
        first, files = 0, self.parts(path)
        told = current().map(_shard_without, ((self, file, limits) for file in files)) if len(files) > 1 else None
        for count, edit in told or [self.file_without(files[0], limits)]:
            here = drop[(drop >= first) & (drop < first + count)] - first
            if len(here):
                edits.append(edit(here))
            first += count
        return edits, first

    def file_without(self, path: Path, limits: Limits) -> tuple[int, Callable[[Int], Edit]]:
        """(records in the file, what to change to take some of them out)."""
        raise DataError(f"records cannot be taken out of the format {self.name}", path=path, remedy=OTHER_FORMAT)

    @abstractmethod
    def file_batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        """The records of one file."""


def _shard_without(form: FileFormat, path: Path, limits: Limits) -> tuple[int, Callable[[Int], Edit]]:
    return form.file_without(path, limits)


def read_shard(form: FileFormat, path: Path, limits: Limits) -> list[Batch]:
    """All of one shard, with digests where its records have an encoding; a single lost record if it is damaged."""
    batches: list[Batch] = []
    records = held = 0
    try:
        for batch in form.file_batches(path, limits):
            records, held = records + batch.count, held + batch.table.nbytes
            batches.append(replace(batch, digests=_digests(batch)))
            if records > limits.records or held > limits.unpacked:
                break  # the data set is refused for its size by whoever puts the shards together
    except DataError as error:
        return [Batch(pa.table({}), 1, {0: f"a shard that cannot be read: {error}"}, lost=path.name)]
    return batches


def _digests(batch: Batch) -> UInt8 | None:
    if batch.pictures is not None or not batch.table.num_columns:
        return None
    try:
        return row_digests(batch.table)
    except TypeError:
        return None  # a type without an encoding: said, with the column, when the table is whole


# what lies beside data files and holds no records
BESIDE = (".md", ".txt", ".json", ".yaml", ".yml", ".license", ".lock", ".crc", ".py", ".html", ".pdf", "")


def check_fields(table: pa.Table, limits: Limits, path: Path, first_row: int) -> None:
    """Raises DataError if a single value is longer than `limits.field` bytes."""
    import pyarrow.compute as pc

    for name in table.column_names:
        column = table.column(name)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_binary(column.type)):
            continue
        if column.nbytes <= limits.field:  # the whole column is shorter than one value may be
            continue
        lengths = pc.binary_length(column)
        longest = pc.max(lengths).as_py() or 0
        if longest > limits.field:
            row = first_row + pc.index(lengths, pa.scalar(longest, lengths.type)).as_py()
            raise DataError(
                f"a value of {longest:,} bytes; the longest that is read is {limits.field:,}",
                path=path,
                row=row,
                column=name,
                remedy="leave the record out or split it, or give a larger Limits(field=...)",
            )


def distinct_columns(table: pa.Table) -> pa.Table:
    """The table under column names that are not empty and distinct; as it is where they are."""
    names = table.column_names
    return table if len({*names}) == len(names) and all(names) else table.rename_columns(distinct_names(names))


def distinct_names(names: Iterable[str]) -> list[str]:
    """Column names made non-empty and distinct: `a, a, ''` becomes `a, a_2, column_2`.

    >>> distinct_names(["a", "a", ""])
    ['a', 'a_2', 'column_2']
    """
    taken: set[str] = set()
    out = []
    for position, name in enumerate(names):
        base = name if name else f"column_{position}"
        new, again = base, 2
        while new in taken:
            new, again = f"{base}_{again}", again + 1
        taken.add(new)
        out.append(new)
    return out
