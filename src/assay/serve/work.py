"""What a worker does for each kind of job. A new kind is one function and one line in `KINDS`.

Each may be done twice, wholly or in part: a worker may die after the work and before it is noted. So each writes whole files and
replaces what an earlier attempt left.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from assay import api
from assay.dataset.data import Columns, Dataset, Task
from assay.dataset.limits import Progress
from assay.dataset.read import read
from assay.report import folder as report_folder
from assay.serve import audit, scans
from assay.serve.access import SYSTEM
from assay.serve.database import Database
from assay.serve.errors import ServiceError
from assay.serve.files import Files, unpack
from assay.serve.records import DatasetRecord, JobRecord, ScanRecord
from assay.serve.rows import write_rows
from assay.serve.settings import Settings
from assay.serve.shapes import ColumnNames


@dataclass(frozen=True)
class Bench:
    """What a job is done with."""

    database: Database
    files: Files
    settings: Settings


Work = Callable[[Bench, JobRecord, Progress], None]


def read_dataset(bench: Bench, job: JobRecord, progress: Progress) -> None:
    """Read an upload once: what it is, and its rows to be looked at."""
    with bench.database.read() as db:
        held = db.get_one(DatasetRecord, job.subject)
    path = source(bench.files, held)
    columns, task = asked(held)
    data = read(path, columns=columns, task=task, progress=progress)
    out = bench.files.rows(held.project_id, held.id)
    out.unlink(missing_ok=True)
    progress(0.0, 0.0, "writing rows")
    write_rows(data, out)
    with bench.database.write() as db:
        _understood(db.get_one(DatasetRecord, held.id), data)


def _understood(held: DatasetRecord, data: Dataset) -> None:
    held.state, held.error = "ready", None
    held.rows, held.modality, held.task = data.records, data.modality, data.task
    held.columns, held.classes, held.notes = asdict(data.columns), list(data.classes), list(data.notes)
    held.fingerprint = data.fingerprint


def read_failed(bench: Bench, job: JobRecord, reason: str) -> None:
    with bench.database.write() as db:
        held = db.get_one(DatasetRecord, job.subject)
        if held.state == "reading":
            held.state, held.error = "failed", reason


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


def scan_dataset(bench: Bench, job: JobRecord, progress: Progress) -> None:
    """Scan, write the report, keep its findings. An attempt after a crash goes on from the stages that were finished."""
    with bench.database.read() as db:
        held = db.get_one(ScanRecord, job.subject)
        data = db.get_one(DatasetRecord, held.dataset_id)
        good = db.get_one(DatasetRecord, held.settings["trusted_id"]) if held.settings.get("trusted_id") else None
    columns, task = asked(data)
    out = bench.files.report(held.project_id, held.id)
    out.parent.mkdir(parents=True, exist_ok=True)
    ledger = bench.files.ledger(held.project_id) if held.settings.get("use_ledger") else None
    report = api.scan(
        source(bench.files, data),
        content=columns.content,
        label=columns.label,
        id=columns.id,
        contributor=columns.contributor,
        source_column=columns.source,
        time=columns.time,
        task=task,
        trusted=None if good is None else source(bench.files, good),
        ledger=ledger,
        alpha=held.settings["alpha"],
        depth=held.settings["depth"],
        seed=held.settings["seed"],
        canaries=held.settings["canaries"],
        resume=report_folder.unfinished(out),
        progress=progress,
    )
    report.write(out)
    with bench.database.write() as db:
        scans.conclude(db, held.id, report)
        audit.note(
            db,
            SYSTEM,
            "scan.concluded",
            held.id,
            held.project_id,
            verdict=report.verdict,
            findings=len(report.findings),
            fingerprint=report.fingerprint,
        )


KINDS: dict[str, Work] = {"read": read_dataset, "scan": scan_dataset}
FAILED: dict[str, Callable[[Bench, JobRecord, str], None]] = {"read": read_failed}  # what else a failure means


def work_of(kind: str) -> Work:
    """Raises ServiceError for a kind of job of another version."""
    if kind not in KINDS:
        raise ServiceError(f"this version knows no job {kind!r}")
    return KINDS[kind]
