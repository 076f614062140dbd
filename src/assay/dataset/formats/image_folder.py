"""A folder of pictures: class/picture.png, with train, val or test above the classes where there are such."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from assay.dataset.cells import typed
from assay.dataset.edits import Edit, Gone
from assay.dataset.errors import DataError
from assay.dataset.formats.base import Batch, Format, Int, Layout, UInt8, counted, few, linked_folders, suffix, visible_names
from assay.dataset.limits import Limits
from assay.dataset.pictures import SUFFIXES, encode_png

READ_TOGETHER = 256  # encoded pictures held at a time: a few MB, or some 100 MB of large photographs
SPLITS = ("train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing", "holdout", "unlabeled")
NAME = 16  # hexadecimal digits of the content in a file name: 64 bits
HIDDEN = (".", "__MACOSX")


def picture_names(folder: Path) -> list[str]:
    """Every picture below a folder, by the UTF-8 bytes of its POSIX path."""
    return [name for name in visible_names(folder, HIDDEN) if suffix(name) in SUFFIXES]


def picture_bytes(folder: Path, name: str) -> bytes | str:
    """The encoded picture, or why there is none."""
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        return f"cannot be opened ({error.strerror or error})"


def place(parts: tuple[str, ...], split: bool) -> tuple[str | None, str | None]:
    """(split, class) from the folders above a picture.

    >>> place(("train", "cat", "1.png"), True), place(("cat", "indoors", "1.png"), False), place(("1.png",), False)
    (('train', 'cat'), (None, 'cat'), (None, None))
    """
    above = parts[:-1]
    first = above[0] if split and above else None
    rest = above[1:] if split else above
    return first, rest[0] if rest else None


def _below(parts: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The paths below the folder that holds everything, where an archive was unpacked into one of its own."""
    while all(len(p) >= 3 and p[0] == parts[0][0] for p in parts) and parts[0][0].lower() not in SPLITS:
        parts = [p[1:] for p in parts]
    return parts


def folder_name(value: object, out: Path) -> str:
    """A class or split as the name of a folder. Raises DataError for a name that would lead elsewhere."""
    name = str(value)
    if not name or name in (".", "..") or "/" in name or "\0" in name or name.startswith(HIDDEN):
        raise DataError(f"the class {name!r} cannot be the name of a folder", path=out.name, remedy="write Parquet, or rename it")
    return name


def free_name(stem: str, taken: set[str], ending: str = ".png") -> str:
    """`stem`.png, or with -2, -3, ... where a record of the same content is there already."""
    name, again = f"{stem}{ending}", 2
    while name in taken:
        name, again = f"{stem}-{again}{ending}", again + 1
    taken.add(name)
    return name


class ImageFolder(Format):
    """The class of a picture is the name of its folder (the topmost, below a split); class names that are all whole
    numbers are numbers, as they would be in a CSV file."""

    name = "image_folder"

    def sniff(self, path: Path) -> bool:
        return path.is_dir() and bool(picture_names(path))

    def batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        keys = picture_names(path)
        columns = columns_of(keys)
        read = set(keys)
        notes = passed_over([name for name in visible_names(path, HIDDEN) if name not in read], "folder")
        if links := linked_folders(path, HIDDEN):
            notes.append(
                f"{counted(len(links), 'link')} to folders, which are not followed: {few(links)}; scan what they lead to by its own path."
            )
        yield from in_batches(keys, columns, lambda i: picture_bytes(path, keys[i]), notes)

    def without(self, path: Path, drop: Int, limits: Limits) -> tuple[list[Edit], int]:
        files = picture_names(path)
        return [Gone(path / files[i]) for i in drop.tolist() if 0 <= i < len(files)], len(files)

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        """PNG files under [split/]class/, each named after its content, so that neither name nor order tells its past."""
        keys = []
        for key, data in laid_out(table, images, out):
            (out / key).parent.mkdir(parents=True, exist_ok=True)
            (out / key).write_bytes(data)
            keys.append(key)
        return by_name(keys)


def passed_over(names: Sequence[str], where: str) -> list[str]:
    """What is said of the files beside the pictures: nothing where there are none.

    >>> passed_over(["train/metadata.xml"], "folder")
    ['1 file in the folder is no picture by its name and is passed over (train/metadata.xml).']
    """
    if not names:
        return []
    what = "is no picture by its name and is" if len(names) == 1 else "are not pictures by their names and are"
    return [f"{counted(len(names), 'file')} in the {where} {what} passed over ({few(names)})."]


def in_batches(keys: Sequence[str], columns: pa.Table, fetch: Callable[[int], bytes | str], notes: Sequence[str]) -> Iterator[Batch]:
    """The records of pictures with these paths and `columns`; `fetch(i)` gives the encoded picture of one, or why there is none."""
    for start in range(0, len(keys), READ_TOGETHER):
        some = range(start, min(start + READ_TOGETHER, len(keys)))
        found = [fetch(i) for i in some]
        faults = {place: data for place, data in enumerate(found) if isinstance(data, str)}
        here = [i for place, i in enumerate(some) if place not in faults]
        table = columns.take(pa.array(here, pa.int64())) if columns.num_columns else pa.table({})
        pictures = [data for data in found if isinstance(data, bytes)]
        yield Batch(table, len(some), faults, [keys[i] for i in some], pictures, len(keys), notes)


def laid_out(table: pa.Table, images: UInt8 | None, out: Path) -> Iterator[tuple[str, bytes]]:
    """Each record's path and PNG file, in the order of the table. DataError for columns that folders do not hold."""
    if images is None:
        raise DataError("there are no pictures", path=out.name, remedy="write Parquet, JSON lines or CSV")
    rest = [name for name in table.column_names if name not in ("label", "split")]
    if rest:
        raise DataError(
            f"folders hold a class and a split for each picture, not the columns {', '.join(rest)}",
            path=out.name,
            remedy="write Parquet, or leave those columns out",
        )
    splits = table.column("split").to_pylist() if "split" in table.column_names else None
    labels = table.column("label").to_pylist() if "label" in table.column_names else [None] * len(images)
    taken: set[str] = set()
    for i, pixels in enumerate(images):
        data = encode_png(pixels)
        above = [folder_name(value, out) for value in ([splits[i]] if splits else []) + [labels[i]] if value is not None]
        yield free_name("/".join([*above, sha256(data).hexdigest()[:NAME]]), taken), data


def by_name(keys: Sequence[str]) -> Layout:
    """Where records with these paths stand when they are read: in the order of the UTF-8 bytes."""
    order = np.array(sorted(range(len(keys)), key=lambda i: keys[i].encode()), np.int64)
    row = np.empty(len(keys), np.int64)
    row[order] = np.arange(len(keys))
    return Layout(row, tuple(keys))


def columns_of(keys: Sequence[str]) -> pa.Table:
    """The label and split that the paths of pictures tell; no column that they do not."""
    parts = _below([PurePosixPath(key).parts for key in keys])
    split = all(len(p) >= 2 and p[0].lower() in SPLITS for p in parts)
    places = [place(p, split) for p in parts]
    columns = {}
    if any(name is not None for _, name in places):
        columns["label"] = typed([name for _, name in places])
    if split:
        columns["split"] = pa.array([first for first, _ in places], pa.string())
    return pa.table(columns)
