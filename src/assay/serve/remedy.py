"""What a worker does about a remediation: the flow of `assay remediate`, and what it made given back to the service.

The cleaned data becomes the next version of its data set, and what was trained again becomes models; nothing of the original is changed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from assay.dataset.limits import Progress
from assay.dataset.removal import sha256_of
from assay.flows import remediate as flow
from assay.flows.journal import read_journal
from assay.flows.plan import TRAINED, Asked
from assay.flows.steps import STEPS
from assay.flows.undo import undo
from assay.serve import audit, datasets, incidents, ledgers, models
from assay.serve.access import Who
from assay.serve.bench import Bench, source
from assay.serve.files import Files, Received, pack
from assay.serve.records import DatasetRecord, JobRecord, RemediationRecord, ScanRecord, new_id
from assay.serve.remediations import OUT, PLAIN

NO_SOURCE = "no source is revoked. "  # says the flow, which is not told of sources before a key has signed
MOST_MODELS = 20  # files of one training that become models; more are the training's own business


def remediate(bench: Bench, job: JobRecord, progress: Progress) -> None:
    """Do it, show it, or take it back. Interrupted, the next attempt goes on with the step that was begun."""
    with bench.database.read() as db:
        held = db.get_one(RemediationRecord, job.subject)
        data = db.get_one(DatasetRecord, db.get_one(ScanRecord, held.scan_id).dataset_id)
    asked = _asked(bench, held, data)
    who = Who("", job.created_by, "approver", frozenset())
    progress(0.0, 1.0, "reading the data")
    if held.asked["dry_run"]:
        _show(bench, held, asked)
    elif job.payload["undo"]:
        _undo(bench, held, asked, who)
    else:
        _do(bench, held, data, asked, who, progress)


def _asked(bench: Bench, held: RemediationRecord, data: DatasetRecord) -> Asked:
    files, project = bench.files, held.project_id
    dry = held.asked["dry_run"]
    return Asked(
        source(files, data),
        files.report(project, held.scan_id),
        files.remediation(project, held.id) / OUT,
        ledger=files.ledger(project) if held.asked["ledger"] else None,
        key=ledgers.key_file(bench.settings, project) if held.asked["ledger"] else None,
        snapshot=f"remediated-{held.id}" if held.asked["ledger"] else None,
        revoke=() if dry else tuple(held.asked["revoke"]),
        notes=held.asked["notes"],
        registry=files.registry(project) if held.asked["alias"] else None,
        alias=held.asked["alias"] or "",
        train=_command(bench, held.asked["train"], data),
        by=held.created_by,
        reason=held.asked["reason"],
    )


def _command(bench: Bench, name: str | None, data: DatasetRecord) -> str | None:
    """The command behind a trainer's name. People on the network choose among names; commands are the operator's."""
    if name is None:
        return None
    told = bench.settings.trainers.get(name)
    if told is not None or name != PLAIN:
        return told
    label = (data.columns.get("label") or [""])[0]
    content = [f"--content={column}" for column in data.columns.get("content") or []] if data.modality != "image" else []
    words = [sys.executable, "-m", "assay.serve.retrain", "{data}", "{out}", f"--label={label}", *content]
    return shlex.join(words).replace("'{data}'", "{data}").replace("'{out}'", "{out}")


def _show(bench: Bench, held: RemediationRecord, asked: Asked) -> None:
    told = {step: would.replace(str(asked.clean), "the copy") for step, would in flow.preview(asked)}
    steps = [{"step": step, "state": "would", "said": _plain(bench.files, would)} for step, would in told.items()]
    for step in steps:
        if step["step"] == "revoke" and held.asked["revoke"]:
            step["said"] = f"revoke {', '.join(held.asked['revoke'])}, signed with your key. {step['said'].removeprefix(NO_SOURCE)}"
        elif step["step"] == "retrain" and held.asked["train"]:
            step["said"] = f"train again: {held.asked['train']}"
    with bench.database.write() as db:
        record = db.get_one(RemediationRecord, held.id)
        record.steps, record.state = steps, "shown"
    shutil.rmtree(bench.files.remediation(held.project_id, held.id), ignore_errors=True)


def _do(bench: Bench, held: RemediationRecord, data: DatasetRecord, asked: Asked, who: Who, progress: Progress) -> None:
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    told = 0
    total = len(STEPS) + 1  # and sign
    names = [*STEPS, "sign"]

    def tell(step: str, state: str, said: str) -> None:
        nonlocal told
        told += 1
        _note(bench, held, who, "steps", step, state, said)
        progress(told / total, 1.0, names[told] if told < total else "done")

    def within(done: float, of: float, what: str) -> None:
        progress((told + (done / of if of else 0.0)) / total, 1.0, f"{names[min(told, total - 1)]}: {what}")

    record = flow.remediate(asked, tell=tell, progress=within)
    with bench.database.write() as db:
        kept = db.get_one(RemediationRecord, held.id)
        if kept.dataset_id is None:
            kept.dataset_id = _next_version(db, bench.files, data, asked.clean, who)
        if not kept.models:
            kept.models = _models(db, bench.files, data, asked.out / TRAINED, who)
        kept.state, kept.verified = "done", bool(record["verified"])
        said = {"remediation": held.id, "verified": kept.verified, "dataset": kept.dataset_id, "models": kept.models}
        incidents.tell(db, who, held.incident_id, "remediation done", said)
        audit.note(db, who, "remediation.done", held.id, held.project_id, **said, head=record["head"])


def _undo(bench: Bench, held: RemediationRecord, asked: Asked, who: Who) -> None:
    if read_journal(asked.out).lines:
        undo(asked, lambda step, state, said: _note(bench, held, who, "undone", step, state, said))
    if held.dataset_id is not None:
        _note(bench, held, who, "undone", "data set", "stays", "the cleaned version stays beside the original, which was never changed")
    with bench.database.write() as db:
        db.get_one(RemediationRecord, held.id).state = "undone"
        incidents.tell(db, who, held.incident_id, "remediation taken back", {"remediation": held.id})
        audit.note(db, who, "remediation.undone", held.id, held.project_id)


def _note(bench: Bench, held: RemediationRecord, who: Who, where: str, step: str, state: str, said: str) -> None:
    """Keep what came of a step; the incident's time line has it once, however often it is told."""
    line = {"step": step, "state": state, "said": _plain(bench.files, said)}
    with bench.database.write() as db:
        record = db.get_one(RemediationRecord, held.id)
        before: list[Any] = getattr(record, where)
        if line not in before:
            setattr(record, where, [*(old for old in before if old["step"] != step), line])
            what = f"{'taken back' if where == 'undone' else 'remediation'}: {step}"
            incidents.tell(db, who, held.incident_id, what, {"state": state, "said": line["said"]})


