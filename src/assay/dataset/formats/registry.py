"""Every format that is read, one line each, the more particular first: the first that recognises a path reads it.

Others add theirs under the entry point group "assay.formats": a class derived from `assay.dataset.formats.base.Format`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from zipfile import is_zipfile

from assay.dataset.errors import DataError
from assay.dataset.formats.arrow import Arrow
from assay.dataset.formats.base import Format, visible_files
from assay.dataset.formats.delimited import Delimited
from assay.dataset.formats.hugging_face import HuggingFace
from assay.dataset.formats.idx import Idx
from assay.dataset.formats.image_folder import ImageFolder
from assay.dataset.formats.json_list import JsonList
from assay.dataset.formats.jsonl import JsonLines
from assay.dataset.formats.labelled_images import LabelledImages
from assay.dataset.formats.npz import Npz
from assay.dataset.formats.parquet import Parquet
from assay.dataset.formats.text import TextFiles, TextLines
from assay.dataset.formats.text_folder import TextFolder
from assay.dataset.formats.webdataset import WebDataset
from assay.dataset.formats.zipped_images import ZippedImages

FORMATS: tuple[type[Format], ...] = (
    HuggingFace,
    Parquet,
    JsonLines,
    JsonList,
    Delimited,
    Arrow,
    Npz,
    Idx,
    WebDataset,
    ZippedImages,
    LabelledImages,
    ImageFolder,
    TextFolder,
    TextFiles,
    TextLines,
)

PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".npy")


@cache
def formats() -> tuple[Format, ...]:
    """All formats, ours before those of others."""
    others = [entry.load() for entry in entry_points(group="assay.formats")]
    return tuple(kind() for kind in (*FORMATS, *others))


def named(name: str) -> Format:
    """The format of that name. Raises KeyError."""
    return {form.name: form for form in formats()}[name]


def recognise(path: Path) -> Format:
    """The format of a path that exists. Raises DataError if none recognises it."""
    for form in formats():
        if form.sniff(path):
            return form
    if path.suffix.lower() in PICKLES[:-1]:
        raise DataError(
            "a pickle can run any program when it is loaded, so none is ever loaded",
            path=path,
            remedy="write it as Parquet (pandas: frame.to_parquet) or .npz (NumPy: np.savez) in the program that made it",
        )
    if path.suffix.lower() == ".zip" and path.is_file() and not is_zipfile(path):
        raise DataError("cut short or damaged: no pictures are found", path=path, remedy="fetch the archive again")
    if path.suffix.lower() == ".zip":
        raise DataError("an archive in which no pictures are found", path=path, remedy="unpack it, and scan what was in it")
    seen = path.suffix or "no ending"
    if path.is_dir():
        seen = ", ".join(sorted({file.suffix or "no ending" for file in visible_files(path)})[:8])
    raise DataError(
        f"not a format that is read (found: {seen})",
        path=path,
        remedy="give CSV, TSV, Parquet, JSON lines or a JSON list, plain text, Arrow, .npz with x and y, IDX, a folder or zip archive "
        "class/picture.png, a folder class/document.txt, pictures beside a labels.csv, a saved Hugging Face data set or WebDataset shards",
    )
