"""Sources, approvals, the ledger and its log, and the audit log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path as PathPart
from fastapi import Query, Response

from assay.serve import audit, ledgers
from assay.serve.api.doors import Approve, Keep, Look, ServiceHere, Write
from assay.serve.api.paging import Limit
from assay.serve.api.router import noun
from assay.serve.shapes import (
    Approver,
    AuditNote,
    Id,
    Ingest,
    Job,
    Ledger,
    LedgerEvents,
    NewApproval,
    NewApprover,
    NewLedger,
    NewSource,
    Revocation,
    Source,
    TraceOut,
)

router = noun("ledger")
SourceName = Annotated[str, PathPart(min_length=1, max_length=200)]
Start = Annotated[int, Query(ge=0, lt=2**53)]
ANY_BYTES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}, "text/plain": {}}}}


@router.get("/me/approver")
def my_approver(service: ServiceHere, who: Look) -> Approver:
    with service.database.read() as db:
        return ledgers.approver(db, who)


@router.put("/me/approver", status_code=201)
def set_approver(service: ServiceHere, who: Approve, new: NewApprover) -> Approver:
    """Name the key with which one approves sources, or have one made and sealed under a passphrase. Once."""
    with service.database.write() as db:
        return ledgers.set_approver(db, who, new)


@router.post("/projects/{project}/ledger", status_code=201)
def make_ledger(service: ServiceHere, who: Keep, project: Id, new: NewLedger) -> Ledger:
    with service.database.write() as db:
        return ledgers.create(db, who, service.files, service.settings, project, new)


@router.get("/projects/{project}/ledger")
def get_ledger(service: ServiceHere, who: Look, project: Id) -> Ledger:
    with service.database.read() as db:
        return ledgers.get(db, who, service.files, project)


@router.get("/projects/{project}/ledger/events")
def list_events(service: ServiceHere, who: Look, project: Id, start: Start = 0, limit: Limit = 100) -> LedgerEvents:
    """Events, each checked against the signed root."""
    with service.database.read() as db:
        return ledgers.events(db, who, service.files, project, start, limit)


@router.get("/projects/{project}/ledger/events/{number}/proof", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_proof(service: ServiceHere, who: Look, project: Id, number: Annotated[int, PathPart(ge=0, lt=2**53)]) -> Response:
    """The inclusion proof of an event, as c2sp.org/tlog-proof writes it."""
    with service.database.read() as db:
        return Response(ledgers.proof(db, who, service.files, project, number), media_type="text/plain; charset=utf-8")


@router.get("/projects/{project}/log/{path:path}", response_class=Response, responses=ANY_BYTES)
def get_log(service: ServiceHere, who: Look, project: Id, path: str) -> Response:
    """The log as c2sp.org/tlog-tiles lays it out: `checkpoint`, `tile/L/N`, `tile/entries/N`. Give this URL as its prefix."""
    with service.database.read() as db:
        return _published(*ledgers.log_file(db, who, service.files, project, path))


def _published(held: bytes, fixed: bool) -> Response:
    if fixed:
        return Response(held, media_type="application/octet-stream", headers={"cache-control": "private, max-age=31536000, immutable"})
    return Response(held, media_type="text/plain; charset=utf-8", headers={"cache-control": "no-cache"})


@router.get("/projects/{project}/sources")
def list_sources(service: ServiceHere, who: Look, project: Id) -> list[Source]:
    with service.database.read() as db:
        return ledgers.sources(db, who, service.files, project)


@router.post("/projects/{project}/sources", status_code=201)
def register_source(service: ServiceHere, who: Write, project: Id, new: NewSource) -> Source:
    """Describe a source. It may bring nothing before enough approvers agree."""
    with service.database.write() as db:
        return ledgers.register(db, who, service.files, service.settings, project, new)


@router.get("/projects/{project}/sources/{source}")
def get_source(service: ServiceHere, who: Look, project: Id, source: SourceName) -> Source:
    with service.database.read() as db:
        return ledgers.source(db, who, service.files, project, source)


@router.post("/projects/{project}/sources/{source}/approvals", status_code=201)
def approve_source(service: ServiceHere, who: Approve, project: Id, source: SourceName, new: NewApproval) -> Source:
    """Approve it with one's own key; it stands when enough persons have, to the same scope."""
    with service.database.write() as db:
        return ledgers.approve(db, who, service.files, service.settings, project, source, new)


@router.post("/projects/{project}/sources/{source}/revocation", status_code=201)
def revoke_source(service: ServiceHere, who: Approve, project: Id, source: SourceName, asked: Revocation) -> Source:
    """Revoke it; one approver is enough."""
    with service.database.write() as db:
        return ledgers.revoke(db, who, service.files, service.settings, project, source, asked)


@router.post("/projects/{project}/ledger/ingest", status_code=202)
def ingest(service: ServiceHere, who: Write, project: Id, new: Ingest) -> Job:
    """Log the rows of a data set as brought by a source, and take a snapshot where it is named. A worker does it."""
    with service.database.write() as db:
        return ledgers.ask_ingest(db, who, service.files, project, new)


@router.get("/scans/{scan}/trace")
def trace(service: ServiceHere, who: Look, scan: Id, finding: Annotated[str | None, Query(max_length=100)] = None) -> TraceOut:
    """Who brought the rows of a finding, and what holds them."""
    with service.database.read() as db:
        return service.traces.of(db, who, scan, finding)


@router.get("/audit", tags=["service"])
def list_audit(
    service: ServiceHere,
    who: Keep,
    before: Annotated[int | None, Query(ge=0, lt=2**53, description="Notes before this one")] = None,
    limit: Limit = 100,
) -> list[AuditNote]:
    """What was done, the newest first."""
    with service.database.read() as db:
        return audit.listing(db, who, before, limit)


@router.get("/audit/log/{path:path}", response_class=Response, responses=ANY_BYTES, tags=["service"])
def get_audit_log(service: ServiceHere, who: Keep, path: str) -> Response:
    """The audit log, laid out as a ledger's."""
    return _published(*ledgers.published(service.settings.files / "audit", path))
