"""Remediations of incidents: asked for, looked at, gone on with, taken back."""

from __future__ import annotations

from typing import Literal

from fastapi.responses import FileResponse

from assay.serve import remediations
from assay.serve.api.doors import Approve, Look, ServiceHere
from assay.serve.api.router import noun
from assay.serve.shapes import Id, NewRemediation, Remediation

router = noun("incidents")
Part = Literal["plan", "record", "signature", "journal", "training", "report"]
# The report of the second scan is shut off from everything: it may load nothing and run its own script only.
SHUT = "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


@router.post("/incidents/{incident}/remediations", status_code=202)
def ask_remediation(service: ServiceHere, who: Approve, incident: Id, new: NewRemediation) -> Remediation:
    """Quarantine, revoke the source, remove the rows, roll back, train again, verify, sign: a worker takes the steps. Follow its job."""
    with service.database.write() as db:
        return remediations.ask(db, who, service.files, service.settings, incident, new)


@router.get("/incidents/{incident}/remediations")
def list_remediations(service: ServiceHere, who: Look, incident: Id) -> list[Remediation]:
    """The newest first."""
    with service.database.read() as db:
        return remediations.listing(db, who, incident)


@router.get("/remediations/{remediation}")
def get_remediation(service: ServiceHere, who: Look, remediation: Id) -> Remediation:
    with service.database.read() as db:
        return remediations.get(db, who, remediation)


@router.post("/remediations/{remediation}/resume", status_code=202)
def resume_remediation(service: ServiceHere, who: Approve, remediation: Id) -> Remediation:
    """Go on with the step at which it stopped."""
    with service.database.write() as db:
        return remediations.resume(db, who, remediation)


@router.post("/remediations/{remediation}/undo", status_code=202)
def undo_remediation(service: ServiceHere, who: Approve, remediation: Id) -> Remediation:
    """Take every step back, last first; what cannot be taken back says so."""
    with service.database.write() as db:
        return remediations.undo(db, who, remediation)


@router.get("/remediations/{remediation}/files/{part}", response_class=FileResponse)
def get_remediation_file(service: ServiceHere, who: Look, remediation: Id, part: Part) -> FileResponse:
    """Its plan, record, signature or journal, what training said, or the page of the second scan's report."""
    with service.database.read() as db:
        path = remediations.part_file(db, who, service.files, remediation, part)
    if part == "report":
        return FileResponse(path, media_type="text/html; charset=utf-8", headers={"content-security-policy": SHUT})
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)
