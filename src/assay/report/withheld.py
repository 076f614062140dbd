"""What stands in for content in a report that may hold none (`--no-samples`)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from assay.finding import Conclusion, Finding

# A group is named by a context column (who, whence, when): no content, and without it nobody could act.
# A relabelling names two classes and row digests.
SHOWN_KINDS = frozenset({"group", "relabelling"})


def artefact_digest(finding: Finding) -> str:
    """SHA-256 over the artefact's JSON with sorted keys: the same artefact has the same digest in any report, and keeps it where a
    report that withholds it is opened again."""
    stored = finding.artefact.to_json()
    if stored.get("withheld"):
        return str(stored["digest"])
    text = json.dumps(stored, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def description(finding: Finding, samples: bool) -> str:
    """The artefact in words, or its kind and digest where content is withheld."""
    if samples or finding.kind in SHOWN_KINDS:
        return finding.artefact.describe()
    return f"{finding.kind} {artefact_digest(finding)[:12]}"


def artefact_json(finding: Finding, samples: bool) -> dict[str, Any]:
    """The artefact, or {"kind", "digest", "withheld": true}: a trigger is content too."""
    if samples or finding.kind in SHOWN_KINDS:
        return {**finding.artefact.to_json(), "digest": artefact_digest(finding)}
    return {"kind": finding.kind, "digest": artefact_digest(finding), "withheld": True}


def without_content(conclusion: Conclusion) -> Conclusion:
    """The same conclusion, its sentences about single findings replaced: they may quote the trigger."""
    return replace(conclusion, findings=tuple(_silent(f) for f in conclusion.findings))


def _silent(finding: Finding) -> Finding:
    if finding.kind in SHOWN_KINDS:
        return finding
    drawn = f", drawn to {finding.target!r}" if finding.target is not None else ""
    said = f"{len(finding.positions):,} rows share a {finding.kind}{drawn}. Its content is withheld (--no-samples)."
    return replace(finding, explanation=said, trials=tuple(replace(t, detail="") for t in finding.trials))
