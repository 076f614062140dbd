"""From a report to data, a ledger and a model that are rid of its findings, and the signed record of it.

    quarantine -> revoke the source -> purge -> roll back -> retrain -> verify -> sign

    OUT/steps.jsonl       the journal: what was asked, begun, done, undone
    OUT/plan.json         what was worked out before the first step; its SHA-256 is in the journal
    OUT/clean/NAME        the cleaned data, and NAME.removed beside it
    OUT/trained, train.log, verify/     what the retrain command left and said, and the report of the second scan
    OUT/record.json, record.dsse.json   the record, and with a ledger its signature

Input is never changed. A flow that was interrupted goes on with the step it was in. It acts on what the report quarantines: rows of
confirmed findings. Poison that the scan did not see stays, and so does what a model learnt that was not retrained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

from assay.dataset.errors import DataError
from assay.dataset.removal import sha256_of
from assay.flows.journal import FILE, Journal, at_work, read_journal
from assay.flows.plan import Asked, Plan, make_plan, rehearse, sources_of
from assay.flows.steps import STEPS, Done, Scene, write
from assay.ledger import statement
from assay.ledger.keys import read_key
from assay.report.report import Report
from assay.trial.family import Progress, silent

PLAN, RECORD, SIGNED = "plan.json", "record.json", "record.dsse.json"
SCHEMA = "assay.remediation/1"
REMEDIATION = "urn:assay:remediation/1"

Tell = Callable[[str, str, str], None]  # step, state, in words


def preview(asked: Asked) -> list[tuple[str, str]]:
    """(step, what it would do). Nothing stays written; whatever `remediate` would refuse is refused."""
    _key(asked)
    plan = make_plan(replace(asked, key=None))
    rehearse(asked, plan)
    way = plan.way
    sources = sources_of(plan)
    moved = "no registry is given"
    if way is not None:
        moved = f"{way.alias} goes from {way.now} to {way.back}, {', '.join(way.withdrawn)} withdrawn: {way.why}"
        moved = moved if way.back is not None else f"{way.alias} stays at {way.now}: {way.why}"
    return [
        ("quarantine", f"{len(plan.drop):,} of {plan.records:,} rows are left out of {asked.clean}"),
        ("revoke", f"revoke {', '.join(asked.revoke)}" if asked.revoke else f"no source is revoked. {sources or 'No ledger is given'}"),
        ("purge", f"{len(plan.rows):,} rows removed, snapshot {plan.snapshot}" if asked.ledger else "no ledger is given"),
        ("rollback", moved),
        ("retrain", asked.train or "no command is given"),
        ("verify", f"scan {asked.clean} as the original was"),
        ("sign", "the record, with the ledger's key" if asked.ledger else "the record, hash-chained and not signed: no ledger is given"),
    ]


def remediate(asked: Asked, *, tell: Tell | None = None, progress: Progress = silent) -> dict[str, Any]:
    """Take every step that is not done yet; the record, whose "verified" says whether the findings are gone.

    Raises DataError where something is refused: before the first step nothing has been changed, later the same call goes on there.
    """
    _key(asked)
    fresh = _fresh(asked)
    with at_work(asked.out) as journal:
        plan = _plan(asked, fresh, journal)
        done = {line["step"]: line for line in journal.lines if line["do"] == "done"}
        for name, step in STEPS.items():
            if name not in done:
                journal.append("begin", step=name)
                facts = {earlier: line["facts"] for earlier, line in done.items()}
                came = step(Scene(asked, plan, facts, progress))
                journal.append("done", step=name, state=came.state, said=came.said, facts=dict(came.facts))
                done[name] = journal.lines[-1]
            if tell is not None:
                tell(name, done[name]["state"], done[name]["said"])
        record, signed = _sign(asked, plan, journal, done)
        if tell is not None:
            tell("sign", signed.state, signed.said)
        return record


def _key(asked: Asked) -> None:
    """The ledger's key is at hand before anything is changed."""
    if asked.ledger is not None:
        if asked.key is None:
            raise DataError("writing to the ledger needs its secret key", path=asked.ledger, remedy="give it with --key")
        read_key(asked.key)


