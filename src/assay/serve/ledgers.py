"""A project's ledger: sources and who approves them, the rows they brought, and the log itself, served as it is published.

The ledger's own key lies in `keys/` and logs what happened; it approves nothing. Approvals are signatures of persons, each with a key
of their own, so that m of n is m persons. A person keeps the secret key, or has the service keep it sealed under a passphrase that
the service forgets with the request.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay.ledger import approval, snapshots
from assay.ledger.approval import Policy, Scope, standing
from assay.ledger.errors import Refused
from assay.ledger.events import decode, moment
from assay.ledger.keys import read_key, write_key
from assay.ledger.ledger import Ledger, memo_of
from assay.ledger.note import Key, Signer
from assay.ledger.paths import CHECKPOINT, parse
from assay.serve import audit, projects, queue
from assay.serve.access import BLOCK, COST, LANES, SALT, Who, scrypt
from assay.serve.errors import Conflict, Forbidden, NotFound, ServiceError
from assay.serve.files import Files
from assay.serve.records import ApproverRecord, LedgerRecord, UserRecord
from assay.serve.settings import Settings
from assay.serve.shapes import (
    Approval,
    Approver,
    Ingest,
    Job,
    LedgerEvent,
    LedgerEvents,
    NewApproval,
    NewApprover,
    NewLedger,
    NewSource,
    Revocation,
    ScopeIn,
    Source,
)
from assay.serve.shapes import Ledger as LedgerShape

NONCE = 12  # bytes, AES-GCM (NIST SP 800-38D)


# approvers


def approver(db: Session, who: Who) -> Approver:
    """The caller's own key. Raises NotFound without one."""
    found = db.scalar(select(ApproverRecord).where(ApproverRecord.user_id == who.id))
    if found is None:
        raise NotFound("you have no approver's key", "make one")
    return _approver(found)


def approvers(db: Session) -> dict[str, Approver]:
    """Of everybody who has a key, by name."""
    found = db.execute(select(UserRecord.name, ApproverRecord).join(UserRecord, UserRecord.id == ApproverRecord.user_id))
    return {name: _approver(held) for name, held in found}


def _approver(held: ApproverRecord) -> Approver:
    return Approver(user_id=held.user_id, public=held.public, sealed=held.sealed is not None)


def set_approver(db: Session, who: Who, new: NewApprover) -> Approver:
    """Name one's key, or have one made. It is named once: ledgers go by it. Its name is the person's."""
    if db.scalar(select(ApproverRecord.id).where(ApproverRecord.user_id == who.id)) is not None:
        raise Conflict("you have an approver's key already, and ledgers may go by it")
    if (new.public is None) == (new.passphrase is None):
        raise ServiceError("give a public key, or a passphrase for a new one")
    sealed = None
    if new.passphrase is not None:
        signer = Signer.generate(who.name)
        public, sealed = str(signer.key), seal(signer, new.passphrase)
    else:
        key = Key.parse(new.public or "")
        if key.name != who.name:
            raise ServiceError(f"the key is {key.name!r}'s", f"make one for {who.name!r}: assay ledger key {who.name}")
        public = str(key)
    held = ApproverRecord(user_id=who.id, public=public, sealed=sealed)
    db.add(held)
    db.flush()
    audit.note(db, who, "approver.named", who.id, public=public, sealed=sealed is not None)
    return _approver(held)


def seal(signer: Signer, passphrase: str) -> str:
    """The secret key under AES-256-GCM with a key that scrypt makes of the passphrase."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = os.urandom(SALT), os.urandom(NONCE)
    box = AESGCM(scrypt(passphrase, salt, COST, BLOCK, LANES)).encrypt(nonce, signer.secret().encode(), signer.key.name.encode())
    return "$".join(b64encode(part).decode() for part in (salt, nonce, box))


def unseal(db: Session, who: Who, passphrase: str) -> Signer:
    """Raises Forbidden for another passphrase."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    held = db.scalar(select(ApproverRecord).where(ApproverRecord.user_id == who.id))
    if held is None or held.sealed is None:
        raise ServiceError("the service keeps no key of yours", "send a note that you signed, or make a key")
    salt, nonce, box = (b64decode(part) for part in held.sealed.split("$"))
    try:
        return Signer.parse(AESGCM(scrypt(passphrase, salt, COST, BLOCK, LANES)).decrypt(nonce, box, who.name.encode()).decode())
    except InvalidTag as error:
        raise Forbidden("the passphrase is wrong") from error


