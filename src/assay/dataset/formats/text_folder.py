"""A folder of texts: class/document.txt, with train, val or test above the classes where there are such."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import ClassVar

import pyarrow as pa

from assay.dataset.cells import typed
from assay.dataset.edits import Edit, Gone
from assay.dataset.errors import DataError
from assay.dataset.formats.base import BESIDE, Batch, Format, Int, Layout, UInt8, counted, few, suffix, visible_names
from assay.dataset.formats.image_folder import NAME, SPLITS, by_name, folder_name, free_name, place
from assay.dataset.formats.text import BOM, COLUMN, PLAIN, WHOLE
from assay.dataset.limits import Limits

FEWEST = 10  # documents of a class, on average: folders of fewer are rather chapters than classes
UNLABELLED = ("unsup", "unlabeled", "unlabelled", "unsupervised")  # folders of documents that have no class
TOGETHER = 256  # documents of one batch, at most: each may be long


class TextFolder(Format):
    """Every file is a document, its label the name of its folder (below a split): pos/0.txt, train/spam/17.txt.

    A document that is not UTF-8 or cannot be opened is counted and listed. Columns: `text`, `label`, and `split` where there are splits;
    the key is the relative path. Deeper trees, fewer than two classes or ten documents a class are no labels (see `TextFiles`).
    """

    name = "text_folder"
    suffixes: ClassVar[tuple[str, ...]] = PLAIN

    def sniff(self, path: Path) -> bool:
        return path.is_dir() and bool(_documents(path)[0])

    def batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        keys, beside = _documents(path)
        columns = _columns(keys)
        notes = ["Every file is a document, and the name of its folder the label; if folders are no labels: --task none."]
        if beside:
            notes.append(f"{counted(len(beside), 'file')} beside the documents of the classes passed over ({few(beside)}).")
        for start in range(0, len(keys), TOGETHER):
            some = keys[start : start + TOGETHER]
            texts, faults = [], {}
            for at, name in enumerate(some):
                text, fault = _read(path / name, limits)
                if fault is None:
                    texts.append(text)
                else:
                    faults[at] = fault
            here = [start + at for at in range(len(some)) if at not in faults]
            table = columns.take(pa.array(here, pa.int64())).add_column(0, COLUMN, pa.array(texts, pa.string()))
            yield Batch(table, len(some), faults, some, total=len(keys), notes=notes)

    def without(self, path: Path, drop: Int, limits: Limits) -> tuple[list[Edit], int]:
        files, _ = _documents(path)
        return [Gone(path / files[i]) for i in drop.tolist() if 0 <= i < len(files)], len(files)

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        """Files under [split/]label/, each named after its content."""
        if images is not None or set(table.column_names) - {"split"} != {COLUMN, "label"}:
            raise DataError(
                "folders hold a text, a label and a split, no other columns", path=out.name, remedy="write JSON lines or Parquet"
            )
        splits = table.column("split").to_pylist() if "split" in table.column_names else None
        keys: list[str] = []
        taken: set[str] = set()
        for i, (text, label) in enumerate(zip(table.column(COLUMN).to_pylist(), table.column("label").to_pylist(), strict=True)):
            data = (text or "").encode()
            above = [folder_name(value, out) for value in ([splits[i]] if splits else []) + [UNLABELLED[0] if label is None else label]]
            keys.append(free_name("/".join([*above, sha256(data).hexdigest()[:NAME]]), taken, ".txt"))
            (out / keys[-1]).parent.mkdir(parents=True, exist_ok=True)
            (out / keys[-1]).write_bytes(data)
        return by_name(keys)


def _documents(path: Path) -> tuple[list[str], list[str]]:
    """The documents below class folders, none where the folders are rather something else; and what lies beside them."""
    parts = [(name, PurePosixPath(name).parts) for name in visible_names(path)]
    depth = 3 if all(p[0].lower() in SPLITS for _, p in parts if len(p) > 1) else 2
    if any(len(p) > depth or (len(p) == depth and suffix(name) not in (*PLAIN, *BESIDE)) for name, p in parts):
        return [], []
    found = [name for name, p in parts if len(p) == depth and suffix(name) in PLAIN]
    classes = Counter(PurePosixPath(name).parts[-2] for name in found)
    labelled = [count for name, count in classes.items() if name.lower() not in UNLABELLED]
    if len(labelled) < 2 or min(labelled) < 2 or sum(labelled) < FEWEST * len(labelled):
        return [], []
    short = sum(_size(path / name) <= WHOLE for name in found)  # longer ones are shards, with a document a line
    read = set(found)
    return (found, [name for name, _ in parts if name not in read]) if 2 * short > len(found) else ([], [])


def _size(file: Path) -> int:
    """In bytes; of a link that leads nowhere none, which is told when it is read."""
    return file.stat().st_size if file.exists() else 0


def _columns(keys: list[str]) -> pa.Table:
    parts = [PurePosixPath(key).parts for key in keys]
    split = len(parts[0]) == 3
    places = [place(p, split) for p in parts]
    columns = {"label": typed([None if name is None or name.lower() in UNLABELLED else name for _, name in places])}
    if split:
        columns["split"] = pa.array([first for first, _ in places], pa.string())
    return pa.table(columns)


def _read(file: Path, limits: Limits) -> tuple[str, str | None]:
    """A document's text, and why there is none."""
    try:
        if file.stat().st_size > limits.field:
            return "", f"longer than {limits.field:,} bytes; a larger Limits(field=...) reads it"
        return file.read_bytes().removeprefix(BOM).rstrip(b"\r\n").decode(), None
    except UnicodeDecodeError as error:
        return (
            "",
            f"not UTF-8 (byte 0x{error.object[error.start]:02x} at byte {error.start:,}): iconv -f WINDOWS-1252 -t UTF-8 mends such files",
        )
    except OSError as error:
        return "", f"cannot be opened ({error.strerror or error})"
