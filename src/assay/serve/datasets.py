"""Data sets: uploaded, read once by a worker, and then looked at a page of rows at a time."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay.serve import audit, projects, queue
from assay.serve.access import Who
from assay.serve.errors import Conflict, NotFound
from assay.serve.files import Files, Received
from assay.serve.listing import page
from assay.serve.records import DatasetRecord, JobRecord, new_id, next_version
from assay.serve.rows import PICTURE, take_rows
from assay.serve.shapes import ColumnNames, Dataset, Job, Page, RowMark, Rows
from assay.serve.shapes import Row as RowShape


def reserve(db: Session, who: Who, project: str) -> str:
    """An identifier for a data set that is about to be sent. Raises NotFound, or Conflict for an archived project."""
    projects.record(db, who, project, writing=True)
    return new_id()


def add(db: Session, who: Who, project: str, id: str, name: str, received: Received, asked: ColumnNames) -> Dataset:
    """`take_in` of what somebody has sent; it is noted."""
    projects.record(db, who, project, writing=True)
    made = take_in(db, who, project, id, name, received, asked.model_dump(exclude_defaults=True))
    audit.note(db, who, "dataset.uploaded", made.id, project, name=name, version=made.version, size=received.size, sha256=received.sha256)
    return _shape(db, made)


def take_in(db: Session, who: Who, project: str, id: str, name: str, received: Received, asked: dict[str, Any]) -> DatasetRecord:
    """A file that lies in its place becomes the next version of the data set `name`; a worker reads it. `asked`: which columns are what."""
    made = DatasetRecord(
        id=id,
        project_id=project,
        name=name,
        version=next_version(db, DatasetRecord, project, name),
        created_by=who.name,
        file=received.path.name,
        size=received.size,
        sha256=received.sha256,
        state="reading",
        asked=asked,
        columns={},
        classes=[],
        notes=[],
    )
    db.add(made)
    db.flush()
    queue.put(db, who, "read", made.id, project, {})
    return made


def record(db: Session, who: Who, id: str) -> DatasetRecord:
    found = db.get(DatasetRecord, id)
    if found is None:
        raise NotFound("there is no such data set")
    who.within(found.project_id, "data set")
    return found


def get(db: Session, who: Who, id: str) -> Dataset:
    return _shape(db, record(db, who, id))


def listing(db: Session, who: Who, project: str, after: str | None = None, limit: int = 100) -> Page[Dataset]:
    projects.record(db, who, project)
    return page(db, select(DatasetRecord).where(DatasetRecord.project_id == project), DatasetRecord.id, Dataset, after, limit)


def _shape(db: Session, held: DatasetRecord) -> Dataset:
    shape = Dataset.model_validate(held)
    job = db.scalar(select(JobRecord).where(JobRecord.subject == held.id, JobRecord.kind == "read").order_by(JobRecord.id.desc()).limit(1))
    shape.job = None if job is None else Job.model_validate(job)
    return shape


def ready(db: Session, who: Who, id: str) -> DatasetRecord:
    """A data set whose rows can be looked at. Raises Conflict for one that is not read yet, or cannot be."""
    found = record(db, who, id)
    if found.state == "failed":
        raise Conflict(f"the data set could not be read: {found.error}", "upload it again")
    if found.state != "ready":
        raise Conflict("the data set is still being read", "wait for its job")
    return found


def rows(db: Session, who: Who, files: Files, id: str, offset: int, limit: int, scan: str | None = None) -> Rows:
    """Rows `offset` and on; with what a scan says of each, where one is named."""
    from assay.serve import scans

    found = ready(db, who, id)
    path = files.rows(found.project_id, id)
    numbers = range(min(offset, found.rows or 0), min(offset + limit, found.rows or 0))
    table = take_rows(path, list(numbers), pictures=False)
    marks: dict[int, RowMark] = {} if scan is None else scans.marks(db, who, files, scan, id, list(numbers))
    items = [_row(entry, marks) for entry in table.to_pylist()]
    return Rows(items=items, total=found.rows or 0, offset=offset)


def row(db: Session, who: Who, files: Files, id: str, number: int, scan: str | None = None) -> RowShape:
    found = rows(db, who, files, id, number, 1, scan)
    if not found.items:
        raise NotFound(f"there is no row {number}: the data set has {found.total:,}, numbered from 0")
    return found.items[0]


def suspicious(db: Session, who: Who, files: Files, scan: str, *, finding: str | None, action: str | None, offset: int, limit: int) -> Rows:
    """Rows that a scan names, the most suspicious first: the carriers of one finding, those with one action, or all."""
    from assay.serve import scans

    found = ready(db, who, scans.record(db, who, scan).dataset_id)
    numbers, total = scans.rows_where(db, who, files, scan, finding=finding, action=action, offset=offset, limit=limit)
    table = take_rows(files.rows(found.project_id, found.id), numbers, pictures=False)
    told = scans.marks(db, who, files, scan, found.id, numbers)
    return Rows(items=[_row(entry, told) for entry in table.to_pylist()], total=total, offset=offset)


def picture(db: Session, who: Who, files: Files, id: str, number: int) -> bytes:
    """The pixels of one row, as PNG: decoded and encoded by us, whatever was sent."""
    found = ready(db, who, id)
    if number >= (found.rows or 0):
        raise NotFound(f"there is no row {number}: the data set has {found.rows:,}, numbered from 0")
    held = take_rows(files.rows(found.project_id, id), [number], pictures=True).column(PICTURE)[0].as_py()
    if held is None:
        raise NotFound("this row has no picture")
    return bytes(held)


def _row(entry: dict[str, Any], marks: dict[int, RowMark]) -> RowShape:
    return RowShape(
        row=entry["row"],
        key=entry["key"],
        digest=entry["digest"],
        label=entry["label"],
        cells=json.loads(entry["cells"]),
        picture=bool(entry["has_picture"]),
        unreadable=entry["unreadable"],
        mark=marks.get(entry["row"]),
    )
