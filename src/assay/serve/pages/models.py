"""Models: what loading each would run, who vouched for it, and which one every alias means."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Response

from assay.serve import aliases, ledgers, models, projects
from assay.serve.access import Who
from assay.serve.api.doors import FormDoor, Look, ServiceHere
from assay.serve.errors import NotFound
from assay.serve.pages.frame import PageRoute, render, see
from assay.serve.shapes import AliasName, Id, Judgement, NewMove

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Approver = Annotated[Who, Depends(FormDoor("approver", "approve"))]
Line = Annotated[str, Form(max_length=1000)]


@router.get("/projects/{project}/models")
def models_page(service: ServiceHere, who: Look, project: Id) -> Response:
    with service.database.read() as db:
        held = projects.get(db, who, project)
        found = models.listing(db, who, project)
        registry = aliases.get(db, who, service.files, project)
    judged = {version.model_id: version for version in registry.versions}
    return render("models.html.j2", who, project=held, models=found.items, registry=registry, judged=judged)


@router.get("/models/{model}")
def model_page(service: ServiceHere, who: Look, model: Id) -> Response:
    with service.database.read() as db:
        held = models.get(db, who, model)
        registry = aliases.get(db, who, service.files, held.project_id)
        try:
            snapshots = ledgers.get(db, who, service.files, held.project_id).snapshots
        except NotFound:
            snapshots = []
    mine = next((version for version in registry.versions if version.model_id == model), None)
    meant = [alias.alias for alias in registry.aliases if alias.model_id == model]
    moves = [move for move in registry.moves if mine is not None and move.version == mine.version]
    return render("model.html.j2", who, model=held, standing=mine, meant=meant, moves=moves, snapshots=snapshots)


@router.post("/models/{model}/judge")
def judge(
    service: ServiceHere, who: Approver, model: Id, state: Annotated[Literal["attested", "withdrawn", "reinstated"], Form()], note: Line
) -> Response:
    with service.database.write() as db:
        aliases.judge(db, who, service.files, model, Judgement(state=state, note=note))
    return see(f"/models/{model}")


@router.post("/models/{model}/alias")
def point(service: ServiceHere, who: Approver, model: Id, alias: Annotated[AliasName, Form()], reason: Line) -> Response:
    with service.database.write() as db:
        project = models.get(db, who, model).project_id
        aliases.point(db, who, service.files, project, alias, NewMove(model_id=model, reason=reason))
    return see(f"/models/{model}")


@router.post("/models/{model}/training")
def training(
    service: ServiceHere, who: Annotated[Who, Depends(FormDoor("reviewer", "write"))], model: Id, snapshot: Line
) -> Response:  # fmt: skip
    with service.database.write() as db:
        models.trained_on(db, who, service.files, service.settings, model, snapshot)
    return see(f"/models/{model}")


@router.post("/projects/{project}/aliases/{alias}/back")
def roll_back(service: ServiceHere, who: Approver, project: Id, alias: AliasName, reason: Line) -> Response:
    with service.database.write() as db:
        aliases.roll_back(db, who, service.files, project, alias, reason)
    return see(f"/projects/{project}/models")
