"""Remediations: asked for here, done by a worker (`remedy.py`), looked at, gone on with and taken back here.

Who asks is an approver. What only an approver of the ledger may do, revoking a source, is signed with their own key in the request that
asks; nothing here can approve a source, so that one taken back by mistake needs as many persons again as the ledger's policy says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay.flows.remediate import PLAN, RECORD, SIGNED
from assay.flows.steps import LOG
from assay.ledger import approval
from assay.serve import aliases, audit, incidents, ledgers, projects, queue, scans
from assay.serve.access import Who
from assay.serve.errors import Conflict, NotFound, ServiceError
from assay.serve.files import Files
from assay.serve.queue import OPEN
from assay.serve.records import JobRecord, RemediationRecord, new_id
from assay.serve.settings import Settings
from assay.serve.shapes import Job, NewRemediation, Remediation

KIND = "remediate"
PLAIN = "plain"  # the trainer that is always there: `assay.serve.retrain`
OUT = "out"  # of the flow, below a remediation's folder
PARTS = {"plan": PLAN, "record": RECORD, "signature": SIGNED, "journal": "steps.jsonl", "training": LOG, "report": "verify/report.html"}


def trainers(settings: Settings) -> list[str]:
    """Names of the ways to train again."""
    return [PLAIN, *(name for name in settings.trainers if name != PLAIN)]


def ask(db: Session, who: Who, files: Files, settings: Settings, incident: str, new: NewRemediation) -> Remediation:
    """Have a worker do it, or say what it would do. Raises Conflict for an incident without a scan that quarantines something, and while
    another one of that scan is under way or done; Forbidden for a passphrase that is wrong."""
    held = incidents.record(db, who, incident)
    projects.record(db, who, held.project_id, writing=True)
    if held.scan_id is None:
        raise Conflict("no scan belongs to this incident", "open one from a scan's finding: its rows are what is put right")
    scan = scans.record(db, who, held.scan_id)
    scans.report_file(db, who, files, scan.id, "json")
    if not scan.quarantined:
        raise Conflict("this scan quarantines nothing", "have its rows reviewed first: only confirmed findings are acted on")
    _check_others(db, scan.id)
    has_ledger = files.ledger(held.project_id).is_dir()
    use = has_ledger if new.ledger is None else new.ledger
    if use and not has_ledger:
        raise NotFound("the project has no ledger", "an admin makes one; or leave it out")
    if new.revoke and not use:
        raise ServiceError("a source is revoked in a ledger, and none is used", "let the ledger be used, or name no source")
    if new.alias is not None and aliases.current(files, held.project_id, new.alias) is None:
        raise NotFound(f"there is no alias {new.alias!r}")
    if new.train is not None and new.train not in trainers(settings):
        raise NotFound(f"this service knows no way to train called {new.train!r}", f"there are: {', '.join(trainers(settings))}")
    reason = new.reason or f"incident {held.title}"
    notes = {} if new.dry_run else _signed(db, who, files, held.project_id, new, reason)
    asked: dict[str, Any] = {"ledger": use, "revoke": new.revoke, "notes": notes, "alias": new.alias, "train": new.train}
    id = new_id()
    job = queue.put(db, who, KIND, id, held.project_id, {"undo": False})
    made = RemediationRecord(
        id=id,
        project_id=held.project_id,
        incident_id=incident,
        scan_id=scan.id,
        job_id=job.id,
        created_by=who.name,
        asked={**asked, "reason": reason, "dry_run": new.dry_run},
        state="open",
        steps=[],
        undone=[],
        models=[],
    )
    db.add(made)
    db.flush()
    if not new.dry_run:
        said = {name: value for name, value in asked.items() if name != "notes"}
        incidents.tell(db, who, incident, "remediation asked for", {**said, "remediation": id})
        audit.note(db, who, "remediation.asked", id, held.project_id, incident=incident, scan=scan.id, reason=reason, **said)
    return _shape(db, made)


def _check_others(db: Session, scan: str) -> None:
    for other in db.scalars(select(RemediationRecord).where(RemediationRecord.scan_id == scan)):
        state = _state(other, db.get(JobRecord, other.job_id))
        begun = state == "done" or (state == "stopped" and other.steps)
        if state in OPEN or (begun and not other.asked["dry_run"]):
            raise Conflict(f"a remediation of this scan is {state} already", f"look at it, go on with it or take it back: {other.id}")


def _signed(db: Session, who: Who, files: Files, project: str, new: NewRemediation, reason: str) -> dict[str, str]:
    """A revocation of each source, signed by the caller. The passphrase is forgotten with the request."""
    if not new.revoke:
        return {}
    made: dict[str, str] = {}
    signer = None
    with ledgers.opened(db, who, files, project) as ledger:
        policy = ledger.index.policy()
        for name in new.revoke:
            source = ledger.index.source(name)
            if name in new.notes:
                approval.read_revocation(policy, source, new.notes[name], ledger.clock())
                made[name] = new.notes[name]
            elif new.passphrase is None:
                raise ServiceError("revoking a source needs an approver's passphrase, or a note signed elsewhere")
            else:
                signer = signer or ledgers.unseal(db, who, new.passphrase)
                made[name] = approval.revoke(policy, source, reason, signer)
    return made


def record(db: Session, who: Who, id: str) -> RemediationRecord:
    found = db.get(RemediationRecord, id)
    if found is None:
        raise NotFound("there is no such remediation")
    who.within(found.project_id, "remediation")
    return found


def get(db: Session, who: Who, id: str) -> Remediation:
    return _shape(db, record(db, who, id))


def listing(db: Session, who: Who, incident: str) -> list[Remediation]:
    """Of one incident, the newest first."""
    incidents.record(db, who, incident)
    query = select(RemediationRecord).where(RemediationRecord.incident_id == incident).order_by(RemediationRecord.id.desc())
    return [_shape(db, found) for found in db.scalars(query)]


def resume(db: Session, who: Who, id: str) -> Remediation:
    """Go on where it stopped. Raises Conflict for one that did not."""
    held = _writable(db, who, id)
    if _state(held, db.get(JobRecord, held.job_id)) != "stopped":
        raise Conflict("it has not stopped")
    before = db.get(JobRecord, held.job_id)
    return _again(db, who, held, undo=before is not None and bool(before.payload.get("undo")), action="remediation.resumed")


def undo(db: Session, who: Who, id: str) -> Remediation:
    """Take every step back, last first. Raises Conflict for one that does nothing, is under way, or was taken back."""
    held = _writable(db, who, id)
    state = _state(held, db.get(JobRecord, held.job_id))
    if held.asked["dry_run"] or state in OPEN or state == "undone":
        raise Conflict(f"there is nothing to take back: it is {state}", "cancel its job first" if state in OPEN else None)
    return _again(db, who, held, undo=True, action="remediation.undo_asked")


def _writable(db: Session, who: Who, id: str) -> RemediationRecord:
    held = record(db, who, id)
    projects.record(db, who, held.project_id, writing=True)
    return held


def _again(db: Session, who: Who, held: RemediationRecord, *, undo: bool, action: str) -> Remediation:
    held.job_id = queue.put(db, who, KIND, held.id, held.project_id, {"undo": undo}).id
    db.flush()
    audit.note(db, who, action, held.id, held.project_id, incident=held.incident_id)
    return _shape(db, held)


def part_file(db: Session, who: Who, files: Files, id: str, part: str) -> Path:
    """Its plan, record, signature, journal, what training said, or the report of the second scan. Raises NotFound where it has none."""
    held = record(db, who, id)
    path = files.remediation(held.project_id, id) / OUT / PARTS[part]
    if not path.is_file():
        raise NotFound("there is none")
    return path


def _state(held: RemediationRecord, job: JobRecord | None) -> str:
    if job is not None and job.state in OPEN:
        return job.state
    if job is not None and job.state in ("failed", "cancelled") and held.state != "undone":
        return "stopped"
    return "stopped" if held.state == "open" else held.state


def _shape(db: Session, held: RemediationRecord) -> Remediation:
    job = db.get(JobRecord, held.job_id)
    values = {name: getattr(held, name) for name in Remediation.model_fields if hasattr(held, name)}
    return Remediation.model_validate(
        {
            **values,
            "state": _state(held, job),
            "job": None if job is None else Job.model_validate(job),
            "dry_run": held.asked["dry_run"],
            "reason": held.asked["reason"],
        }
    )
