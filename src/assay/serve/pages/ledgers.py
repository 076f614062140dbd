"""Sources and who approved them, the ledger's events with their proofs, and the service's own audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response

from assay.serve import audit, ledgers, projects
from assay.serve.access import Who
from assay.serve.api.doors import FormDoor, Keep, Look, ServiceHere
from assay.serve.errors import NotFound
from assay.serve.pages.frame import PageRoute, render, see
from assay.serve.shapes import Id, NewApproval, NewApprover, NewLedger, NewSource, Revocation

router = APIRouter(route_class=PageRoute, include_in_schema=False)
EVENTS = 50
Approver = Annotated[Who, Depends(FormDoor("approver", "approve"))]
Line = Annotated[str, Form(max_length=1000)]


@router.get("/projects/{project}/ledger")
def ledger_page(service: ServiceHere, who: Look, project: Id, start: int | None = None) -> Response:
    """Sources and the latest events; where there is no ledger, how to make one."""
    with service.database.read() as db:
        held = projects.get(db, who, project)
        keys = ledgers.approvers(db)
        try:
            ledger = ledgers.get(db, who, service.files, project)
        except NotFound:
            return render("ledger_none.html.j2", who, project=held, keys=keys)
        sources = ledgers.sources(db, who, service.files, project)
        first = max(0, ledger.size - EVENTS) if start is None else max(0, min(start, ledger.size - 1))
        events = ledgers.events(db, who, service.files, project, first, EVENTS)
    return render("ledger.html.j2", who, project=held, ledger=ledger, sources=sources, events=events, limit=EVENTS, keys=keys)


@router.post("/projects/{project}/ledger")
def make_ledger(
    service: ServiceHere, who: Annotated[Who, Depends(FormDoor("admin", "admin"))], project: Id, origin: Line, approvers: Line,
    threshold: Annotated[int, Form()] = 1,
) -> Response:  # fmt: skip
    named = approvers.replace(",", " ").split()
    new = NewLedger.model_validate({"origin": origin, "approvers": named, "threshold": threshold})
    with service.database.write() as db:
        ledgers.create(db, who, service.files, service.settings, project, new)
    return see(f"/projects/{project}/ledger")


@router.post("/account/approver")
def make_approver(service: ServiceHere, who: Approver, passphrase: Line) -> Response:
    """An approver's key, kept sealed under a passphrase that the service does not keep."""
    with service.database.write() as db:
        ledgers.set_approver(db, who, NewApprover(passphrase=passphrase))
    return see("/account")


@router.post("/projects/{project}/sources")
def register(
    service: ServiceHere, who: Annotated[Who, Depends(FormDoor("reviewer", "write"))], project: Id, source: Line, licence: Line,
    contact: Line, method: Line, url: Line = "",
) -> Response:  # fmt: skip
    new = NewSource(source=source, licence=licence, contact=contact, method=method, url=url)
    with service.database.write() as db:
        ledgers.register(db, who, service.files, service.settings, project, new)
    return see(f"/projects/{project}/ledger")


@router.post("/projects/{project}/sources/approve")
def approve(service: ServiceHere, who: Approver, project: Id, source: Line, expires: Line, passphrase: Line, rows: Line = "") -> Response:
    """One person's approval, signed with their own key."""
    new = NewApproval.model_validate(
        {"scope": {"expires": expires, "rows": int(rows) if rows.isdigit() else None}, "passphrase": passphrase}
    )
    with service.database.write() as db:
        ledgers.approve(db, who, service.files, service.settings, project, source, new)
    return see(f"/projects/{project}/ledger")


@router.post("/projects/{project}/sources/revoke")
def revoke(service: ServiceHere, who: Approver, project: Id, source: Line, reason: Line, passphrase: Line) -> Response:
    with service.database.write() as db:
        ledgers.revoke(db, who, service.files, service.settings, project, source, Revocation(reason=reason, passphrase=passphrase))
    return see(f"/projects/{project}/ledger")


@router.get("/audit")
def audit_page(service: ServiceHere, who: Keep, before: int | None = None) -> Response:
    """What was done in this service, by whom."""
    with service.database.read() as db:
        notes = audit.listing(db, who, before, EVENTS)
    return render("audit.html.j2", who, notes=notes, limit=EVENTS)