# the ledger


def key_file(settings: Settings, project: str) -> Path:
    return settings.keys / f"ledger-{project}.key"


def create(db: Session, who: Who, files: Files, settings: Settings, project: str, new: NewLedger) -> LedgerShape:
    """Make the project's ledger. Raises Conflict where it has one, and ServiceError for an approver without a key."""
    projects.record(db, who, project, writing=True)
    if db.scalar(select(LedgerRecord.id).where(LedgerRecord.project_id == project)) is not None:
        raise Conflict("the project has a ledger already")
    known = approvers(db)
    without = [name for name in new.approvers if name not in known]
    if without:
        raise ServiceError(f"{without[0]!r} has no approver's key", "each approver makes or names one first (PUT /api/v1/me/approver)")
    keys = [Key.parse(known[name].public) for name in dict.fromkeys(new.approvers)]
    Policy(new.origin, tuple(keys), new.threshold)
    secret = key_file(settings, project)
    if not secret.exists():
        write_key(secret, Signer.generate(new.origin))
    signer = read_key(secret)
    made = Ledger.create(files.ledger(project), signer, memo_of(secret), keys, new.threshold, actor=who.name)
    made.close()
    db.add(LedgerRecord(project_id=project, origin=new.origin, public=str(signer.key), created_by=who.name))
    db.flush()
    audit.note(db, who, "ledger.created", project, project, origin=new.origin, approvers=new.approvers, threshold=new.threshold)
    return get(db, who, files, project)


@contextmanager
def opened(db: Session, who: Who, files: Files, project: str, settings: Settings | None = None) -> Iterator[Ledger]:
    """The project's ledger; with `settings` it can be written to. Raises NotFound where there is none."""
    projects.record(db, who, project, writing=settings is not None)
    held = db.scalar(select(LedgerRecord).where(LedgerRecord.project_id == project))
    if held is None:
        raise NotFound("the project has no ledger", "an admin makes one")
    secret = None if settings is None else key_file(settings, project)
    ledger = Ledger.open(files.ledger(project), key_file=secret, trust=Key.parse(held.public), actor=who.name)
    try:
        yield ledger
    finally:
        ledger.close()


def get(db: Session, who: Who, files: Files, project: str) -> LedgerShape:
    with opened(db, who, files, project) as ledger:
        head, policy = ledger.log.checkpoint(), ledger.index.policy()
        return LedgerShape(
            origin=policy.origin,
            public=str(ledger.key),
            size=head.size,
            root=head.root.hex(),
            approvers=[key.name for key in policy.approvers],
            threshold=policy.threshold,
            snapshots=snapshots.names(ledger),
            violations=len(ledger.index.violations()),
        )


def events(db: Session, who: Who, files: Files, project: str, start: int, limit: int) -> LedgerEvents:
    """Published events `start` and on, each checked against the signed root."""
    with opened(db, who, files, project) as ledger:
        size = ledger.log.checkpoint().size
        entries = ledger.log.entries(start, start + limit) if start < size else iter(())
        found = [(n, decode(entry, n)) for n, entry in enumerate(entries, start)]
        items = [LedgerEvent(number=n, type=e.type, time=e.time, actor=e.actor, body=e.body) for n, e in found]
        return LedgerEvents(items=items, total=size, start=start)


def proof(db: Session, who: Who, files: Files, project: str, number: int) -> str:
    """The inclusion proof of an event, as c2sp.org/tlog-proof writes it."""
    with opened(db, who, files, project) as ledger:
        return ledger.log.prove(number).text()


def published(root: Path, path: str) -> tuple[bytes, bool]:
    """(a checkpoint or tile of a log, whether it never changes). Raises NotFound for any other path: nothing else is served."""
    if path != CHECKPOINT and parse(path) is None:
        raise NotFound("a log has a checkpoint and tiles, and nothing else", "see c2sp.org/tlog-tiles")
    file = root / path
    if not file.is_file():
        raise NotFound("the log has no such tile")
    return file.read_bytes(), path != CHECKPOINT


def log_file(db: Session, who: Who, files: Files, project: str, path: str) -> tuple[bytes, bool]:
    """See `published`."""
    projects.record(db, who, project)
    return published(files.ledger(project), path)


# sources


def sources(db: Session, who: Who, files: Files, project: str) -> list[Source]:
    with opened(db, who, files, project) as ledger:
        return [_source(ledger, name) for name in ledger.index.source_names()]


