"""Undo of a remediation, from its last step to its first; what cannot be undone is said.

A ledger forgets nothing: rows that were removed and sources that were revoked stay so, and are brought back by being added and approved
anew. What a retrain command did is known to it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from assay.dataset.errors import DataError
from assay.dataset.removal import kept_in, restore, sha256_of
from assay.flows.journal import at_work, read_journal
from assay.flows.plan import TRAINED, Asked, Plan
from assay.flows.remediate import RECORD, Tell, stored_plan
from assay.flows.rollback import go_forward
from assay.flows.steps import point_in_ledger
from assay.ledger import snapshots, statement
from assay.watch.models import Models

UNDONE = "urn:assay:remediation-undone/1"


def asked_in(out: Path, key: Path | None = None) -> Asked:
    """What was asked of the remediation in `out`. DataError where there is none."""
    line = read_journal(out).find("asked")
    if line is None:
        raise DataError("no remediation was begun here", path=out, remedy="name its folder with --out")
    said = dict(line["request"])
    for name in ("data", "report", "ledger", "registry"):
        said[name] = None if said[name] is None else Path(said[name])
    return Asked(**{**said, "revoke": tuple(said["revoke"]), "out": out, "key": key})


def undo(asked: Asked, tell: Tell | None = None) -> None:
    """Take back every step that was begun, last first. Interrupted, the same call goes on.

    Raises DataError where the cleaned copy was changed since: nothing is then put back over it.
    """
    with at_work(asked.out) as journal:
        plan = stored_plan(asked, journal)
        begun = {line["step"] for line in journal.lines if line["do"] == "begin"}
        finished = {line["step"]: line["facts"] for line in journal.lines if line["do"] == "done"}
        back = {line["step"] for line in journal.lines if line["do"] == "undone"}
        for name, step in BACK.items():
            if name in begun:
                if name not in back:
                    state, said = step(asked, plan, finished.get(name, {}))
                    journal.append("undone", step=name, state=state, said=said)
                line = journal.find("undone", name)
                assert line is not None
                if tell is not None:
                    tell(name, line["state"], line["said"])
        if asked.log is not None and journal.find("noted") is None:
            record = asked.out / RECORD
            subjects = {RECORD: sha256_of(record)} if record.exists() else {"plan.json": str(journal.lines[0]["plan"])}
            event, _ = statement.log(asked.log, subjects, UNDONE, {"schema": "assay.remediation-undone/1", "head": journal.head})
            journal.append("noted", event=event)


def _data(asked: Asked, plan: Plan, facts: Mapping[str, Any]) -> tuple[str, str]:
    """The copy becomes the original again, byte for byte; the original itself was never changed."""
    if not asked.clean.exists():
        return "not needed", "no copy was made"
    if kept_in(asked.clean).exists():  # gone where an earlier undo has put the rows back already
        restore(asked.clean)
    return "undone", f"{asked.clean} holds all {plan.records:,} rows again; {asked.data} was never changed"


def _source(asked: Asked, plan: Plan, facts: Mapping[str, Any]) -> tuple[str, str]:
    if asked.log is None or all(asked.log.index.source(name).revoked == before for name, before in plan.revoked.items()):
        return "not needed", "no source was revoked"
    return "stays", f"a revocation cannot be undone; to let {', '.join(asked.revoke)} bring rows again: assay ledger approve"


def _ledger(asked: Asked, plan: Plan, facts: Mapping[str, Any]) -> tuple[str, str]:
    if asked.log is None:
        return "not needed", "no ledger was given"
    rows = np.array(plan.rows, np.int64)
    if len(asked.log.index.live(rows)) == len(rows):
        return "not needed", "no row was removed yet"
    taken = f"snapshot {plan.snapshot} stands" if plan.snapshot in snapshots.names(asked.log) else "no snapshot was taken without them"
    said = f"the log forgets nothing: {len(plan.rows):,} rows stay removed, and {taken}"
    return "stays", f"{said}; to bring the rows back as new ones: assay ledger add, from an approved source"


def _alias(asked: Asked, plan: Plan, facts: Mapping[str, Any]) -> tuple[str, str]:
    if asked.registry is None or plan.way is None:
        return "not needed", "no registry was given"
    models = Models.open(asked.registry)
    said = go_forward(models, plan.way, asked.by)
    if asked.log is not None and models.current(plan.way.alias) == plan.way.now:
        point_in_ledger(asked.log, plan.way.alias, models.versions[plan.way.now].digest)
    return "undone", said


def _training(asked: Asked, plan: Plan, facts: Mapping[str, Any]) -> tuple[str, str]:
    if asked.train is None:
        return "not needed", "nothing was trained"
    return "stays", f"what the retrain command made is still there: {asked.out / TRAINED}, and whatever else it wrote"


BACK: Mapping[str, Callable[[Asked, Plan, Mapping[str, Any]], tuple[str, str]]] = {
    "retrain": _training,
    "rollback": _alias,
    "purge": _ledger,
    "revoke": _source,
    "quarantine": _data,
}