def _fresh(asked: Asked) -> Plan | None:
    """The plan where OUT is new or empty: refused before a folder is made. None where it is that of a flow which was interrupted."""
    if asked.out.exists() and read_journal(asked.out).lines:
        return None
    if asked.out.exists() and any(p.name not in (FILE, PLAN) for p in asked.out.iterdir()):
        raise DataError("is there already, and is no remediation's", path=asked.out, remedy="give a new folder with --out")
    plan = make_plan(asked)
    rehearse(asked, plan)
    asked.out.mkdir(parents=True, exist_ok=True)
    return plan


def _plan(asked: Asked, fresh: Plan | None, journal: Journal) -> Plan:
    path = asked.out / PLAN
    before = journal.find("asked")
    if before is None:
        plan = fresh or make_plan(asked)
        text = plan.text()
        path.write_text(text, encoding="utf-8")
        journal.append("asked", request=asked.told(), plan=sha256(text.encode()).hexdigest())
        return plan
    if journal.find("undone") is not None:
        raise DataError("this remediation was undone", path=asked.out, remedy="give a new folder with --out")
    told = asked.told()
    other = [name for name, value in before["request"].items() if told.get(name) != value]
    if other:
        raise DataError(
            f"was begun with another {other[0]}: {before['request'][other[0]]}", path=asked.out, remedy="give the same, or a new --out"
        )
    plan = stored_plan(asked, journal)
    if sha256_of(asked.report / "report.json") != plan.report:
        raise DataError(
            "is another report than this remediation was begun with", path=asked.report, remedy="bring it back, or give a new --out"
        )
    return plan


def stored_plan(asked: Asked, journal: Journal) -> Plan:
    """The plan that a flow began with. DataError where it is not the one that the journal names."""
    line = journal.find("asked")
    path = asked.out / PLAN
    if line is None or not path.exists():
        raise DataError("no remediation was begun here", path=asked.out, remedy="name its folder with --out")
    text = path.read_text(encoding="utf-8")
    if sha256(text.encode()).hexdigest() != line["plan"]:
        raise DataError("the plan was changed since", path=path, remedy="bring it back from a copy")
    return Plan.parse(text)


def _sign(asked: Asked, plan: Plan, journal: Journal, done: dict[str, Any]) -> tuple[dict[str, Any], Done]:
    """The record, kept, and signed where a ledger has a key; a record that was signed before is not signed again."""
    before = journal.find("done", "sign")
    if before is not None:
        return before["facts"]["record"], Done("done", before["said"])
    report = Report.open(asked.report)
    verified = bool(done["verify"]["facts"]["verified"])
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "data": {"fingerprint": plan.fingerprint, "rows": plan.records},
        "report": {"sha256": plan.report, "verdict": report.verdict},
        "findings": [{"id": f.id, "kind": f.kind} for f in report.findings if f.status == "confirmed"],
        "clean": {"fingerprint": done["quarantine"]["facts"]["clean"], "rows": done["quarantine"]["facts"]["kept"]},
        "reason": plan.reason,
        "by": asked.by,
        "verified": verified,
        "steps": [{name: done[step][name] for name in ("step", "state", "facts", "time")} for step in STEPS],
        "head": journal.head,  # of the journal up to here: binds every line of it
    }
    digest = write(asked.out / RECORD, record)
    said = f"{RECORD}, SHA-256 {digest[:16]}…, binds the journal"
    if asked.log is None:
        said += "; not signed, since no ledger with a key is given"
    else:
        subjects = {RECORD: digest, "clean": record["clean"]["fingerprint"]}
        event, path = statement.log(asked.log, subjects, REMEDIATION, _whole(record))
        (asked.out / SIGNED).write_bytes((asked.log.folder / path).read_bytes())
        said += f"; signed by {asked.log.key.name}, event {event} of the ledger"
    journal.append("done", step="sign", state="done", said=said, facts={"record": record, "sha256": digest})
    return record, Done("done", said)


def _whole(record: dict[str, Any]) -> dict[str, Any]:
    """As a statement says it: times in whole seconds, like every event of the ledger."""
    return {**record, "steps": [{**step, "time": int(step["time"])} for step in record["steps"]]}
