"""Projects: what belongs together, and who may see it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay.serve import audit
from assay.serve.access import Who
from assay.serve.errors import Conflict, Forbidden, NotFound
from assay.serve.listing import page
from assay.serve.records import ProjectRecord
from assay.serve.shapes import NewProject, Page, Project, ProjectChange


def record(db: Session, who: Who, id: str, *, writing: bool = False) -> ProjectRecord:
    """The record, where the caller may see it. Raises NotFound, and Conflict where an archived project would be written to."""
    who.within(id)
    found = db.get(ProjectRecord, id)
    if found is None:
        raise NotFound("there is no such project")
    if writing and found.archived:
        raise Conflict(f"the project {found.name!r} is archived", "open it again first")
    return found


def get(db: Session, who: Who, id: str) -> Project:
    return Project.model_validate(record(db, who, id))


def listing(db: Session, who: Who, after: str | None = None, limit: int = 100) -> Page[Project]:
    query = select(ProjectRecord)
    if who.project is not None:
        query = query.where(ProjectRecord.id == who.project)
    return page(db, query, ProjectRecord.id, Project, after, limit)


def create(db: Session, who: Who, new: NewProject) -> Project:
    if who.project is not None:
        raise Forbidden("this token is bound to one project")
    if db.scalar(select(ProjectRecord.id).where(ProjectRecord.name == new.name)) is not None:
        raise Conflict(f"there is a project {new.name!r} already", "give another name")
    made = ProjectRecord(name=new.name, about=new.about, created_by=who.name, keep_days=None)
    db.add(made)
    db.flush()
    audit.note(db, who, "project.created", made.id, made.id, name=new.name)
    return Project.model_validate(made)


def change(db: Session, who: Who, id: str, asked: ProjectChange) -> Project:
    found = record(db, who, id)
    said = {k: v for k, v in asked.model_dump(exclude_unset=True).items() if v is not None or k == "keep_days"}  # None: for ever
    for name, value in said.items():
        setattr(found, name, value)
    audit.note(db, who, "project.changed", id, id, **said)
    return Project.model_validate(found)
