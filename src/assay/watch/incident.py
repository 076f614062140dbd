"""An incident record: what was seen, in what order, by which evidence, and what has to be done. For people, and for export.

    FOLDER/incidents/000003.jsonl    what was done about alert 3, one line a step, only ever added to

Rows and contributors are those that the journal still holds: it is cut at each snapshot, so a record that is written soon holds more.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.watch.alerts import Alert
from assay.watch.events import Batch, kept_batch
from assay.watch.models import Models
from assay.watch.search import MATCHES
from assay.watch.watch import Watch

NEAR = 5000  # predictions before and after the first firing within which other alerts and rows belong to the same record
ROWS = 100  # rows that are listed: enough to look at by hand; all are counted
CONTRIBUTORS = 10  # that are listed, those with most rows beyond their share first
MOVES = 20  # of models, the last ones
SCHEMA = "assay.watch.incident/2"

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
    steps = _steps(watch.folder, number)
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
        **_concerned(watch, first),
        **_models(watch.folder),
        "actions": _actions(watch, near, steps),
        "checklist": [_step(i, step, steps) for i, step in enumerate(CHECKLIST)],
    }


def work(folder: Path, number: int, step: int, by: str, note: str = "", done: bool = True) -> None:
    """Note that a step of the checklist (from 1) was done, or is to be done again; on disk when this returns."""
    if not 1 <= step <= len(CHECKLIST):
        raise DataError(f"there is no step {step}", remedy=f"steps are numbered from 1 to {len(CHECKLIST)}")
    path = _path(folder, number)
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        line = {"time": time.time(), "step": step, "done": done, "by": by, "note": note}
        file.write(json.dumps(line, sort_keys=True).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _path(folder: Path, number: int) -> Path:
    return folder / "incidents" / f"{number:06d}.jsonl"


def _steps(folder: Path, number: int) -> list[dict[str, Any]]:
    """What was done, in order; a torn last line was never acknowledged."""
    path = _path(folder, number)
    if not path.exists():
        return []
    whole = path.read_bytes().split(b"\n")[:-1]
    try:
        return [dict(json.loads(line)) for line in whole]
    except (ValueError, TypeError) as error:
        raise DataError("the record of steps is damaged", path=path, remedy="bring it back from a copy") from error


def _step(number: int, step: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    last = next((s for s in reversed(steps) if s["step"] == number + 1), None)
    if last is None or not last["done"]:
        return {"step": step, "done": False, "by": None}
    return {"step": step, "done": True, "by": last["by"], "time": last["time"], "note": last["note"]}


def _concerned(watch: Watch, alert: Alert) -> dict[str, Any]:
    """The rows that an alert is about, of those near it that the journal holds, and who brought more of them than of the others."""
    fields = watch.baseline.fields
    clock, chosen, others = watch.status(0).predictions, [], Counter[str]()
    brought: Counter[str] = Counter()
    held = [kept_batch(table, fields) for table in watch.journalled()]
    late = {b.id[i]: label for b in held for i, label in enumerate(b.label) if b.prediction[i] is None}
    clock -= sum(p is not None for batch in held for p in batch.prediction)
    for batch in held:
        at = clock + np.cumsum([p is not None for p in batch.prediction])
        clock = int(at[-1])
        labels = [label if label is not None else late.get(name) for name, label in zip(batch.id, batch.label, strict=True)]
        about = _about(watch, alert, batch, labels)
        who, digests = batch.words(fields.contributor), batch.words(fields.digest)
        for i in np.flatnonzero(np.abs(at - alert.clock) <= NEAR).tolist():
            if batch.prediction[i] is None:
                continue
            (brought if about[i] else others)[who[i] or ""] += 1
            if about[i]:
                row = {"id": batch.id[i], "clock": int(at[i]), "time": batch.time[i], "contributor": who[i], "digest": digests[i]}
                row |= {"prediction": batch.prediction[i], "label": labels[i]}
                chosen.append({name: v for name, v in row.items() if v is not None and v == v})
    total, rest = sum(brought.values()), sum(others.values())
    excess = {name: n - total * (others[name] + n) / (total + rest) for name, n in brought.items() if name}
    first = sorted(excess, key=lambda name: (-excess[name], name))[:CONTRIBUTORS]
    return {
        "rows": sorted(chosen, key=lambda row: abs(row["clock"] - alert.clock))[:ROWS],
        "rows_counted": {"concerned": total, "others": rest},
        "contributors": [{"contributor": n, "concerned": brought[n], "others": others[n]} for n in first if excess[n] > 0],
    }


def _about(watch: Watch, alert: Alert, batch: Batch, labels: list[str | None]) -> NDArray[np.bool_]:
    """(n,) which events an alert is about: what holds its trigger, or those of its slice, of which the errors where it is about errors."""
    about = np.ones(len(batch), bool)
    if alert.key.startswith("trigger/"):
        event = alert.evidence.get("event")
        about = np.array([event is not None and name == event for name in batch.id], bool)
        if MATCHES in batch.table.column_names:
            about |= np.array([bool(m) for m in batch.column(MATCHES).to_pylist()], bool)
        return about
    slices, where = watch.baseline.slices, alert.evidence.get("slice")
    part = next((number for number in range(len(slices)) if slices.name(number) == where), None)
    if part is not None:
        members = dict(slices.members(slices.codes(batch)))
        about = np.isin(np.arange(len(batch)), members.get(part, ()))
    if alert.evidence.get("measure") == "the rate of errors":
        about &= np.array([p is not None and t is not None and p != t for p, t in zip(batch.prediction, labels, strict=True)], bool)
    return about


def _models(folder: Path) -> dict[str, Any]:
    """The versions, and where the aliases went."""
    models = Models.open(folder)
    versions = [{"version": v.name, "digest": v.digest, "attested": v.attested, "withdrawn": v.withdrawn} for v in models.versions.values()]
    moves = [
        {"alias": m.alias, "version": m.version, "time": m.time, "by": m.by, "reason": m.reason, "back": m.back}
        for m in models.moves[-MOVES:]
    ]
    return {"models": {"versions": versions, "moves": moves}}


def _actions(watch: Watch, near: list[Alert], steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What people and rules did: answers, silences, steps of the checklist. Moves of models stand with the models."""
    found: list[dict[str, Any]] = [{"what": f"alert {a.id} {a.state}", "by": a.by, "note": a.note} for a in near if a.by]
    found += [{"what": f"silenced {s.pattern!r} until prediction {s.until}", "by": s.by, "note": s.reason} for s in watch.silences]
    found += [
        {"what": f"step {s['step']} {'done' if s['done'] else 'taken back'}", "by": s["by"], "note": s["note"], "time": s["time"]}
        for s in steps
    ]
    return found


