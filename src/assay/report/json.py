"""report.json, schema "assay.report/1": the contract with every other program. `schema.json` beside this file states
it."""

from __future__ import annotations

import json
import math
import sys
from importlib.resources import files
from typing import Any

import numpy as np

from assay.dataset.data import MISSING, Dataset
from assay.finding import Availability, Check, Conclusion, Finding, RowScore, Sensitivity, TrialResult
from assay.report.rows import by_strength
from assay.report.withheld import artefact_json, without_content
from assay.version import __version__

SCHEMA = "assay.report/1"
MOST_ROWS = 10_000  # row numbers a finding lists in JSON; rows.parquet has them all
MOST_UNREADABLE = 1_000  # listed; all are counted
TOP_SCREEN = 50  # row numbers a screen lists: a page of review

LOG_MAX = math.log(sys.float_info.max)  # JSON has no infinity: a larger e-value is cut, its logarithm is exact


def report_json(data: Dataset, conclusion: Conclusion) -> dict[str, Any]:
    """The whole report as JSON types: no NaN, no infinity. Where `settings["samples"]` is false it holds no content."""
    samples = bool(conclusion.settings.get("samples", True))
    if not samples:
        conclusion = without_content(conclusion)
    return {
        "schema": SCHEMA,
        "verdict": conclusion.verdict,
        "dataset": dataset_json(data),
        "findings": [finding_json(f, data, samples) for f in by_strength(conclusion.findings)],
        "checks": [check_json(c) for c in conclusion.checks],
        "sensitivity": [sensitivity_json(s) for s in conclusion.sensitivity],
        "screens": [screen_json(s, data) for s in conclusion.screens],
        "hypotheses": int(conclusion.hypotheses),
        "actions": _actions(data, conclusion),
        "blind_spots": list(conclusion.blind_spots),
        "availability": availability_json(conclusion.availability),
        "settings": jsonable(conclusion.settings),
        "versions": {"assay": __version__},
    }


def _actions(data: Dataset, conclusion: Conclusion) -> dict[str, int]:
    """Records by what is to be done with them, as rows.parquet has them: what could not be read is to be reviewed."""
    of = {action: sum(x == action for x in conclusion.action) for action in ("quarantine", "review", "keep")}
    return {**of, "review": of["review"] + len(data.unreadable)}


def dumps(document: dict[str, Any]) -> str:
    """Stable text: the same report is the same bytes. ValueError if a NaN or an infinity has slipped in."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) that every report.json meets."""
    loaded: dict[str, Any] = json.loads(files("assay.report").joinpath("schema.json").read_text("utf-8"))
    return loaded


def dataset_json(data: Dataset) -> dict[str, Any]:
    """The data set as report.json tells of it: path, rows, classes with their counts, columns, fingerprint."""
    counts = np.bincount(data.y[data.y != MISSING], minlength=len(data.classes))
    columns = data.columns
    return {
        "path": data.path,
        "rows": int(data.records),
        "labels": {name: int(n) for name, n in zip(data.classes, counts, strict=True)},
        "fingerprint": data.fingerprint,
        "format": data.format,
        "modality": data.modality,
        "task": data.task,
        "columns": {
            "content": list(columns.content),
            "label": list(columns.label),
            "id": columns.id,
            "contributor": columns.contributor,
            "source": columns.source,
            "time": columns.time,
            "response": list(columns.response),
        },
        "readable": len(data),
        "unreadable_count": len(data.unreadable),
        "unreadable": [{"row": u.row, "key": u.key, "reason": u.reason} for u in data.unreadable[:MOST_UNREADABLE]],
        "notes": list(data.notes),
    }


