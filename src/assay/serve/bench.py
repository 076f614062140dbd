"""What a job is done with, and the data behind a data set, as readers take it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assay.dataset.data import Columns, Task
from assay.dataset.limits import Progress
from assay.serve.database import Database
from assay.serve.files import Files, unpack
from assay.serve.records import DatasetRecord, JobRecord
from assay.serve.settings import Settings
from assay.serve.shapes import ColumnNames


@dataclass(frozen=True)
class Bench:
    """What a job is done with."""

    database: Database
    files: Files
    settings: Settings


Work = Callable[[Bench, JobRecord, Progress], None]
Failure = Callable[[Bench, JobRecord, str], None]


def source(files: Files, held: DatasetRecord) -> Path:
    """The data as a reader takes it: the file, or the folder that an archive held (unpacked once).

    An archive with one folder in it stands for that folder.
    """
    original = files.original(held.project_id, held.id, held.file)
    if original.suffix.lower() != ".zip":
        return original
    out = original.parent.with_name("unpacked")
    if not out.exists():
        fresh = out.with_name(".unpacking")
        shutil.rmtree(fresh, ignore_errors=True)
        unpack(original, fresh, files.bounds)
        fresh.rename(out)
    inside = list(out.iterdir())
    return inside[0] if len(inside) == 1 else out


def asked(held: DatasetRecord) -> tuple[Columns, Task | None]:
    """The columns and the task as the uploader named them."""
    names = ColumnNames.model_validate(held.asked)
    columns = Columns(tuple(names.content), tuple(names.label), names.id, names.contributor, names.source, names.time)
    return columns, names.task