def source_names(db: Session, who: Who, files: Files, project: str) -> list[str] | None:
    """None where the project has no ledger."""
    try:
        with opened(db, who, files, project) as ledger:
            return list(ledger.index.source_names())
    except NotFound:
        return None


def source(db: Session, who: Who, files: Files, project: str, name: str) -> Source:
    with opened(db, who, files, project) as ledger:
        return _source(ledger, name)


def _source(ledger: Ledger, name: str) -> Source:
    found, policy = ledger.index.source(name), ledger.index.policy()
    try:
        standing(policy, found, ledger.time())
        why = None
    except Refused as error:
        why = str(error).split(". Remedy")[0]
    return Source(
        source=name,
        licence=found.licence,
        contact=found.contact,
        method=found.method,
        url=found.url,
        rows=ledger.index.brought(name).rows,
        revoked=found.revoked,
        approvals=[_approval(scope, by) for scope, by in found.approvals],
        needed=policy.threshold,
        standing=why is None,
        why=why,
    )


def _approval(scope: Scope, by: str) -> Approval:
    return Approval(
        approver=by,
        expires=scope.expires,
        rows=scope.rows,
        daily=scope.daily,
        each=scope.each,
        labels=None if scope.labels is None else list(scope.labels),
        pin=scope.pin,
    )


def register(db: Session, who: Who, files: Files, settings: Settings, project: str, new: NewSource) -> Source:
    """Describe a source. It may bring nothing before it is approved."""
    with opened(db, who, files, project, settings) as ledger:
        ledger.register(new.source, licence=new.licence, contact=new.contact, method=new.method, url=new.url)
        audit.note(db, who, "source.registered", new.source, project)
        return _source(ledger, new.source)


def approve(db: Session, who: Who, files: Files, settings: Settings, project: str, name: str, new: NewApproval) -> Source:
    """One approver's approval, signed with their own key. Raises Forbidden for a note that is not the caller's own."""
    with opened(db, who, files, project, settings) as ledger:
        if new.note is not None:
            note = _own(ledger, approval.read_approval(ledger.index.policy(), ledger.index.source(name), new.note)[1], who, new.note)
        elif new.scope is None or new.passphrase is None:
            raise ServiceError("an approval is a note, or a scope and a passphrase")
        else:
            signer = unseal(db, who, new.passphrase)
            note = approval.approve(ledger.index.policy(), ledger.index.source(name), _scope(new.scope), signer)
        ledger.approve(name, note)
        audit.note(db, who, "source.approved", name, project)
        return _source(ledger, name)


def _own(ledger: Ledger, signed_by: str, who: Who, note: str) -> str:
    if signed_by != who.name:
        raise Forbidden(f"the note is signed by {signed_by!r}", "everybody hands in their own")
    return note


def _scope(asked: ScopeIn) -> Scope:
    labels = None if asked.labels is None else tuple(asked.labels)
    return Scope(asked.rows, asked.daily, asked.each, labels, asked.pin, moment(asked.expires, "date on which the approval ends"))


def revoke(db: Session, who: Who, files: Files, settings: Settings, project: str, name: str, asked: Revocation) -> Source:
    """One approver is enough: the source may bring nothing more."""
    with opened(db, who, files, project, settings) as ledger:
        if asked.note is not None:
            note = asked.note
        elif asked.passphrase is None:
            raise ServiceError("a revocation is a note, or a reason and a passphrase")
        else:
            signer = unseal(db, who, asked.passphrase)
            note = approval.revoke(ledger.index.policy(), ledger.index.source(name), asked.reason, signer)
        ledger.revoke(name, note)
        audit.note(db, who, "source.revoked", name, project, reason=asked.reason)
        return _source(ledger, name)


def ask_ingest(db: Session, who: Who, files: Files, project: str, new: Ingest) -> Job:
    """Have a worker log the rows of a data set as brought by a source; refused there where the source's approval does not cover them."""
    from assay.serve import datasets

    if datasets.ready(db, who, new.dataset_id).project_id != project:
        raise NotFound("there is no such data set in this project")
    if new.source is None and new.snapshot is None:
        raise ServiceError("name a source, a snapshot, or both")
    with opened(db, who, files, project) as ledger:
        if new.source is not None:
            ledger.index.source(new.source)
    job = queue.put(db, who, "ingest", new.dataset_id, project, new.model_dump())
    audit.note(db, who, "ledger.ingest", new.dataset_id, project, source=new.source, snapshot=new.snapshot)
    return Job.model_validate(job)
