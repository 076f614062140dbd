"""What people are told when something fires: (the cause, how grave it is, a title in words, the evidence)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from assay.watch.alerts import Severity
from assay.watch.baseline import Baseline
from assay.watch.detectors import Alarm
from assay.watch.items import said_of
from assay.watch.measures import Family
from assay.watch.triggers import Known, Suspect

SEVERITY: dict[Family, Severity] = {"performance": "critical", "decisions": "warning", "confidence": "warning", "inputs": "notice"}

Told = tuple[str, Severity, str, dict[str, Any]]


def of_alarm(baseline: Baseline, alarm: Alarm) -> Told:
    """A stream that left its bound."""
    k = alarm.stream
    measure, up = baseline.measure(k), bool(baseline.streams.up[k])
    where, way = baseline.slices.name(int(baseline.streams.slice[k])), "rising" if up else "falling"
    usual = float(baseline.mean[k])
    evidence = {
        "measure": measure.name,
        "slice": where,
        "recent": round(alarm.recent, 6),
        "usual": round(usual, 6),
        "bound": round(float(baseline.bound[k] if up else 1 - baseline.bound[k]), 6),
        "strength": float(f"{alarm.strength:.4g}"),
        "threshold": baseline.run_length,
    }
    title = f"{measure.name} is {way} in {where}: {alarm.recent:.3g}, where the trusted period had {usual:.3g}"
    return f"{measure.family}/{where}/{measure.name}/{way}", SEVERITY[measure.family], title, evidence


def of_suspect(suspect: Suspect) -> Told:
    """An unknown trigger that was named."""
    what, ways = said_of(suspect.item), []
    if suspect.asked:
        ways.append(f"put into {suspect.asked} other inputs it takes {suspect.taken} to {suspect.target!r}")
    if suspect.labelled:
        ways.append(f"{suspect.wrong} of {suspect.labelled} labelled inputs that hold it were wrong")
    evidence = {name: v for name, v in asdict(suspect).items() if name != "item"} | {"item": list(suspect.item)}
    return f"trigger/{what}", "critical", f"an unknown trigger: {what}; {'; '.join(ways)}", evidence


def of_known(known: Known, number: int, event: str | None, said: str | None) -> Told:
    """A known artefact that was met."""
    target, what = known.targets[number], known.artefacts[number].describe()
    title = f"a known artefact was met: {what}; the model said {said!r}" + (f", as it would with {target!r}" if said == target else "")
    evidence = {"finding": known.ids[number], "event": event, "said": said, "target": target}
    return f"trigger/{known.ids[number]}", "critical", title, evidence
