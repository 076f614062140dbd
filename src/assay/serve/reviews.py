"""Reviews: people decide on rows, blind to one another. The review itself is the crowd room's folder, its decisions hash-chained."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay.crowd import review as room
from assay.crowd.decisions import Decision, read_decisions, writer
from assay.serve import audit, projects, queue, scans
from assay.serve.access import Who
from assay.serve.errors import Conflict, Forbidden, NotFound, ServiceError
from assay.serve.files import Files
from assay.serve.listing import page
from assay.serve.records import ReviewRecord, UserRecord
from assay.serve.shapes import Look, NewDecision, NewReview, Outcome, Page, Review, ReviewQueue, ReviewStatus, ReviewTask

_LOCKS: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # a review's folder is changed by one request at a time


def ask(db: Session, who: Who, project: str, new: NewReview) -> Review:
    """Have a worker make a review of what a scan puts up for it. Each reviewer is somebody who may decide."""
    projects.record(db, who, project, writing=True)
    scan = scans.record(db, who, new.scan_id)
    if scan.project_id != project:
        raise NotFound("there is no such scan in this project")
    if scan.verdict is None:
        raise Conflict("the scan is not done", "wait for its job")
    for name in new.reviewers:
        _reviewer(db, name)
    if new.each > len(set(new.reviewers)):
        raise ServiceError(f"{new.each} looks a row by {len(set(new.reviewers))} reviewers", "name as many as there are looks a row")
    made = ReviewRecord(
        project_id=project,
        dataset_id=scan.dataset_id,
        scan_id=scan.id,
        name=new.name,
        created_by=who.name,
        state="reading",
        asked=new.model_dump(),
        each=new.each,
        classes=new.classes,
        reviewers=list(dict.fromkeys(new.reviewers)),
    )
    db.add(made)
    db.flush()
    queue.put(db, who, "review", made.id, project, {})
    audit.note(db, who, "review.made", made.id, project, scan=scan.id, reviewers=made.reviewers, each=new.each)
    return Review.model_validate(made)


def _reviewer(db: Session, name: str) -> None:
    found = db.scalar(select(UserRecord).where(UserRecord.name == name))
    if found is None or found.disabled or found.role == "viewer":
        raise ServiceError(f"{name!r} is nobody who may decide on rows", "name users with the role reviewer or more")


def record(db: Session, who: Who, id: str) -> ReviewRecord:
    found = db.get(ReviewRecord, id)
    if found is None:
        raise NotFound("there is no such review")
    who.within(found.project_id, "review")
    return found


def get(db: Session, who: Who, id: str) -> Review:
    return Review.model_validate(record(db, who, id))


def listing(db: Session, who: Who, project: str, after: str | None = None, limit: int = 100) -> Page[Review]:
    projects.record(db, who, project)
    return page(db, select(ReviewRecord).where(ReviewRecord.project_id == project), ReviewRecord.id, Review, after, limit)


def folder(files: Files, held: ReviewRecord) -> Path:
    return files.review(held.project_id, held.id) / "review"


def _open(db: Session, who: Who, files: Files, id: str) -> room.Review:
    held = record(db, who, id)
    if held.state != "ready":
        raise Conflict(f"the review cannot be used: {held.error}" if held.error else "the review is still being made")
    return room.open_review(folder(files, held))


def tasks(db: Session, who: Who, files: Files, id: str, limit: int = 20) -> ReviewQueue:
    """What the caller has yet to decide on, the most valuable first. Raises Forbidden for somebody who has no row in it."""
    opened = _open(db, who, files, id)
    if who.name not in opened.reviewers:
        raise Forbidden("this review has no rows for you", "ask whoever made it")
    pending = opened.pending(who.name)
    items = [ReviewTask(row=task.row, key=task.key) for task in pending[:limit]]
    return ReviewQueue(items=items, left=len(pending), classes=list(opened.classes))


def decide(db: Session, who: Who, files: Files, id: str, new: NewDecision) -> ReviewQueue:
    """Decide on one row, or again while it is open; on disk when this returns. What is left to do comes back."""
    with _LOCKS[id]:
        opened = _open(db, who, files, id)
        mine = next((task for task in opened.tasks if task.row == new.row and who.name in task.reviewers), None)
        if mine is None:
            raise Forbidden(f"row {new.row} is not for you to decide on")
        if new.label is not None and new.label not in opened.classes:
            raise ServiceError(f"{new.label!r} is none of the labels", f"choose among {', '.join(opened.classes[:20])}, or null")
        if any(o.task.row == new.row and o.state != "open" for o in room.outcomes(opened)):
            raise Conflict(f"row {new.row} is settled or escalated: decisions on it stand")
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        with writer(opened.decisions_file(who.name)) as file:
            file.add(Decision(mine.row, mine.key, who.name, new.label, new.reason, at, round(new.seconds, 3)))
    audit.note(db, who, "review.decided", id, record(db, who, id).project_id, row=new.row)
    return tasks(db, who, files, id)


def mine(db: Session, who: Who, files: Files, id: str) -> list[NewDecision]:
    """The caller's own decisions, in the order they were made; a later one on the same row stands."""
    opened = _open(db, who, files, id)
    found = read_decisions(opened.decisions_file(who.name)) if who.name in opened.reviewers else []
    return [NewDecision(row=d.row, label=d.label, reason=d.reason, seconds=d.seconds) for d in found]


def status(db: Session, who: Who, files: Files, id: str) -> ReviewStatus:
    """How far it is. What others said of a row is told once it is settled, and not before: looks are independent."""
    opened = _open(db, who, files, id)
    found = room.outcomes(opened)
    alpha = room.agreement(opened)
    told = [
        Outcome(
            row=o.task.row,
            key=o.task.key,
            state=o.state,
            suspected=o.task.suspected if o.state == "settled" else None,
            label=o.label,
            looks=[Look(reviewer=d.reviewer, label=d.label, reason=d.reason, at=d.at) for d in o.looks] if o.state == "settled" else [],
        )
        for o in found
    ]
    counts = {state: sum(o.state == state for o in found) for state in ("settled", "open", "escalated")}
    left = {name: len(opened.pending(name)) for name in opened.reviewers}
    return ReviewStatus(**counts, alpha=None if math.isnan(alpha) else alpha, left=left, outcomes=told)


def escalate(db: Session, who: Who, files: Files, id: str, reviewer: str) -> ReviewStatus:
    """Give every row on which reviewers disagree to one more, who has not seen it."""
    _reviewer(db, reviewer)
    held = record(db, who, id)
    with _LOCKS[id]:
        room.escalate(_open(db, who, files, id), reviewer)
    if reviewer not in held.reviewers:
        held.reviewers = [*held.reviewers, reviewer]
    audit.note(db, who, "review.escalated", id, held.project_id, reviewer=reviewer)
    return status(db, who, files, id)