def finding_json(finding: Finding, data: Dataset, samples: bool) -> dict[str, Any]:
    """One finding; `samples` false keeps the artefact and all content out."""
    effect = finding.effect
    return {
        "id": finding.id,
        "kind": finding.kind,
        "status": finding.status,
        "target": finding.target,
        "p_value": _p_value(finding.log10_p),
        "log10_p": number(finding.log10_p),
        "e_value": e_value(finding.log_e),
        "log10_e": number(finding.log_e / math.log(10)),
        "rows": data.row[finding.positions[:MOST_ROWS]].tolist(),
        "row_count": len(finding.positions),
        "artefact": jsonable(artefact_json(finding, samples)),
        "description": None if not samples and "withheld" in artefact_json(finding, samples) else finding.artefact.describe(),
        "attack_success_rate": None if effect is None else number(effect.rate),
        "effect": None
        if effect is None
        else {
            "rate": number(effect.rate),
            "interval": [number(effect.low), number(effect.high)],
            "baseline": number(effect.baseline),
            "implants": bool(effect.implants),
        },
        "contributors": [{"name": c.name, "rows": c.rows, "of": c.of, "p_value": number(c.p_value)} for c in finding.contributors],
        "taxonomy": list(finding.taxonomy),
        "explanation": finding.explanation,
        "trials": [trial_json(t) for t in finding.trials],
    }


def trial_json(trial: TrialResult) -> dict[str, Any]:
    """One trial of a finding, its e-value also as a power of ten."""
    return {
        "name": trial.name,
        "state": trial.state,
        "p_value": number(trial.p_value),
        "e_value": None if trial.log_e is None else e_value(trial.log_e),
        "log10_e": None if trial.log_e is None else number(trial.log_e / math.log(10)),
        "detail": trial.detail,
    }


def check_json(check: Check) -> dict[str, Any]:
    """One planned check: whether it ran, and why not."""
    return {"name": check.name, "state": check.state, "reason": check.reason, "seconds": number(check.seconds) or 0.0}


def sensitivity_json(item: Sensitivity) -> dict[str, Any]:
    """What the canaries say would have been caught, with its interval."""
    return {
        "kind": item.kind,
        "size": item.size,
        "carriers": item.carriers,
        "caught": item.caught,
        "planted": item.planted,
        "interval": [number(item.low), number(item.high)],
    }


def screen_json(screen: RowScore, data: Dataset) -> dict[str, Any]:
    """One screen of rows: how many it flags, and the most suspicious of them."""
    flagged = np.flatnonzero(screen.flag)
    top = flagged[np.argsort(-screen.score[flagged], kind="stable")][:TOP_SCREEN]
    return {"name": screen.name, "reason": screen.reason, "flagged": len(flagged), "rows": data.row[top].tolist()}


def availability_json(cost: Availability | None) -> dict[str, Any] | None:
    """What mislabelled rows cost in accuracy; None where it was not estimated."""
    if cost is None:
        return None
    return {
        "estimated_fraction": number(cost.estimated_fraction),
        "interval": [number(cost.low), number(cost.high)],
        "rows": cost.rows,
        "turned": [{"from": a, "to": b, "share": number(share)} for a, b, share in cost.turned],
        "suspects": cost.suspects,
        "learning_curve": [
            {"rows": p.rows, "error_with_suspects": number(p.error_with), "error_without_suspects": number(p.error_without)}
            for p in cost.curve
        ],
        "damage": [
            {
                "column": d.column,
                "name": d.name,
                "rows": d.rows,
                "change": number(d.change),
                "interval": [number(d.low), number(d.high)],
                "p_value": number(d.p_value),
            }
            for d in cost.damage
        ],
    }


def number(value: Any) -> float | None:
    """A finite float, or None.

    >>> number(0.5), number(math.nan), number(-math.inf), number(None)
    (0.5, None, None, None)
    """
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def e_value(log_e: float) -> float | None:
    """exp(log_e), cut at the largest float.

    >>> e_value(0.0), e_value(1e6) == sys.float_info.max, e_value(math.nan)
    (1.0, True, None)
    """
    if math.isnan(log_e):
        return None
    return sys.float_info.max if log_e >= LOG_MAX else math.exp(log_e)


def jsonable(value: Any) -> Any:
    """JSON types of settings and artefacts: NumPy scalars unpacked, paths and the like as text, no NaN, no infinity."""
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [jsonable(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    return number(value) if isinstance(value, float) else str(value)


def _p_value(log10_p: float) -> float | None:
    return None if math.isnan(log10_p) else min(1.0, 10.0**log10_p)
