"""Reads a data set in any format into memory: `read(source)`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.dataset.assemble import one_table, plain
from assay.dataset.data import Columns, Dataset, Task, Unreadable
from assay.dataset.dialogue import unfold
from assay.dataset.digest import NOTHING, row_digests
from assay.dataset.errors import DataError, short_of_memory
from assay.dataset.files import existing
from assay.dataset.formats.base import Batch
from assay.dataset.formats.registry import recognise
from assay.dataset.infer import infer
from assay.dataset.keys import row_keys
from assay.dataset.limits import LIMITS, VARIABLE, Limits, Progress, silent
from assay.dataset.memory import in_memory
from assay.dataset.merkle import root_of
from assay.dataset.pictures import Album, Survey, hashes_of
from assay.dataset.remote import Remote, class_names, is_remote, shard_batches

Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]


@dataclass
class _Records:
    """What has been read so far."""

    tables: list[pa.Table] = field(default_factory=list)
    rows: list[Int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pixels: list[UInt8] = field(default_factory=list)
    count: int = 0
    named: bool = False  # the format names its records
    held: int = 0  # bytes of the tables
    digests: list[UInt8 | None] = field(default_factory=list)  # one a table
    lost: list[str] = field(default_factory=list)  # shards

    def add(self, batch: Batch, path: str, limits: Limits) -> None:
        self.held += batch.table.nbytes
        if self.count + batch.count > limits.records:
            raise _too_much(f"more than {limits.records:,} records", "records", path)
        if self.held > limits.unpacked:
            raise _too_much(f"more than {limits.unpacked:,} bytes of values, unpacked", "unpacked", path)
        keys = batch.keys
        self.named = self.named or keys is not None
        good = _readable(batch)
        self.rows.append(np.asarray(good, np.int64) + self.count)
        if keys is not None:
            self.keys += [keys[place] for place in good]
        for place, reason in sorted(batch.faults.items()):
            key = keys[place] if keys is not None else str(self.count + place)
            self.unreadable.append(Unreadable(self.count + place, key, reason))
        self.notes += [note for note in batch.notes if note not in self.notes]
        if batch.table.num_columns:
            self.tables.append(batch.table)
            self.digests.append(batch.digests)
        if batch.lost is not None:
            self.lost.append(batch.lost)
        if isinstance(batch.pictures, np.ndarray):
            self.pixels.append(batch.pictures)
        self.count += batch.count


def _too_much(what: str, name: str, path: str) -> DataError:
    return DataError(f"holds {what}", path=path, remedy=f"scan a part of it, or allow more: {VARIABLE}={name}=...")


def _readable(batch: Batch) -> Sequence[int]:
    if not batch.faults:
        return range(batch.count)
    return [place for place in range(batch.count) if place not in batch.faults]


def read(
    source: Any,
    *,
    columns: Columns | None = None,
    task: Task | None = None,
    limits: Limits = LIMITS,
    progress: Progress | None = None,
) -> Dataset:
    """The data set at a path, at a URL s3://BUCKET/PREFIX, or held by pandas, polars, NumPy, pyarrow, Hugging Face, torch or plain Python.

    What `columns` leaves unset and a `task` of None are inferred; `notes` of the result say how. Records that cannot be
    read keep their number and are listed in `unreadable`. Raises DataError where the request or the data as a whole is
    wrong. The whole data set is held in memory: pictures once, as (n, h, w, c) bytes.
    """
    say = progress or silent
    wanted = _Wanted(columns, task, limits)
    if not isinstance(source, str | PathLike):
        batches, what, class_names = in_memory(source)
        return _read(lambda: iter(batches), what, "memory", class_names, wanted, say)
    if is_remote(source):
        return _read_remote(str(source), wanted, say)
    path = existing(fspath(source))
    return _read_path(path, str(path), wanted, say)


def _read_remote(url: str, wanted: _Wanted, say: Progress) -> Dataset:
    remote = Remote.at(url, wanted.limits)
    shards = remote.shards()
    if shards is None:
        with remote.fetched() as copy:
            return _read_path(existing(copy), url, wanted, say)
    form, objects = shards
    names = class_names(remote, form, objects)
    return _read(lambda: shard_batches(remote, form, objects, wanted.limits), url, form.name, names, wanted, say)


def _read_path(path: Path, named: str, wanted: _Wanted, say: Progress) -> Dataset:
    """`named`: what the data set is called in the result, where the files are a copy."""
    limits = wanted.limits
    try:
        form = recognise(path)
        return _read(lambda: form.batches(path, limits), named, form.name, form.class_names(path), wanted, say)
    except OSError as error:
        if short_of_memory(error):
            raise
        where = error.filename or path
        raise DataError(f"cannot be read ({error.strerror or error})", path=where, remedy="check that you may read it") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:  # a schema whose names are no text, a type that is none
        if short_of_memory(error):
            raise
        raise DataError(f"the file is damaged ({error})", path=path, remedy="fetch or write the file again") from error


@dataclass(frozen=True)
class _Wanted:
    columns: Columns | None
    task: Task | None
    limits: Limits


def _read(
    batches: Callable[[], Iterator[Batch]],
    path: str,
    form: str,
    class_names: Mapping[str, Sequence[str]],
    wanted: _Wanted,
    say: Progress,
) -> Dataset:
    records, survey, encoded = _Records(), Survey(), 0
    with _closing(batches()) as given:
        for batch in given:
            if batch.pictures is None or isinstance(batch.pictures, np.ndarray):
                records.add(batch, path, wanted.limits)
            else:  # encoded pictures are measured first and decoded in a second pass, so that one copy is ever held
                encoded += batch.count
                for data in batch.pictures:
                    survey.add(data, wanted.limits)
            say(encoded or records.count, batch.total, "looking at pictures" if encoded else "reading")
    images, hashes = None, None
    if encoded:
        album, records = Album(survey, wanted.limits), _Records()  # what has no pictures among them comes again, too
        for batch in batches():
            records.add(_decoded(batch, album), path, wanted.limits)
            say(records.count, encoded, "reading pictures")
        records.notes += survey.notes(wanted.limits)
        images, hashes = album.pixels, album.hashes
    elif records.pixels:
        images = _stacked(records.pixels, path)
        hashes = hashes_of(images)
    _refuse_ruins(records, path, wanted.limits)
    return _dataset(records, images, hashes, path, form, class_names, wanted)


@contextmanager
def _closing(batches: Iterator[Batch]) -> Iterator[Iterator[Batch]]:
    """The batches; a reader that was not read to its end gives up its file, and its threads, at once."""
    try:
        yield batches
    finally:
        if isinstance(batches, Generator):
            batches.close()


def _decoded(batch: Batch, album: Album) -> Batch:
    """The batch without the records whose pictures cannot be decoded."""
    if batch.pictures is None or isinstance(batch.pictures, np.ndarray):
        return batch
    faults = album.add(batch.pictures)
    if not faults:
        return batch
    good = _readable(batch)
    table = batch.table
    if table.num_columns:
        table = table.filter(pa.array([place not in faults for place in range(len(good))], pa.bool_()))
    return replace(batch, table=table, faults={**batch.faults, **{good[place]: why for place, why in faults.items()}})


def _stacked(pixels: Sequence[UInt8], path: str) -> UInt8:
    if len(pixels) == 1:
        return pixels[0]
    shapes = sorted({part.shape[1:] for part in pixels})
    if len(shapes) > 1:
        raise DataError(
            f"pictures of different shapes in its parts: {', '.join(map(str, shapes))}",
            path=path,
            remedy="scan the parts one by one, or bring them to one size",
        )
    return np.concatenate(pixels)


def _dataset(
    records: _Records,
    images: UInt8 | None,
    hashes: UInt8 | None,
    path: str,
    form: str,
    class_names: Mapping[str, Sequence[str]],
    wanted: _Wanted,
) -> Dataset:
    row = np.concatenate(records.rows)
    table = one_table(records.tables)
    if images is None and table.num_columns == 0:
        raise DataError("the records have no columns", path=path, remedy="give records with named values")
    try:
        digest = _known_digests(records, table) if hashes is None else None
        if digest is None:
            digest = row_digests(table, hashes)
    except TypeError as error:
        raise DataError(str(error), path=path, remedy="leave that column out, or store it as text or numbers") from error
    table, unfolded = unfold(table)
    meaning = infer(
        table,
        path=path,
        pictures=images is not None,
        columns=wanted.columns,
        task=wanted.task,
        class_names=class_names,
    )
    said = [*meaning.notes, *unfolded, *records.notes]
    table = _no_missing_text(table, meaning.columns.content, meaning.modality, said)
    keys = tuple(records.keys) if records.named else row_keys(table, meaning.columns.id, row, said)
    if records.unreadable:
        said.append(f"{len(records.unreadable):,} of {records.count:,} records could not be read; they are listed and keep their numbers.")
    return Dataset(
        path=path,
        format=form,
        modality=meaning.modality,
        task=meaning.task,
        columns=meaning.columns,
        table=table,
        images=images,
        row=row,
        key=keys,
        digest=digest,
        records=records.count,
        fingerprint=_fingerprint(digest, row, records.count),
        unreadable=tuple(records.unreadable),
        notes=tuple(said),
        classes=meaning.classes,
        y=meaning.y,
        lost=tuple(records.lost),
    )


def _known_digests(records: _Records, table: pa.Table) -> UInt8 | None:
    """The digests that were made where the shards were read, if every shard's columns have the types of the whole."""
    if any(digests is None for digests in records.digests):
        return None
    if not all(plain(part.slice(0, 0)).schema.equals(table.schema) for part in records.tables):
        return None
    return np.concatenate([digests for digests in records.digests if digests is not None]) if records.digests else None