def _plain(files: Files, said: str) -> str:
    return said.replace(str(files.root) + os.sep, "")


def _next_version(db: Session, files: Files, data: DatasetRecord, clean: Path, who: Who) -> str:
    """The cleaned data as the next version of its data set; a folder as an archive, as it came."""
    id = new_id()
    name = data.file if clean.is_dir() else clean.name
    target = files.original(data.project_id, id, name)
    target.parent.mkdir(parents=True)
    if clean.is_dir():
        pack(clean, target)
    else:
        shutil.copyfile(clean, target)
    return datasets.take_in(db, who, data.project_id, id, data.name, _received(target), data.asked).id


def _models(db: Session, files: Files, data: DatasetRecord, trained: Path, who: Who) -> list[str]:
    """Files that training left, as models; each is examined like any that is sent."""
    made = []
    for path in sorted(p for p in trained.iterdir() if p.is_file())[:MOST_MODELS] if trained.is_dir() else []:
        id, name = new_id(), f"{data.name}/{path.name}"[-100:]
        target = files.model(data.project_id, id) / path.name
        target.parent.mkdir(parents=True)
        shutil.copyfile(path, target)
        made.append(models.take_in(db, who, data.project_id, id, name, _received(target)).id)
    return made


def _received(path: Path) -> Received:
    return Received(path, path.stat().st_size, sha256_of(path))
