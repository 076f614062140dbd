"""Pictures beside a table: one file (labels.csv, metadata.csv, metadata.jsonl, ...) in the folder names each picture in a column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.csv as pa_csv

from assay.dataset.columns import LABELS
from assay.dataset.edits import Edit, Gone
from assay.dataset.errors import DataError
from assay.dataset.formats.base import Batch, FileFormat, Format, Int, Layout, UInt8, counted, suffix
from assay.dataset.formats.delimited import Delimited
from assay.dataset.formats.image_folder import NAME, READ_TOGETHER, columns_of, free_name, picture_bytes, picture_names
from assay.dataset.formats.json_list import JsonList
from assay.dataset.formats.jsonl import JsonLines, flat
from assay.dataset.formats.parquet import Parquet
from assay.dataset.limits import LIMITS, Limits
from assay.dataset.pictures import SUFFIXES, encode_png

FOLDERS = ("", "images", "imgs", "train", "data", "pictures", "img")  # where pictures lie, below the table's folder
TABLES: tuple[FileFormat, ...] = (Delimited(), JsonLines(), JsonList(), Parquet())
ENDINGS = ("", *SUFFIXES)  # a table may leave the ending out
LOOK = 20  # names tried to tell which column names the pictures
FILE = "file"  # the column's name in what we write


@dataclass(frozen=True)
class Sheet:
    """The table of a folder of pictures: its format, its column of file names, and where the pictures are."""

    path: Path
    form: FileFormat
    column: str
    folder: str
    ending: str


class LabelledImages(Format):
    """A record is a line of the table, in its order. The file name is the record's key; the other columns are its own."""

    name = "labelled_images"

    def sniff(self, path: Path) -> bool:
        return path.is_dir() and _sheet(path) is not None

    def batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        sheet = _found(path)
        listed = 0
        seen: set[str] = set()
        for block in sheet.form.batches(sheet.path, limits):
            named = sheet.column in block.table.column_names  # JSON leaves out what is missing
            names = block.table.column(sheet.column).to_pylist() if named else [None] * block.table.num_rows
            rest = block.table.drop_columns([sheet.column]) if named else block.table
            good = [place for place in range(block.count) if place not in block.faults]
            every: list[str] = [f"(line of record {listed + place})" for place in range(block.count)]
            for place, name in zip(good, names, strict=True):
                every[place] = "" if name is None else _key(sheet, name)
            for start in range(0, block.count, READ_TOGETHER):
                stop = min(start + READ_TOGETHER, block.count)
                faults = {place - start: why for place, why in block.faults.items() if start <= place < stop}
                here, data = [], []
                for position, place in enumerate(good):
                    if start <= place < stop:
                        found = _bytes(path, every[place])
                        if isinstance(found, str):
                            faults[place - start] = found
                        else:
                            here.append(position)
                            data.append(found)
                seen.update(every[start:stop])
                table = rest.take(pa.array(here, pa.int64())) if rest.num_columns else pa.table({})
                yield Batch(table, stop - start, faults, every[start:stop], data, block.total, block.notes)
            listed += block.count
        others = sum(name not in seen for name in picture_names(path))
        if others:
            note = f"{counted(others, 'picture')} in the folder not named in {sheet.path.name}: passed over."
            yield Batch(pa.table({}), 0, pictures=[], notes=(note,))

    def without(self, path: Path, drop: Int, limits: Limits) -> tuple[list[Edit], int]:
        sheet = _found(path)
        count, cut = sheet.form.file_without(sheet.path, limits)
        keys: list[str] = []
        for batch in self.batches(path, limits):
            keys += batch.keys or ()
        dropped = {i for i in drop.tolist() if i < count}
        kept = {key for i, key in enumerate(keys) if i not in dropped}
        gone = sorted({keys[i] for i in dropped} - kept)  # a picture that another line names too stays
        files = [path / key for key in gone if _inside(key) and (path / key).is_file()]
        return ([cut(drop)] if len(drop) else []) + [Gone(file) for file in files], count

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        if images is None:
            raise DataError("there are no pictures", path=out.name, remedy="write Parquet, JSON lines or CSV")
        (out / "images").mkdir(parents=True)
        taken: set[str] = set()
        keys = []
        for pixels in images:
            data = encode_png(pixels)
            key = free_name(f"images/{sha256(data).hexdigest()[:NAME]}", taken)
            (out / key).write_bytes(data)
            keys.append(key)
        columns = {name: table.column(name) for name in table.column_names}
        pa_csv.write_csv(
            flat(pa.table({FILE if FILE not in columns else "picture": pa.array(keys, pa.string()), **columns})),
            out / "labels.csv",
        )
        return Layout(None, tuple(keys))


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts


def _key(sheet: Sheet, name: object) -> str:
    return PurePosixPath(sheet.folder, str(name).strip().replace("\\", "/") + sheet.ending).as_posix()


def _bytes(path: Path, key: str) -> bytes | str:
    """The encoded picture, or why there is none."""
    if not _inside(key):
        return f"{key!r} leads out of the folder" if key else "no picture is named"
    return picture_bytes(path, key)


def _found(path: Path) -> Sheet:
    sheet = _sheet(path)
    if sheet is None:
        raise DataError("no table names the pictures", path=path, remedy="put a labels.csv with a column of file names beside them")
    return sheet


def _beside_classes(table: pa.Table, column: str, pictures: Sequence[str]) -> bool:
    """Whether folders tell the classes of the pictures that a column names, and no column by a usual name does: a list of files, with
    their sizes and sums."""
    if {name.strip().lower() for name in table.column_names} & set(LABELS) or "label" not in columns_of(pictures).column_names:
        return False
    return len({PurePosixPath(str(name)).parent for name in table.column(column).drop_null().to_pylist()}) > 1


def _sheet(path: Path) -> Sheet | None:
    found = sorted((file for file in path.iterdir() if file.is_file()), key=lambda file: file.name.encode())
    tables = [(form, file) for form in TABLES for file in found if suffix(file.name) in form.suffixes]
    if not tables or not (pictures := picture_names(path)):
        return None
    for form, table in tables:
        try:
            first = next(form.batches(table, LIMITS), None)
        except DataError:
            continue  # another file in the folder, which is no table of pictures
        if first is None:
            continue
        for column in first.table.column_names:
            names = [str(v).strip() for v in first.table.column(column).slice(0, LOOK).to_pylist() if v is not None]
            names = [name for name in names if _inside(name)]
            for folder in FOLDERS:
                for ending in ENDINGS:
                    there = sum((path / folder / (name + ending)).is_file() for name in names)
                    if names and there > len(names) / 2:
                        if not isinstance(form, Delimited) and _beside_classes(first.table, column, pictures):
                            return None
                        return Sheet(table, form, column, folder, ending)
    return None
