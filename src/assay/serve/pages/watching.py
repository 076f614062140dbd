"""Monitors, their alerts and silences."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Response

from assay.serve import datasets, monitors, projects, scans
from assay.serve.access import Who
from assay.serve.api.doors import FormDoor, Look, ServiceHere
from assay.serve.pages.frame import PageRoute, render, see
from assay.serve.shapes import Answer, Id, NewMonitor, NewSilence

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Writer = Annotated[Who, Depends(FormDoor("reviewer", "write"))]
Decider = Annotated[Who, Depends(FormDoor("reviewer", "review"))]
Line = Annotated[str, Form(max_length=1000)]


@router.get("/projects/{project}/monitors")
def monitors_page(service: ServiceHere, who: Look, project: Id) -> Response:
    with service.database.read() as db:
        held = projects.get(db, who, project)
        found = monitors.listing(db, who, project)
        data = [d for d in datasets.listing(db, who, project, None, 100).items if d.state == "ready"]
        done = [s for s in scans.listing(db, who, project).items if s.verdict in ("poisoned", "suspect")]
    return render("monitors.html.j2", who, project=held, monitors=found.items, datasets=data, scans=done)


@router.post("/projects/{project}/monitors")
def make_monitor(service: ServiceHere, who: Writer, project: Id, name: Line, dataset: Line, scan: Line = "") -> Response:
    new = NewMonitor.model_validate({"name": name, "dataset_id": dataset, "scan_id": scan or None})
    with service.database.write() as db:
        made = monitors.ask(db, who, project, new)
    return see(f"/monitors/{made.id}")


@router.get("/monitors/{monitor}")
def monitor_page(service: ServiceHere, who: Look, monitor: Id) -> Response:
    with service.database.read() as db:
        held = monitors.get(db, who, monitor)
        status = monitors.status(db, who, service.watches, monitor) if held.state == "ready" else None
        alerts = monitors.alerts(db, who, service.watches, monitor) if held.state == "ready" else []
    return render("monitor.html.j2", who, monitor=held, status=status, alerts=sorted(alerts, key=lambda a: -a.id))


@router.post("/monitors/{monitor}/alerts/{number}")
def answer_alert(
    service: ServiceHere, who: Decider, monitor: Id, number: int, state: Annotated[Literal["open", "acknowledged", "closed"], Form()],
    note: Line = "",
) -> Response:  # fmt: skip
    with service.database.write() as db:
        monitors.answer(db, who, service.watches, monitor, number, Answer(state=state, note=note))
    return see(f"/monitors/{monitor}")


@router.post("/monitors/{monitor}/silences")
def silence(service: ServiceHere, who: Decider, monitor: Id, pattern: Line, predictions: Annotated[int, Form()], reason: Line) -> Response:
    with service.database.write() as db:
        monitors.silence(db, who, service.watches, monitor, NewSilence(pattern=pattern, predictions=predictions, reason=reason))
    return see(f"/monitors/{monitor}")
