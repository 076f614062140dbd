"""The audit log: what was done is noted in the transaction that does it, and then logged where nobody can rewrite it.

Notes wait in the table `audit` (an outbox); `Recorder` appends them in order to a transparency log of its own, beneath `files/audit`,
laid out as the ledger's (C2SP tlog-tiles). An entry holds the note's number, so that one that was appended before a crash is not
appended again.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assay.ledger.events import canonical
from assay.ledger.keys import read_key, write_key
from assay.ledger.ledger import memo_of
from assay.ledger.log import Log
from assay.ledger.note import Signer
from assay.ledger.paths import CHECKPOINT
from assay.ledger.storage import Folder
from assay.serve.access import Who
from assay.serve.database import Database
from assay.serve.records import AuditRecord
from assay.serve.shapes import AuditNote

VERSION = "assay.audit/1"
BATCH = 500  # notes logged at once
LARGEST = 60_000  # bytes: an entry of a log has 65,535 at most


def note(db: Session, who: Who, action: str, subject: str, project: str | None = None, **document: Any) -> None:
    """Note that `who` did `action` to `subject`. Values are small and no secrets; nothing is noted unless the session commits."""
    db.add(AuditRecord(actor=who.name, action=action, subject=subject, project_id=project, document=document, entry=None))


def listing(db: Session, who: Who, before: int | None = None, limit: int = 100) -> list[AuditNote]:
    """The newest first."""
    query = select(AuditRecord).order_by(AuditRecord.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditRecord.id < before)
    if who.project is not None:
        query = query.where(AuditRecord.project_id == who.project)
    return [AuditNote.model_validate(record) for record in db.scalars(query)]


class Recorder:
    """Brings notes into the log. One at a time in a process, and one process."""

    def __init__(self, database: Database, files: Path, keys: Path, origin: str) -> None:
        self.database = database
        self._mutex = threading.Lock()
        folder, secret = Folder(files / "audit"), keys / "audit.key"
        if not secret.exists():
            write_key(secret, Signer.generate(f"{origin}/audit"))
        signer = read_key(secret)
        self.key = signer.key
        if folder.get(CHECKPOINT) is None:
            Log.create(folder, signer, memo_of(secret))
        self.log = Log(folder, signer.key, signer, memo_of(secret))
        self.log.publish()

    def drain(self) -> int:
        """Log what waits; how many notes that were."""
        with self._mutex:
            done = 0
            while True:
                with self.database.write() as db:
                    waiting = db.scalars(select(AuditRecord).where(AuditRecord.entry.is_(None)).order_by(AuditRecord.id).limit(BATCH)).all()
                    if not waiting:
                        return done
                    last = db.scalar(select(func.max(AuditRecord.entry)))
                    logged = self._logged(-1 if last is None else last)
                    entries = {record.id: _entry(record) for record in waiting}
                    fresh = [entry for entry in entries.values() if entry not in logged]
                    first = self.log.append(fresh)
                    self.log.publish()
                    numbers = {**logged, **{entry: first + i for i, entry in enumerate(fresh)}}
                    for record in waiting:
                        record.entry = numbers[entries[record.id]]
                done += len(waiting)

    def _logged(self, last: int) -> dict[bytes, int]:
        """{entry: its number} of what stands in the log after entry `last`: what a process logged and died before it could say so."""
        self.log.publish()
        size = self.log.checkpoint().size
        return {entry: n for n, entry in enumerate(self.log.entries(last + 1), last + 1)} if size > last + 1 else {}


def _entry(record: AuditRecord) -> bytes:
    body = {
        "v": VERSION,
        "note": record.id,
        "time": record.created,
        "actor": record.actor,
        "action": record.action,
        "subject": record.subject,
        "project": record.project_id,
        "document": record.document,
    }
    entry = canonical(body)
    return entry if len(entry) <= LARGEST else canonical({**body, "document": {"omitted": len(entry)}})
