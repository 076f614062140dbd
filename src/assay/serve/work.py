"""What a worker does for each kind of job. A new kind is one function and one line in `KINDS`.

Each may be done twice, wholly or in part: a worker may die after the work and before it is noted. So each writes whole files and
replaces what an earlier attempt left.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import Any

import numpy as np

from assay import api
from assay.crowd.queue import from_scan
from assay.crowd.review import new_review
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.limits import Progress
from assay.dataset.read import read
from assay.ledger import ingest, snapshots
from assay.model.static import examine
from assay.model.weights import read_weights
from assay.report import folder as report_folder
from assay.serve import audit, ledgers, models, monitors, plots, remedy, reviews, scans, signatures
from assay.serve.access import SYSTEM, Who
from assay.serve.bench import Bench, Failure, Work, asked, source
from assay.serve.errors import ServiceError, relative
from assay.serve.records import DatasetRecord, JobRecord, ModelRecord, MonitorRecord, ReviewRecord, ScanRecord
from assay.serve.rows import write_rows
from assay.serve.shapes import Ingest, NewMonitor, NewReview
from assay.watch.baseline import learn
from assay.watch.events import read_batch
from assay.watch.fields import Fields
from assay.watch.items import Usual
from assay.watch.table_files import events_table
from assay.watch.triggers import Known
from assay.watch.watch import Watch


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
        **api.named(columns),
        task=task,
        trusted=None if good is None else source(bench.files, good),
        ledger=ledger,
        signatures=signatures.source(bench.files) if held.settings.get("signatures") else None,
        alpha=held.settings["alpha"],
        depth=held.settings["depth"],
        seed=held.settings["seed"],
        canaries=held.settings["canaries"],
        resume=report_folder.unfinished(out),
        progress=progress,
    )
    report.write(out)
    plots.keep(report, out.parent)
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


def make_review(bench: Bench, job: JobRecord, progress: Progress) -> None:
    """Rank what a scan puts up for review, deal it to the reviewers, write the review's folder."""
    with bench.database.read() as db:
        held = db.get_one(ReviewRecord, job.subject)
        data = db.get_one(DatasetRecord, held.dataset_id)
    asked_for = NewReview.model_validate(held.asked)
    columns, task = asked(data)
    read_data = read(source(bench.files, data), columns=columns, task=task, progress=progress)
    items = from_scan(bench.files.report(held.project_id, asked_for.scan_id))[: asked_for.rows]
    out = reviews.folder(bench.files, held)
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    classes = asked_for.classes or list(read_data.classes)
    made = new_review(read_data, items, classes, held.reviewers, held.each, np.random.default_rng(asked_for.seed), out)
    with bench.database.write() as db:
        record = db.get_one(ReviewRecord, held.id)
        record.state, record.error, record.rows, record.classes = "ready", None, len(made.tasks), classes


def examine_model(bench: Bench, job: JobRecord, progress: Progress) -> None:
    """Say what loading a model file would run, without loading it."""
    with bench.database.read() as db:
        held = db.get_one(ModelRecord, job.subject)
    found = examine(models.file_of(bench.files, held))
    weights: dict[str, list[int]] = {}
    said = ""
    if found.risk == "none":
        try:
            weights = {name: list(array.shape) for name, array in read_weights(models.file_of(bench.files, held)).items()}
        except DataError as error:
            said = str(error)
    document = {
        "format": found.format,
        "parts": [asdict(part) for part in found.parts],
        "notes": list(found.notes),
        "tensors": weights,
        "weights_not_read": relative(said, bench.files.root) or None,
    }
    with bench.database.write() as db:
        record = db.get_one(ModelRecord, held.id)
        record.state, record.error, record.risk, record.examination = "ready", None, found.risk, document
        audit.note(db, SYSTEM, "model.examined", held.id, held.project_id, risk=found.risk, sha256=held.sha256)


def learn_baseline(bench: Bench, job: JobRecord, progress: Progress) -> None:
    """Learn what is usual from a trusted period, and make the watch."""
    with bench.database.read() as db:
        held = db.get_one(MonitorRecord, job.subject)
        data = db.get_one(DatasetRecord, held.dataset_id)
    asked_for = NewMonitor.model_validate(held.asked)
    fields = Fields.from_json(asked_for.fields)
    events = events_table(source(bench.files, data))
    baseline = learn(events, fields, run_length=asked_for.run_length, alarms_a_year=asked_for.alarms_a_year, block=asked_for.block)
    known = None
    if asked_for.scan_id is not None:
        known = Known.of_report(report_folder.read_json(bench.files.report(held.project_id, asked_for.scan_id)))
    usual = Usual.of(read_batch(events, fields), fields) if asked_for.triggers else None
    out = monitors.folder(bench.files, held.project_id, held.id)
    shutil.rmtree(out, ignore_errors=True)
    Watch.create(out, baseline, usual=usual, known=known).close()
    with bench.database.write() as db:
        record = db.get_one(MonitorRecord, held.id)
        record.state, record.error, record.baseline = "ready", None, baseline.digest


def ingest_rows(bench: Bench, job: JobRecord, progress: Progress) -> None:
    """Log rows as brought by a source, and take a snapshot. Rows that the source brought before are not logged again."""
    with bench.database.read() as db:
        data = db.get_one(DatasetRecord, job.subject)
        who = Who("", job.created_by, "reviewer", frozenset())
        asked_for = Ingest.model_validate(job.payload)
        columns, task = asked(data)
        read_data = read(source(bench.files, data), columns=columns, task=task, progress=progress)
        with ledgers.opened(db, who, bench.files, data.project_id, bench.settings) as ledger:
            if asked_for.source is not None:
                ingest.add(ledger, read_data, asked_for.source, contributor=asked_for.contributor)
            if asked_for.snapshot is not None and asked_for.snapshot not in snapshots.names(ledger):
                snapshots.take(ledger, read_data, asked_for.snapshot)


def _failed(record: type[DatasetRecord] | type[ReviewRecord] | type[ModelRecord] | type[MonitorRecord]) -> Failure:
    def failed(bench: Bench, job: JobRecord, reason: str) -> None:
        with bench.database.write() as db:
            held: Any = db.get_one(record, job.subject)
            if held.state == "reading":
                held.state, held.error = "failed", reason

    return failed


KINDS: dict[str, Work] = {
    "read": read_dataset,
    "scan": scan_dataset,
    "review": make_review,
    "examine": examine_model,
    "baseline": learn_baseline,
    "ingest": ingest_rows,
    "remediate": remedy.remediate,
}
# What else it means that a job failed: what it was to make says so too.
FAILED: dict[str, Failure] = {
    "read": _failed(DatasetRecord),
    "review": _failed(ReviewRecord),
    "examine": _failed(ModelRecord),
    "baseline": _failed(MonitorRecord),
}


def work_of(kind: str) -> Work:
    """Raises ServiceError for a kind of job of another version."""
    if kind not in KINDS:
        raise ServiceError(f"this version knows no job {kind!r}")
    return KINDS[kind]