def page(data: dict[str, Any]) -> str:
    """The record as Markdown; content of alerts and events is quoted as code."""
    counted = data["rows_counted"]
    lines = [
        f"# Incident: {data['watch']}, alert {data['alert']}",
        "",
        f"Budget: {data['promise']}. Predictions seen: {data['predictions']:,}. Baseline {data['baseline'][:16]}.",
        "",
        "| prediction | time | severity | state | what |",
        "|---|---|---|---|---|",
    ]
    lines += [_line(Alert(**a)) for a in data["timeline"]]
    lines += ["", f"## Rows: {counted['concerned']:,} concerned, {counted['others']:,} others near them", ""]
    lines += [f"- {_code(_row(row))}" for row in data["rows"][:CONTRIBUTORS]]
    if data["contributors"]:
        lines += ["", "| contributor | concerned | others |", "|---|---|---|"]
        lines += [f"| {_code(c['contributor'])} | {c['concerned']:,} | {c['others']:,} |" for c in data["contributors"]]
    if data["models"]["moves"]:
        lines += ["", "## Models", ""]
        lines += [
            f"- {_when(m['time'])} {_code(m['alias'])} {'back to' if m['back'] else 'to'} {_code(m['version'])} by {_code(m['by'])}: "
            f"{_code(m['reason'])}"
            for m in data["models"]["moves"]
        ]
    if data["actions"]:
        lines += ["", "## Done", ""]
        lines += [f"- {_when(a.get('time'))} {_code(a['what'])} by {_code(a['by'])}: {_code(a['note'])}" for a in data["actions"]]
    lines += ["", "## To be done", ""]
    lines += [
        f"{i}. [{'x' if s['done'] else ' '}] {s['step']}" + (f" ({_code(s['by'])})" if s["by"] else "")
        for i, s in enumerate(data["checklist"], 1)
    ]
    return "\n".join(lines) + "\n"


def _line(alert: Alert) -> str:
    state = alert.state + (f" by {_code(alert.by)}" if alert.by else "") + (", silenced" if alert.silenced else "")
    return f"| {alert.clock:,} | {_when(alert.time)} | {alert.severity} | {state} | {_code(alert.title)} ({alert.count}×) |"


def _row(row: dict[str, Any]) -> str:
    """As JSON that people read: letters as they are, and a date for seconds."""
    said = {**row, "time": _when(row["time"])} if "time" in row else row
    return json.dumps(said, sort_keys=True, ensure_ascii=False)


def _code(text: Any) -> str:
    plain = str(text).replace("|", "/").replace("`", "'")
    return f"`{' '.join(plain.split())}`" if plain.strip() else ""


def _when(seconds: float | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"
