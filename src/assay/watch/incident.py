"""An incident record: what was seen, in what order, by which evidence, and what has to be done. For people, and for export."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from assay.dataset.errors import DataError
from assay.watch.alerts import Alert
from assay.watch.watch import Watch

NEAR = 5000  # predictions before and after the first firing within which other alerts belong to the same record
SCHEMA = "assay.watch.incident/1"

# What is asked of a response, in order (NIST SP 800-61: contain, find out, remove, recover, learn).
CHECKLIST = (
    "Say who leads, and acknowledge the alerts below",
    "Contain: put the model back to the newest version that is known to be clean, or bar the slice or the input that is named",
    "Keep the evidence: this record, the journal of the watch, the inputs of the time in question",
    "Find out: is it the inputs, the model or the labels? Compare the measures below with the slices that were spared",
    "Scan the data that the model learnt from (assay scan), with what is named here in mind",
    "Trace what was found: who brought it, and which snapshots and models hold it (assay ledger)",
    "Remove it, learn again, and scan again",
    "Recover: a new baseline from a period that is known to be good; close the alerts",
    "Learn: would this have been seen sooner with another slice, a longer baseline, or labels that come sooner?",
)


def record(watch: Watch, number: int) -> dict[str, Any]:
    """The record of one alert and of those near it. JSON types only. Raises DataError for a number that there is not."""
    alerts = {a.id: a for a in watch.alerts}
    if number not in alerts:
        raise DataError(f"there is no alert {number}", remedy="assay watch alerts lists them")
    first = alerts[number]
    near = sorted((a for a in alerts.values() if abs(a.clock - first.clock) <= NEAR), key=lambda a: (a.clock, a.id))
    status = watch.status()
    return {
        "schema": SCHEMA,
        "watch": watch.folder.name,
        "alert": number,
        "baseline": watch.baseline.digest,
        "promise": status.promise,
        "predictions": status.predictions,
        "estimated_errors": status.errors,
        "timeline": [a.to_json() for a in near],
        "strongest": [{"stream": n, "share": s, "recent": r, "usual": u, "bound": b} for n, s, r, u, b in status.strongest],
        "checklist": [{"step": step, "done": False, "by": None} for step in CHECKLIST],
    }


def page(data: dict[str, Any]) -> str:
    """The record as Markdown; content of alerts is quoted as code."""
    lines = [
        f"# Incident: {data['watch']}, alert {data['alert']}",
        "",
        f"Budget: {data['promise']}. Predictions seen: {data['predictions']:,}. Baseline {data['baseline'][:16]}.",
        "",
        "| prediction | time | severity | state | what |",
        "|---|---|---|---|---|",
    ]
    lines += [_line(Alert(**a)) for a in data["timeline"]]
    lines += ["", "## To be done", "", *(f"- [{'x' if s['done'] else ' '}] {s['step']}" for s in data["checklist"])]
    return "\n".join(lines) + "\n"


def _line(alert: Alert) -> str:
    when = "" if alert.time is None else f"{datetime.fromtimestamp(alert.time, UTC):%Y-%m-%d %H:%M:%SZ}"
    what = alert.title.replace("|", "/").replace("`", "'").replace("\n", " ")
    state = alert.state + (f" by {alert.by}" if alert.by else "") + (", silenced" if alert.silenced else "")
    return f"| {alert.clock:,} | {when} | {alert.severity} | {state} | `{what}` ({alert.count}×) |"
