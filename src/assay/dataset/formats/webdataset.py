"""WebDataset: tar shards in which files of the same name but for their ending make a record. Read as a stream, never unpacked.

`cat/0001.jpg`, `cat/0001.cls` and `cat/0001.json` are the record `cat/0001`: the key goes up to the first dot of the file name.
Pictures by their ending; `cls` is the label; `txt` the text; `json` an object of columns; any other ending is passed over.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from assay.dataset.cells import typed
from assay.dataset.edits import Edit, cut_out, written_anew
from assay.dataset.errors import DataError
from assay.dataset.formats.base import BESIDE, Batch, FileFormat, Int, Layout, UInt8, suffix, visible_files, visible_names
from assay.dataset.formats.image_folder import READ_TOGETHER
from assay.dataset.formats.jsonl import deeper, read_table
from assay.dataset.limits import VARIABLE, Limits
from assay.dataset.pictures import SUFFIXES, encode_png

BLOCK = 512  # a tar file is made of these
SHARDS = (".tar", ".tgz", ".tar.gz")
TEXTS = ("txt", "text", "caption")
LABELS = ("cls", "cls2", "label", "index")


@dataclass
class Sample:
    """One record: its files by ending, and its bytes in the shard."""

    key: str
    start: int
    stop: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    fault: str | None = None


class WebDataset(FileFormat):
    """Shards in the order of their names; a record a key, in the order of the shard."""

    name = "webdataset"
    suffixes: ClassVar[tuple[str, ...]] = (".tar", ".tgz")

    def sniff_file(self, path: Path) -> bool:
        return path.name.lower().endswith(SHARDS)

    def sniff(self, path: Path) -> bool:
        if path.is_file():
            return self.sniff_file(path)
        names = visible_names(path)
        shards = [name for name in names if name.lower().endswith(SHARDS)]
        return bool(shards) and all(name in shards or suffix(name) in BESIDE for name in names)

    def parts(self, path: Path) -> list[Path]:
        return [file for file in visible_files(path) if self.sniff_file(file)] if path.is_dir() else [path]

    def file_batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        held: list[Sample] = []
        for sample in samples(path, limits):
            held.append(sample)
            if len(held) == READ_TOGETHER:
                yield _batch(held, limits)
                held = []
        if held:
            yield _batch(held, limits)

    def file_without(self, path: Path, limits: Limits) -> tuple[int, Callable[[Int], Edit]]:
        spans = [(sample.start, sample.stop) for sample in samples(path, limits)]
        start, stop = np.array(spans, np.int64).reshape(-1, 2).T
        if path.suffix.lower() != ".tar":
            return len(spans), partial(written_anew, path, partial(_filter, path, limits=limits))
        return len(spans), partial(cut_out, path, start, stop)

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        keys = []
        with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as shard:
            for i, record in enumerate(row for block in table.to_batches() for row in block.to_pylist()):
                key = f"{i:09d}"
                if images is not None:
                    _put(shard, f"{key}.png", encode_png(images[i]))
                label, text = record.pop("label", None), record.pop("text", None)
                if label is not None:
                    _put(shard, f"{key}.cls", str(label).encode())
                if isinstance(text, str):
                    _put(shard, f"{key}.txt", text.encode())
                if record:
                    _put(shard, f"{key}.json", json.dumps(record, ensure_ascii=False, default=str).encode())
                keys.append(key)
        return Layout(None, tuple(keys))


def _put(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner and no time: nothing of the past
    member.size = len(data)
    shard.addfile(member, io.BytesIO(data))


def samples(path: Path, limits: Limits) -> Iterator[Sample]:
    """The records of a shard. Raises DataError for a name that leads out of it, and for a damaged shard."""
    sample: Sample | None = None
    number = unpacked = 0
    try:
        with tarfile.open(path, "r|*") as shard:  # one pass, no seeking, nothing written
            for member in shard:
                _refuse(member, path, number)
                if not member.isreg():
                    continue
                key, ending = split_name(member.name)
                if sample is None or key != sample.key:
                    if sample is not None:
                        yield sample
                        number += 1
                    sample = Sample(key, member.offset)
                unpacked += member.size
                if unpacked > limits.unpacked:
                    raise DataError(
                        f"unpacks to more than {limits.unpacked:,} bytes",
                        path=path,
                        row=number,
                        remedy=f"allow more: {VARIABLE}=unpacked=...",
                    )
                sample.stop = member.offset_data + -(-member.size // BLOCK) * BLOCK
                if member.size > limits.line:
                    sample.fault = f"{member.name} has {member.size:,} bytes, more than the limit of {limits.line:,}"
                    continue
                file = shard.extractfile(member)
                if file is not None:
                    sample.files[ending] = file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"cut short or damaged ({error})", path=path, row=number, remedy="fetch the shard again") from error
    if sample is not None:
        yield sample


def _refuse(member: tarfile.TarInfo, path: Path, row: int) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or member.issym() or member.islnk() or member.isdev():
        what = "is a link or a device" if not (member.isreg() or member.isdir()) else "leads out of the archive"
        raise DataError(
            f"the member {member.name!r} {what}; such an archive is not read at all",
            path=path,
            row=row,
            remedy="find out who made it, and pack the files again with plain relative names",
        )


def split_name(name: str) -> tuple[str, str]:
    """(key, ending).

    >>> split_name("cat/0001.seg.png"), split_name("./7.cls")
    (('cat/0001', 'seg.png'), ('7', 'cls'))
    """
    path = PurePosixPath(name)
    stem, _, ending = path.name.partition(".")
    return (path.parent / stem).as_posix(), ending.lower()


def _batch(held: list[Sample], limits: Limits) -> Batch:
    records: list[dict[str, Any]] = []
    pictures: list[bytes] = []
    faults: dict[int, str] = {}
    expect = any(_picture(sample) is not None for sample in held)
    for place, sample in enumerate(held):
        picture = _picture(sample)
        record = sample.fault or _columns(sample, limits)
        if expect and picture is None and isinstance(record, dict):
            record = "there is no picture"
        if isinstance(record, str):
            faults[place] = record
            continue
        records.append(record)
        if picture is not None:
            pictures.append(picture)
    table, notes = read_table(records)
    return Batch(table, len(held), faults, [sample.key for sample in held], pictures if expect else None, notes=notes)


def _picture(sample: Sample) -> bytes | None:
    return next((data for ending, data in sample.files.items() if f".{ending.rsplit('.', 1)[-1]}" in SUFFIXES), None)


def _columns(sample: Sample, limits: Limits) -> dict[str, Any] | str:
    """The record's values, or why there are none."""
    columns: dict[str, Any] = {}
    for ending, data in sample.files.items():
        try:
            if ending == "json":
                value = json.loads(data)
                if deeper([value], limits.depth + 1):
                    return f"{sample.key}.{ending} has values within values, more than {limits.depth} deep"
                columns |= value if isinstance(value, dict) else {"json": value}
            elif ending in LABELS:
                columns["label"] = typed([data.decode("utf-8").strip()])[0].as_py()
            elif ending in TEXTS:
                columns["text"] = data.decode("utf-8")
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            return f"{sample.key}.{ending} is damaged ({error})"
    return columns


def _filter(path: Path, new: Path, drop: Int, limits: Limits) -> None:
    dropped = set(drop.tolist())
    gone = {sample.key for i, sample in enumerate(samples(path, limits)) if i in dropped}
    with tarfile.open(path, "r|*") as old, tarfile.open(new, "w:gz") as out:
        for member in old:
            if not (member.isreg() and split_name(member.name)[0] in gone):
                out.addfile(member, old.extractfile(member) if member.isreg() else None)
