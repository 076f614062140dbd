"""Which model serves: versions vouched for or withdrawn, aliases, and going back."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path as PathPart

from assay.serve import aliases, models
from assay.serve.api.doors import Approve, Look, ServiceHere, Write
from assay.serve.api.router import noun
from assay.serve.shapes import AliasName, Back, Id, Judgement, Model, NewMove, Registry, Training

router = noun("models")
Alias = Annotated[AliasName, PathPart()]


@router.get("/projects/{project}/aliases")
def list_aliases(service: ServiceHere, who: Look, project: Id) -> Registry:
    """Aliases, the versions that they may mean, and every move, the latest first."""
    with service.database.read() as db:
        return aliases.get(db, who, service.files, project)


@router.put("/projects/{project}/aliases/{alias}")
def point_alias(service: ServiceHere, who: Approve, project: Id, alias: Alias, move: NewMove) -> Registry:
    """Let an alias mean a model; one whose loading runs nothing, and that was not withdrawn."""
    with service.database.write() as db:
        return aliases.point(db, who, service.files, project, alias, move)


@router.post("/projects/{project}/aliases/{alias}/rollback")
def roll_back(service: ServiceHere, who: Approve, project: Id, alias: Alias, back: Back) -> Registry:
    """Withdraw what it means, and go back to the newest attested version that it meant before."""
    with service.database.write() as db:
        return aliases.roll_back(db, who, service.files, project, alias, back.reason)


@router.post("/models/{model}/judgements", status_code=201)
def judge_model(service: ServiceHere, who: Approve, model: Id, judgement: Judgement) -> Registry:
    """Vouch for a model, withdraw it, or take a withdrawal back. All of it stays in the history."""
    with service.database.write() as db:
        return aliases.judge(db, who, service.files, model, judgement)


@router.post("/models/{model}/training", status_code=201)
def log_training(service: ServiceHere, who: Write, model: Id, training: Training) -> Model:
    """Log on which snapshot of the ledger it was trained: what a finding is traced to, and a rollback goes by."""
    with service.database.write() as db:
        return models.trained_on(db, who, service.files, service.settings, model, training.snapshot)
