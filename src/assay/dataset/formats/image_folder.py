"""A folder of pictures: class/picture.png, with train, val or test above the classes where there are such."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pyarrow as pa

from assay.dataset.cells import typed
from assay.dataset.formats.base import Batch, Format, visible_files
from assay.dataset.limits import Limits
from assay.dataset.pictures import SUFFIXES

READ_TOGETHER = 256  # encoded pictures held at a time: a few MB, or some 100 MB of large photographs
SPLITS = ("train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing", "holdout", "unlabeled")
HIDDEN = (".", "__MACOSX")


def picture_files(folder: Path) -> list[Path]:
    """Every picture below a folder, by the UTF-8 bytes of its POSIX path."""
    return [file for file in visible_files(folder, HIDDEN) if file.suffix.lower() in SUFFIXES]


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


class ImageFolder(Format):
    """The class of a picture is the name of its folder (the topmost, below a split); class names that are all whole
    numbers are numbers, as they would be in a CSV file."""

    name = "image_folder"

    def sniff(self, path: Path) -> bool:
        return path.is_dir() and bool(picture_files(path))

    def batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        files = picture_files(path)
        keys = [file.relative_to(path).as_posix() for file in files]
        columns = self._columns(keys)
        others = len(visible_files(path, HIDDEN)) - len(files)
        notes = [f"{others:,} files in the folder are not pictures by their names and are passed over."] if others else []
        for start in range(0, len(files), READ_TOGETHER):
            some = files[start : start + READ_TOGETHER]
            table = columns.slice(start, len(some)) if columns.num_columns else pa.table({})
            yield Batch(table, len(some), {}, keys[start : start + len(some)], [file.read_bytes() for file in some], notes)

    def _columns(self, keys: list[str]) -> pa.Table:
        parts = _below([PurePosixPath(key).parts for key in keys])
        split = all(len(p) >= 3 and p[0].lower() in SPLITS for p in parts)
        places = [place(p, split) for p in parts]
        columns = {}
        if any(name is not None for _, name in places):
            columns["label"] = typed([name for _, name in places])
        if split:
            columns["split"] = pa.array([first for first, _ in places], pa.string())
        return pa.table(columns)