def _fingerprint(digest: NDArray[np.uint8], row: NDArray[np.int64], count: int) -> str:
    leaves = np.tile(np.frombuffer(NOTHING, np.uint8), (count, 1))
    leaves[row] = digest
    return root_of(leaves.tobytes()).hex()


def _refuse_ruins(records: _Records, path: str, limits: Limits) -> None:
    bad = records.unreadable
    if records.count == 0:
        raise DataError("there are no records", path=path, remedy="give a data set with at least one record")
    if len(bad) == records.count or (len(bad) > 10 and len(bad) > limits.faults * records.count):
        raise DataError(
            f"{len(bad):,} of {records.count:,} records cannot be read; the first: {bad[0].reason}",
            path=path,
            row=bad[0].row,
            remedy="check that this is the right file in the right format, or mend those records",
        )


def _no_missing_text(table: pa.Table, content: Iterable[str], modality: str, said: list[str]) -> pa.Table:
    """Texts that are not there read as empty ones, so that whoever reads words need not ask. The digest still tells
    them apart.
    """
    if modality != "text":
        return table
    for name in content:
        column = table.column(name)
        if pa.types.is_string(column.type) and column.null_count:
            said.append(f"{column.null_count:,} rows have no {name!r}; it is read as an empty text.")
            table = table.set_column(table.schema.get_field_index(name), name, pc.fill_null(column, ""))
    return table
