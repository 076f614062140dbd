"""Incidents: what was seen, what is done about it with one button, and the time line of it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Response
from sqlalchemy.orm import Session

from assay.dataset.errors import DataError
from assay.serve import aliases, incidents, ledgers, projects, remediations, scans
from assay.serve.access import Who
from assay.serve.api.doors import FormDoor, Look, ServiceHere
from assay.serve.errors import NotFound
from assay.serve.pages.frame import PageRoute, render, see
from assay.serve.service import Service
from assay.serve.shapes import Id, Incident, IncidentChange, Ledger, NewIncident, NewRemediation, Registry, ShareOf

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Decider = Annotated[Who, Depends(FormDoor("reviewer", "review"))]
Approver = Annotated[Who, Depends(FormDoor("approver", "approve"))]
Line = Annotated[str, Form(max_length=1000)]
Severity = Annotated[Literal["notice", "warning", "critical"], Form()]
USUAL = "production"  # the alias that is proposed where there is one of that name
STEPS = {
    "quarantine": "Quarantine the rows",
    "revoke": "Revoke the source",
    "purge": "Remove the rows from the ledger, take a new snapshot",
    "rollback": "Roll the model back",
    "retrain": "Train again",
    "verify": "Verify: scan what is left",
    "sign": "Sign the record",
}


@router.get("/projects/{project}/incidents")
def incidents_page(service: ServiceHere, who: Look, project: Id) -> Response:
    with service.database.read() as db:
        held = projects.get(db, who, project)
        found = incidents.listing(db, who, project)
    return render("incidents.html.j2", who, project=held, incidents=found.items)


@router.post("/projects/{project}/incidents")
def open_incident(
    service: ServiceHere, who: Decider, project: Id, title: Line, severity: Severity = "warning",
    scan: Line = "", finding: Line = "", monitor: Line = "", alert: Line = "",
) -> Response:  # fmt: skip
    new = NewIncident.model_validate(
        {
            "title": title, "severity": severity, "scan_id": scan or None, "finding": finding or None, "monitor_id": monitor or None,
            "alert": int(alert) if alert.isdigit() else None,
        }
    )  # fmt: skip
    with service.database.write() as db:
        made = incidents.create(db, who, service.watches, project, new)
    return see(f"/incidents/{made.id}")


@router.get("/incidents/{incident}")
def incident_page(service: ServiceHere, who: Look, incident: Id) -> Response:
    with service.database.read() as db:
        held = incidents.get(db, who, incident)
        tried = remediations.listing(db, who, incident)
        scan = None if held.scan_id is None else scans.get(db, who, held.scan_id)
        ledger, brought = _sources(service, db, who, held)
        registry = aliases.get(db, who, service.files, held.project_id)
    latest = tried[0] if tried else None
    open_again = latest is None or latest.state in ("shown", "undone") or (latest.state == "stopped" and not latest.steps)
    offered = scan is not None and bool(scan.quarantined) and open_again and who.may("approver", "approve")
    return render(
        "incident.html.j2", who, incident=held, scan=scan, latest=latest, offered=offered, ledger=ledger, sources=brought,
        aliases=_aliases(registry), trainers=remediations.trainers(service.settings), steps=STEPS,
    )  # fmt: skip


def _sources(service: Service, db: Session, who: Who, held: Incident) -> tuple[Ledger | None, list[ShareOf]]:
    """The project's ledger, and which sources brought the rows of the incident's scan; none where the ledger does not know them."""
    try:
        ledger = ledgers.get(db, who, service.files, held.project_id)
    except NotFound:
        return None, []
    if held.scan_id is None:
        return ledger, []
    try:
        return ledger, service.traces.of(db, who, held.scan_id, held.finding).sources
    except (NotFound, DataError):
        return ledger, []


def _aliases(registry: Registry) -> list[str]:
    """Names of aliases, the usual one first."""
    return sorted((alias.alias for alias in registry.aliases), key=lambda name: (name != USUAL, name))


@router.post("/incidents/{incident}")
def change_incident(
    service: ServiceHere,
    who: Decider,
    incident: Id,
    state: Line = "",
    step: Line = "",
    done: Annotated[bool, Form()] = True,
    note: Line = "",
) -> Response:
    """A step done or not any more, another state, or a note."""
    asked = IncidentChange.model_validate(
        {"state": state or None, "step": int(step) if step.isdigit() else None, "done": done, "note": note}
    )
    with service.database.write() as db:
        incidents.change(db, who, incident, asked)
    return see(f"/incidents/{incident}")


@router.post("/incidents/{incident}/remediate")
def remediate(
    service: ServiceHere,
    who: Approver,
    incident: Id,
    revoke: Annotated[list[str] | None, Form()] = None,
    passphrase: Line = "",
    ledger: Annotated[bool, Form()] = False,
    alias: Line = "",
    train: Line = "",
    reason: Line = "",
    show: Annotated[bool, Form()] = False,
) -> Response:
    """The one button; or, with `show`, what it would do."""
    new = NewRemediation.model_validate(
        {
            "ledger": ledger, "revoke": revoke or [], "passphrase": passphrase or None, "alias": alias or None, "train": train or None,
            "reason": reason or None, "dry_run": show,
        }
    )  # fmt: skip
    with service.database.write() as db:
        remediations.ask(db, who, service.files, service.settings, incident, new)
    return see(f"/incidents/{incident}#remediation")


@router.post("/remediations/{remediation}/resume")
def resume(service: ServiceHere, who: Approver, remediation: Id) -> Response:
    with service.database.write() as db:
        held = remediations.resume(db, who, remediation)
    return see(f"/incidents/{held.incident_id}#remediation")


@router.post("/remediations/{remediation}/undo")
def undo(service: ServiceHere, who: Approver, remediation: Id) -> Response:
    with service.database.write() as db:
        held = remediations.undo(db, who, remediation)
    return see(f"/incidents/{held.incident_id}#remediation")
