"""Jobs in the data base: each is done by one worker at a time, and none is lost when a worker, or the whole machine, dies.

A worker *takes* the oldest job that is queued, or whose lease has run out, by one conditional UPDATE: of two that try, one sees that
it changed a row. It renews the lease while it works. A job whose worker died is taken again, and goes on from the stages it had
finished; after `ATTEMPTS` deaths it fails, for it may be what kills them.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import CursorResult, and_, or_, select, update
from sqlalchemy.orm import Session

from assay.serve import audit
from assay.serve.access import Who
from assay.serve.errors import Conflict, NotFound
from assay.serve.listing import page
from assay.serve.records import JobRecord, now
from assay.serve.shapes import Job, Page

LEASE = 30_000  # milliseconds: a worker renews every 2 s, so that only a dead or stopped one loses it
ATTEMPTS = 3
OPEN = ("queued", "running")


def put(db: Session, who: Who, kind: str, subject: str, project: str | None, payload: dict[str, Any]) -> JobRecord:
    job = JobRecord(kind=kind, project_id=project, subject=subject, created_by=who.name, payload=payload, state="queued")
    db.add(job)
    db.flush()
    return job


def take(db: Session, worker: str) -> JobRecord | None:
    """The next job, leased to `worker`; None where nothing waits."""
    while True:
        moment = now()
        free = or_(JobRecord.state == "queued", and_(JobRecord.state == "running", JobRecord.lease < moment))
        job = db.scalar(select(JobRecord).where(free).order_by(JobRecord.id).limit(1).execution_options(populate_existing=True))
        if job is None:
            return None
        values: dict[str, Any]
        if job.attempts >= ATTEMPTS:
            said = f"{job.attempts} workers died at it, the last {job.worker}"
            values = {"state": "failed", "ended": moment, "error": said}
        elif job.cancel:
            values = {"state": "cancelled", "ended": moment}
        else:
            values = {"state": "running", "worker": worker, "lease": moment + LEASE}
            values |= {"attempts": job.attempts + 1, "started": job.started or moment}
        same = (JobRecord.id == job.id, JobRecord.state == job.state, JobRecord.attempts == job.attempts, free)
        changed = _changed(db, *same, values=values)
        if changed and values["state"] == "running":
            db.refresh(job)
            return job


def renew(db: Session, job: str, worker: str, progress: float, what: str) -> bool:
    """Keep the lease and say how far it is; False where the job is no longer this worker's, or is to be given up."""
    mine = (JobRecord.id == job, JobRecord.worker == worker, JobRecord.state == "running")
    kept = _changed(db, *mine, values={"lease": now() + LEASE, "progress": progress, "what": what[:200]})
    return kept and not db.scalar(select(JobRecord.cancel).where(JobRecord.id == job))


def end(db: Session, job: str, worker: str, state: str, error: str | None = None) -> bool:
    """Done, failed or cancelled. False, and nothing is changed, where the job is no longer this worker's."""
    mine = (JobRecord.id == job, JobRecord.worker == worker, JobRecord.state == "running")
    values: dict[str, Any] = {"state": state, "ended": now(), "error": error, "lease": None}
    if state == "done":
        values |= {"progress": 1.0, "what": "done"}
    return _changed(db, *mine, values=values)


def abandon(db: Session, worker: str) -> int:
    """Put back what a worker had that is known to be dead; how many jobs. Its attempt counts."""
    mine = (JobRecord.worker == worker, JobRecord.state == "running")
    result = db.execute(update(JobRecord).where(*mine).values(state="queued", lease=None))
    return cast("CursorResult[Any]", result).rowcount


def release(db: Session, job: str, worker: str) -> None:
    """Put back a job that a worker was asked to leave (a shutdown). Its attempt does not count."""
    mine = (JobRecord.id == job, JobRecord.worker == worker, JobRecord.state == "running")
    _changed(db, *mine, values={"state": "queued", "lease": None, "attempts": JobRecord.attempts - 1})


def cancel(db: Session, who: Who, id: str) -> Job:
    """Ask that a job be given up: at once where it waits, at its next step where it runs."""
    job = record(db, who, id)
    if job.state not in OPEN:
        raise Conflict(f"the job is {job.state} already")
    job.cancel = True
    _changed(db, JobRecord.id == id, JobRecord.state == "queued", values={"state": "cancelled", "ended": now()})
    db.flush()
    db.refresh(job)
    audit.note(db, who, "job.cancelled", id, job.project_id, kind=job.kind, of=job.subject)
    return Job.model_validate(job)


def record(db: Session, who: Who, id: str) -> JobRecord:
    job = db.get(JobRecord, id, populate_existing=True)
    if job is None:
        raise NotFound("there is no such job")
    who.within(job.project_id, "job")
    return job


def get(db: Session, who: Who, id: str) -> Job:
    return Job.model_validate(record(db, who, id))


def listing(
    db: Session, who: Who, project: str | None = None, state: str | None = None, after: str | None = None, limit: int = 100
) -> Page[Job]:
    query = select(JobRecord)
    for column, value in ((JobRecord.project_id, who.project), (JobRecord.project_id, project), (JobRecord.state, state)):
        if value is not None:
            query = query.where(column == value)
    return page(db, query, JobRecord.id, Job, after, limit)


def of_subject(db: Session, who: Who, subject: str) -> list[Job]:
    """Jobs about one thing, the newest first."""
    found = db.scalars(select(JobRecord).where(JobRecord.subject == subject).order_by(JobRecord.id.desc()))
    return [Job.model_validate(job) for job in found if who.project in (None, job.project_id)]


def _changed(db: Session, *where: Any, values: dict[str, Any]) -> bool:
    result = db.execute(update(JobRecord).where(*where).values(**values).execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount == 1
