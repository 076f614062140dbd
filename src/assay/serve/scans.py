"""Scans: asked for here, done by a worker, and looked at here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assay.report import folder as report_folder
from assay.report.report import Report
from assay.serve import audit, datasets, projects, queue
from assay.serve.access import Who
from assay.serve.errors import Conflict, NotFound
from assay.serve.files import Files
from assay.serve.records import FindingRecord, JobRecord, ScanRecord, new_id
from assay.serve.shapes import Finding, Job, NewScan, Page, RowMark, Scan

PARTS = {"json": report_folder.JSON, "html": report_folder.HTML, "sarif": report_folder.SARIF, "rows": report_folder.ROWS}


def ask(db: Session, who: Who, project: str, new: NewScan) -> Scan:
    """Queue a scan. Raises NotFound for a data set of another project, Conflict for one that could not be read."""
    projects.record(db, who, project, writing=True)
    for id in filter(None, (new.dataset_id, new.trusted_id)):
        data = datasets.record(db, who, id)
        if data.project_id != project:
            raise NotFound("there is no such data set in this project")
        if data.state == "failed":
            raise Conflict(f"the data set could not be read: {data.error}", "upload it again")
    id = new_id()
    job = queue.put(db, who, "scan", id, project, {})
    made = ScanRecord(
        id=id,
        project_id=project,
        dataset_id=new.dataset_id,
        job_id=job.id,
        created_by=who.name,
        settings=new.model_dump(exclude={"dataset_id"}),
        checks=[],
        sensitivity=[],
        blind_spots=[],
        notes=[],
    )
    db.add(made)
    db.flush()
    audit.note(db, who, "scan.asked", id, project, dataset=new.dataset_id, settings=made.settings)
    return _shape(db, made)


def record(db: Session, who: Who, id: str) -> ScanRecord:
    found = db.get(ScanRecord, id)
    if found is None:
        raise NotFound("there is no such scan")
    who.within(found.project_id, "scan")
    return found


def get(db: Session, who: Who, id: str) -> Scan:
    return _shape(db, record(db, who, id))


def listing(db: Session, who: Who, project: str, dataset: str | None = None, after: str | None = None, limit: int = 100) -> Page[Scan]:
    projects.record(db, who, project)
    query = select(ScanRecord).where(ScanRecord.project_id == project)
    if dataset is not None:
        query = query.where(ScanRecord.dataset_id == dataset)
    if after is not None:
        query = query.where(ScanRecord.id < after)
    found = db.scalars(query.order_by(ScanRecord.id.desc()).limit(limit + 1)).all()
    shapes = _shapes(db, found[:limit])
    return Page[Scan](items=shapes, after=found[limit - 1].id if len(found) > limit else None)


def cancel(db: Session, who: Who, id: str) -> Scan:
    """Raises Conflict for one that has ended."""
    queue.cancel(db, who, record(db, who, id).job_id)
    return get(db, who, id)


def findings(db: Session, who: Who, id: str) -> list[Finding]:
    """Strongest first."""
    record(db, who, id)
    found = db.scalars(select(FindingRecord).where(FindingRecord.scan_id == id).order_by(FindingRecord.place))
    return [Finding.model_validate(finding) for finding in found]


def finding(db: Session, who: Who, id: str, name: str) -> Finding:
    record(db, who, id)
    found = db.scalar(select(FindingRecord).where(FindingRecord.scan_id == id, FindingRecord.name == name))
    if found is None:
        raise NotFound(f"the scan has no finding {name!r}")
    return Finding.model_validate(found)


def report_file(db: Session, who: Who, files: Files, id: str, part: str) -> Path:
    """A file of the report: json, html, sarif or rows. Raises NotFound until the scan is done."""
    path = files.report(record(db, who, id).project_id, id) / PARTS[part]
    if not path.is_file():
        raise NotFound("there is no report yet, or it was removed")
    return path


def rows_where(
    db: Session, who: Who, files: Files, id: str, *, finding: str | None, action: str | None, offset: int, limit: int
) -> tuple[list[int], int]:
    """(record numbers, most suspicious first; how many there are): those of one finding, or with one action."""
    import pyarrow.compute as pc

    table = pq.read_table(report_file(db, who, files, id, "rows"), columns=["row", "score", "findings", "action"])
    if finding is not None:
        lists = table["findings"].combine_chunks()
        parents = pc.list_parent_indices(lists).filter(pc.equal(pc.list_flatten(lists), finding))
        table = table.take(parents)
    if action is not None:
        table = table.filter(pc.equal(table["action"], action))
    table = table.set_column(1, "score", pc.fill_null(table["score"], -1.0))  # unreadable rows last
    order = pc.sort_indices(table, [("score", "descending"), ("row", "ascending")])
    return table["row"].take(order[offset : offset + limit]).to_pylist(), table.num_rows


def marks(db: Session, who: Who, files: Files, id: str, dataset: str, numbers: Sequence[int]) -> dict[int, RowMark]:
    """What a scan says of these records. Raises NotFound for a scan of another data set."""
    found = record(db, who, id)
    if found.dataset_id != dataset:
        raise NotFound("this scan is of another data set")
    if not numbers:
        return {}
    table = pq.read_table(
        report_file(db, who, files, id, "rows"),
        columns=["row", "score", "action", "findings", "screens"],
        filters=[("row", "in", set(numbers))],
    )
    return {line.pop("row"): RowMark(**line) for line in table.to_pylist()}


def conclude(db: Session, id: str, report: Report) -> None:
    """Keep what a scan concluded, in place of what an earlier attempt may have left."""
    held = db.get_one(ScanRecord, id)
    document = report.document
    held.verdict, held.exit_code = report.verdict, report.exit_code()
    held.checks = document["checks"]
    held.sensitivity = document["sensitivity"]
    held.blind_spots = list(report.blind_spots)
    held.notes = list(report.data.notes) if report.data is not None else []
    actions = report.rows["action"].to_pylist()
    held.quarantined, held.to_review = actions.count("quarantine"), actions.count("review")
    for old in db.scalars(select(FindingRecord).where(FindingRecord.scan_id == id)):
        db.delete(old)
    db.flush()
    for place, finding in enumerate(document["findings"]):
        db.add(_finding(held, place, finding))


def _finding(held: ScanRecord, place: int, finding: dict[str, Any]) -> FindingRecord:
    return FindingRecord(
        project_id=held.project_id,
        scan_id=held.id,
        place=place,
        name=finding["id"],
        kind=finding["kind"],
        status=finding["status"],
        target=finding["target"],
        row_count=finding["row_count"],
        log10_e=finding.get("log10_e"),
        log10_p=finding.get("log10_p"),
        document={name: value for name, value in finding.items() if name != "rows"},
    )


def _shape(db: Session, held: ScanRecord) -> Scan:
    return _shapes(db, [held])[0]


def _shapes(db: Session, held: Sequence[ScanRecord]) -> list[Scan]:
    """All jobs and counts in two queries, however many scans."""
    ids = [scan.id for scan in held]
    jobs = {job.id: job for job in db.scalars(select(JobRecord).where(JobRecord.id.in_([scan.job_id for scan in held])))}
    counted = select(FindingRecord.scan_id, FindingRecord.status, func.count()).where(FindingRecord.scan_id.in_(ids))
    counts: dict[str, dict[str, int]] = {}
    for of, status, count in db.execute(counted.group_by(FindingRecord.scan_id, FindingRecord.status)):
        counts.setdefault(of, {})[status] = count
    made = []
    for scan in held:
        values = {name: getattr(scan, name) for name in Scan.model_fields if name not in ("job", "findings")}
        made.append(Scan(**values, job=Job.model_validate(jobs[scan.job_id]), findings=counts.get(scan.id, {})))
    return made
