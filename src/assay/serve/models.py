"""Model files: taken in, examined by a worker without being loaded, and kept."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay.ledger import snapshots
from assay.serve import audit, ledgers, projects, queue
from assay.serve.access import Who
from assay.serve.errors import Conflict, NotFound
from assay.serve.files import Files, Received
from assay.serve.listing import page
from assay.serve.records import ModelRecord, new_id, next_version
from assay.serve.settings import Settings
from assay.serve.shapes import Model, Page


def reserve(db: Session, who: Who, project: str) -> str:
    """An identifier for a model that is about to be sent."""
    projects.record(db, who, project, writing=True)
    return new_id()


def add(db: Session, who: Who, project: str, id: str, name: str, received: Received) -> Model:
    """`take_in` of what somebody has sent; it is noted."""
    projects.record(db, who, project, writing=True)
    made = take_in(db, who, project, id, name, received)
    audit.note(db, who, "model.uploaded", id, project, name=name, version=made.version, size=received.size, sha256=received.sha256)
    return Model.model_validate(made)


def take_in(db: Session, who: Who, project: str, id: str, name: str, received: Received) -> ModelRecord:
    """A file that lies in its place becomes the next version of the model `name`; a worker examines it."""
    made = ModelRecord(
        id=id,
        project_id=project,
        name=name,
        version=next_version(db, ModelRecord, project, name),
        created_by=who.name,
        file=received.path.name,
        size=received.size,
        sha256=received.sha256,
        state="reading",
        examination={},
    )
    db.add(made)
    db.flush()
    queue.put(db, who, "examine", id, project, {})
    return made


def record(db: Session, who: Who, id: str) -> ModelRecord:
    found = db.get(ModelRecord, id)
    if found is None:
        raise NotFound("there is no such model")
    who.within(found.project_id, "model")
    return found


def get(db: Session, who: Who, id: str) -> Model:
    return Model.model_validate(record(db, who, id))


def listing(db: Session, who: Who, project: str, after: str | None = None, limit: int = 100) -> Page[Model]:
    projects.record(db, who, project)
    return page(db, select(ModelRecord).where(ModelRecord.project_id == project), ModelRecord.id, Model, after, limit)


def version_of(held: ModelRecord) -> str:
    """What a model is called in the registry and in the ledger."""
    return f"{held.name}@{held.version}"


def file_of(files: Files, held: ModelRecord) -> Path:
    return files.model(held.project_id, held.id) / held.file


def trained_on(db: Session, who: Who, files: Files, settings: Settings, id: str, snapshot: str) -> Model:
    """Log on which snapshot of the project's ledger a model was trained; what a finding is traced to, and a rollback goes by.

    Raises NotFound where the ledger has no such snapshot, Conflict where it is logged already.
    """
    held = record(db, who, id)
    with ledgers.opened(db, who, files, held.project_id, settings) as ledger:
        if snapshot not in snapshots.names(ledger):
            raise NotFound(f"the ledger has no snapshot {snapshot!r}", f"there are: {', '.join(snapshots.names(ledger)) or 'none'}")
        known = ledger.index.db.execute("select 1 from models where digest = ? and snapshot = ?", (held.sha256, snapshot)).fetchone()
        if known is not None:
            raise Conflict("that is logged already")
        ledger.record([("model.trained", {"model": version_of(held), "digest": held.sha256, "snapshot": snapshot})])
    audit.note(db, who, "model.trained", id, held.project_id, snapshot=snapshot, sha256=held.sha256)
    return Model.model_validate(held)
