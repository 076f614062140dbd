"""Incidents: what was seen, what was done about it, by whom and when. The time line is only ever added to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay.serve import audit, monitors, projects, scans
from assay.serve.access import Who
from assay.serve.errors import Conflict, NotFound
from assay.serve.listing import page
from assay.serve.monitors import Watches
from assay.serve.records import IncidentEventRecord, IncidentRecord
from assay.serve.shapes import Incident, IncidentChange, IncidentEvent, NewIncident, Page
from assay.watch.incident import CHECKLIST
from assay.watch.incident import record as alert_record


def create(db: Session, who: Who, watches: Watches, project: str, new: NewIncident) -> Incident:
    """Begin one; what a finding or an alert says of itself becomes the first of its time line."""
    projects.record(db, who, project, writing=True)
    seen: dict[str, Any] = {}
    if new.scan_id is not None:
        if scans.record(db, who, new.scan_id).project_id != project:
            raise NotFound("there is no such scan in this project")
        if new.finding is not None:
            seen = {"finding": scans.finding(db, who, new.scan_id, new.finding).document}
    if new.monitor_id is not None:
        held = monitors.ready(db, who, new.monitor_id)
        if held.project_id != project:
            raise NotFound("there is no such monitor in this project")
        if new.alert is not None:
            with watches.use(project, held.id) as watch:
                seen |= {"alert": alert_record(watch, new.alert)}
    steps = [{"step": step, "done": False, "by": None} for step in CHECKLIST]
    made = IncidentRecord(project_id=project, created_by=who.name, state="open", steps=steps, **new.model_dump())
    db.add(made)
    db.flush()
    _add(db, who, made.id, "opened", seen)
    audit.note(db, who, "incident.opened", made.id, project, title=new.title)
    return _shape(db, made)


def record(db: Session, who: Who, id: str) -> IncidentRecord:
    found = db.get(IncidentRecord, id)
    if found is None:
        raise NotFound("there is no such incident")
    who.within(found.project_id, "incident")
    return found


def get(db: Session, who: Who, id: str) -> Incident:
    return _shape(db, record(db, who, id))


def listing(db: Session, who: Who, project: str, after: str | None = None, limit: int = 100) -> Page[Incident]:
    """Without their time lines."""
    projects.record(db, who, project)
    return page(db, select(IncidentRecord).where(IncidentRecord.project_id == project), IncidentRecord.id, Incident, after, limit)


def change(db: Session, who: Who, id: str, asked: IncidentChange) -> Incident:
    """Another state, a step done, a note: one entry of the time line."""
    held = record(db, who, id)
    said: dict[str, Any] = {}
    if asked.step is not None:
        if asked.step >= len(held.steps):
            raise Conflict(f"there is no step {asked.step}: they are numbered from 0 to {len(held.steps) - 1}")
        done = {"step": held.steps[asked.step]["step"], "done": asked.done, "by": who.name if asked.done else None}
        held.steps = [done if n == asked.step else step for n, step in enumerate(held.steps)]
        said["step"] = done
    if asked.state is not None:
        held.state = asked.state
        said["state"] = asked.state
    if asked.note:
        said["note"] = asked.note
    _add(db, who, id, asked.state or ("step" if asked.step is not None else "note"), said)
    audit.note(db, who, "incident.changed", id, held.project_id, state=asked.state, step=asked.step)
    return _shape(db, held)


def tell(db: Session, who: Who, id: str, what: str, document: dict[str, Any]) -> None:
    """Add to the time line what was done elsewhere."""
    record(db, who, id)
    _add(db, who, id, what, document)


def _add(db: Session, who: Who, id: str, what: str, document: dict[str, Any]) -> None:
    db.add(IncidentEventRecord(incident_id=id, by=who.name, what=what, document=document))
    db.flush()


def _shape(db: Session, held: IncidentRecord) -> Incident:
    found = db.scalars(select(IncidentEventRecord).where(IncidentEventRecord.incident_id == held.id).order_by(IncidentEventRecord.id))
    shape = Incident.model_validate(held)
    shape.timeline = [IncidentEvent.model_validate(event) for event in found]
    return shape
