"""Which model serves: a registry for each project (`assay.watch.models`), with versions that people vouched for, and aliases.

Its history is a chain of hashes in a file of its own; what serves asks for an alias, and gets a model of ours.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay.serve import audit, models, projects
from assay.serve.access import Who
from assay.serve.errors import Conflict, NotFound
from assay.serve.files import Files
from assay.serve.records import ModelRecord
from assay.serve.shapes import Alias, Judgement, Move, NewMove, Registry, Version
from assay.watch.models import Models

MOVES = 100  # of the latest that are told


@contextmanager
def opened(files: Files, project: str) -> Iterator[Models]:
    """The project's registry, and nobody else's of this service meanwhile."""
    folder = files.registry(project)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Models.open(folder)


def get(db: Session, who: Who, files: Files, project: str) -> Registry:
    projects.record(db, who, project)
    with opened(files, project) as registry:
        return _shape(db, project, registry)


def current(files: Files, project: str, alias: str) -> str | None:
    """The version that an alias means."""
    with opened(files, project) as registry:
        return registry.current(alias)


def judge(db: Session, who: Who, files: Files, model: str, asked: Judgement) -> Registry:
    """Vouch for a model, withdraw it, or take that back. Raises Conflict for vouching for one whose loading runs code."""
    held = models.record(db, who, model)
    projects.record(db, who, held.project_id, writing=True)
    with opened(files, held.project_id) as registry:
        version = _registered(registry, held, who)
        if asked.state == "attested":
            _check(held)
            registry.attest(version, who.name, asked.note)
        elif asked.state == "withdrawn":
            registry.withdraw(version, who.name, asked.note)
        else:
            registry.reinstate(version, who.name, asked.note)
        audit.note(db, who, f"model.{asked.state}", model, held.project_id, version=version, note=asked.note, head=registry.head)
        return _shape(db, held.project_id, registry)


def point(db: Session, who: Who, files: Files, project: str, alias: str, asked: NewMove) -> Registry:
    """Let an alias mean a model. Raises Conflict for one that was withdrawn, or whose loading runs code."""
    projects.record(db, who, project, writing=True)
    held = models.record(db, who, asked.model_id)
    if held.project_id != project:
        raise NotFound("there is no such model in this project")
    _check(held)
    with opened(files, project) as registry:
        version = _registered(registry, held, who)
        if registry.versions[version].withdrawn:
            raise Conflict(f"{version!r} was withdrawn", "name another model, or reinstate it first")
        registry.point(alias, version, who.name, asked.reason)
        audit.note(db, who, "alias.moved", alias, project, version=version, reason=asked.reason, head=registry.head)
        return _shape(db, project, registry)


def roll_back(db: Session, who: Who, files: Files, project: str, alias: str, reason: str) -> Registry:
    """Withdraw what the alias means, and go back. Raises Conflict where there is nothing to go back to."""
    projects.record(db, who, project, writing=True)
    with opened(files, project) as registry:
        if registry.current(alias) is None:
            raise NotFound(f"there is no alias {alias!r}")
        known = {m.version for m in registry.moves if m.alias == alias} - {registry.current(alias)}
        if not any(registry.versions[name].attested and not registry.versions[name].withdrawn for name in known):
            raise Conflict(f"{alias!r} has meant no attested version before", "attest one, or point the alias by hand")
        move = registry.roll_back(alias, who.name, reason)
        audit.note(db, who, "alias.rolled_back", alias, project, version=move.version, reason=reason, head=registry.head)
        return _shape(db, project, registry)


def _registered(registry: Models, held: ModelRecord, who: Who) -> str:
    name = models.version_of(held)
    if name not in registry.versions:
        registry.add(name, by=who.name, digest=held.sha256)
    return name


def _check(held: ModelRecord) -> None:
    if held.state != "ready":
        raise Conflict(held.error or "the model is still being examined", "wait for its job")
    if held.risk != "none":
        raise Conflict(f"loading {held.file!r} would run code ({held.risk})", "send the weights alone: safetensors, npz or ONNX")


def _shape(db: Session, project: str, registry: Models) -> Registry:
    ids = {models.version_of(held): held.id for held in db.scalars(select(ModelRecord).where(ModelRecord.project_id == project))}
    names = dict.fromkeys(move.alias for move in registry.moves)
    meant = {alias: registry.current(alias) or "" for alias in names}
    return Registry(
        aliases=[Alias(alias=alias, version=version, model_id=ids.get(version)) for alias, version in meant.items()],
        versions=[
            Version(version=v.name, model_id=ids.get(v.name), digest=v.digest, attested=v.attested, withdrawn=v.withdrawn)
            for v in registry.versions.values()
        ],
        moves=[
            Move(alias=m.alias, version=m.version, time=datetime.fromtimestamp(m.time, UTC), by=m.by, reason=m.reason, back=m.back)
            for m in registry.moves[: -MOVES - 1 : -1]
        ],
        head=registry.head,
    )
