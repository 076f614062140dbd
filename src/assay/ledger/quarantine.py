"""Quarantine: data that may not come in yet is kept apart, and that it was offered is logged.

`add` refuses what no approval covers. With quarantine the data is copied to LEDGER/private/quarantine/FINGERPRINT, and the event
`rows.quarantined` says which source offered what, and why it was held. Nothing of it is a row of the ledger, so no snapshot can hold
it. Once the source is approved it is admitted, by the same rules as anything; or it is rejected, and the copy deleted.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assay.dataset.atomic import move
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.ledger.content import columns_of
from assay.ledger.errors import Refused, Tampered
from assay.ledger.ingest import Added, add
from assay.ledger.ledger import Ledger, check_names

FOLDER, MANIFEST = "quarantine", "quarantine.json"
ADMITTED, REJECTED = "admitted", "rejected"


@dataclass(frozen=True)
class Held:
    """Data that was offered and is held."""

    fingerprint: str
    source: str
    records: int
    reason: str
    event: int


def hold(ledger: Ledger, data: Dataset, source: str, why: Refused, *, contributor: str | None = None) -> int:
    """Keep `data` apart, and log that `source` offered it and why it was refused; the number of the event.

    What is held already is not held twice. Raises DataError where the data is no file or folder.
    """
    check_names([source], "source")
    place = Path(data.path)
    if not place.exists():
        raise DataError("only a file or a folder can be quarantined", path=data.path, remedy="save the data first")
    with ledger.writing():
        there = next((one.event for one in held(ledger) if one.fingerprint == data.fingerprint and one.source == source), None)
        if there is not None:
            return there
        folder = _folder(ledger, data.fingerprint)
        aside = folder.with_name(f".{folder.name}")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        if place.is_dir():
            shutil.copytree(place, aside / place.name)
        else:
            shutil.copy2(place, aside / place.name)
        said = {"name": place.name, "columns": asdict(data.columns), "task": data.task, "contributor": contributor}
        (aside / MANIFEST).write_text(json.dumps(said) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # of a process that died before it logged it
        move(aside, folder)
        reason = str(why).split(". Remedy: ")[0]
        body = {"source": source, "fingerprint": data.fingerprint, "records": data.records, "reason": reason}
        return ledger.record([("rows.quarantined", body)])


def held(ledger: Ledger) -> list[Held]:
    """What is held now, oldest first."""
    query = "select fingerprint, source, records, reason, event from quarantine where decision is null order by event"
    return [Held(*found) for found in ledger.index.db.execute(query)]


def admit(ledger: Ledger, fingerprint: str) -> Added:
    """Add what is held, by the rules of `ingest.add`, and log the decision. Raises Refused where they still forbid it."""
    with ledger.writing():
        one = _one(ledger, fingerprint)
        said = _manifest(ledger, one.fingerprint)
        data = read(_folder(ledger, one.fingerprint) / said["name"], columns=columns_of(said["columns"]), task=said["task"])
        if data.fingerprint != one.fingerprint:
            raise Tampered("what lies in quarantine is not what was offered", path=data.path, remedy="reject it, and ask for it again")
        done = add(ledger, data, one.source, contributor=said["contributor"])
        _decide(ledger, one, ADMITTED, "")
        return done


def reject(ledger: Ledger, fingerprint: str, reason: str) -> None:
    """Delete what is held, and log why."""
    if not reason.strip():
        raise DataError("a rejection needs a reason", remedy="give --reason; everyone who reads the log will see it")
    with ledger.writing():
        _decide(ledger, _one(ledger, fingerprint), REJECTED, reason)


def _decide(ledger: Ledger, one: Held, decision: str, reason: str) -> None:
    body = {"fingerprint": one.fingerprint, "source": one.source, "decision": decision} | ({"reason": reason} if reason else {})
    ledger.record([("quarantine.decided", body)])
    if all(other.fingerprint != one.fingerprint for other in held(ledger)):
        shutil.rmtree(_folder(ledger, one.fingerprint), ignore_errors=True)


def _one(ledger: Ledger, start: str) -> Held:
    found = [one for one in held(ledger) if start and one.fingerprint.startswith(start)]
    if len(found) != 1:
        known = ", ".join(one.fingerprint[:16] for one in held(ledger)) or "nothing"
        raise Refused(f"{start!r} names {len(found)} of what is held; held is {known}", remedy="assay ledger quarantine list")
    return found[0]


def _folder(ledger: Ledger, fingerprint: str) -> Path:
    return ledger.private / FOLDER / fingerprint


def _manifest(ledger: Ledger, fingerprint: str) -> dict[str, Any]:
    path = _folder(ledger, fingerprint) / MANIFEST
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"the quarantined data is not here ({error})", path=path, remedy="reject it, and ask for it again") from error
    return said
