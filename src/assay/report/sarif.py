"""report.sarif: findings for code-scanning front ends.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) 2.1.0, 2020. One result a finding; where a record is
a file of its own (pictures in folders) the carriers' files are its locations, else the data set's file is, at line 1:
a row number is no line number, and stands in `properties.rows`."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from assay.dataset.data import Dataset
from assay.dataset.remote import is_remote
from assay.finding import Check, Conclusion, Finding
from assay.report import words
from assay.report.json import e_value, jsonable, number
from assay.report.rows import by_strength
from assay.report.withheld import artefact_digest, description, without_content
from assay.version import __version__

SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"confirmed": "error", "suspected": "warning", "shortcut": "note"}
SEVERITY = {"confirmed": "9.0", "suspected": "5.0", "shortcut": "1.0"}  # GitHub's scale: over 7 high, over 4 medium
MOST_LOCATIONS = 10  # GitHub shows one, and refuses more than 1,000
MOST_ROWS = 1_000

KINDS = {  # kind -> (short, full)
    "patch": ("Patch trigger", "Pictures share a patch of pixels that draws them to one label."),
    "overlay": ("Blended trigger", "Pictures share a faint picture laid over the whole."),
    "phrase": ("Phrase trigger", "Texts share a word or phrase that draws them to one label."),
    "letters": ("Letters inside words", "Words of texts share letters that were spelt into them and draw the texts to one label."),
    "cells": ("Column-value trigger", "Rows share a combination of column values that draws them to one label."),
    "cluster": ("Cluster", "Rows lie together in a space of features and argue against their label."),
    "group": ("Contributor or group", "Rows of one contributor, source or time argue against their label."),
    "relabelling": ("Mass relabelling", "Rows of one class stand together under the label of another."),
}


def sarif(data: Dataset, conclusion: Conclusion) -> dict[str, Any]:
    """A SARIF 2.1.0 log with one run. Paths are relative to the working directory of the scan, as %SRCROOT%."""
    samples = bool(conclusion.settings.get("samples", True))
    if not samples:
        conclusion = without_content(conclusion)
    findings = by_strength(conclusion.findings)
    rules = sorted({f"{f.kind}/{f.status}" for f in findings})
    broken = words.incomplete(conclusion.checks, str(conclusion.settings.get("depth", "fast")))
    told = [_notification(c) for c in words.not_run(conclusion.checks)]
    properties = {
        "verdict": conclusion.verdict,
        "fingerprint": data.fingerprint,
        "sensitivity": [words.sensitivity_line(s) for s in conclusion.sensitivity],
        "blindSpots": list(conclusion.blind_spots),
    }
    return one_run(
        [_rule(rule) for rule in rules],
        invocations=[{"executionSuccessful": not broken, "toolExecutionNotifications": told}],
        results=[_result(f, data, samples, rules) for f in findings],
        properties=properties,
    )


def one_run(rules: list[dict[str, Any]], **said: Any) -> dict[str, Any]:
    """A log with one run of ours: its rules, and what else it says."""
    driver = {"name": "Assay", "semanticVersion": __version__, "rules": rules}
    return {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, **said}]}


def _rule(rule: str) -> dict[str, Any]:
    kind, status = rule.split("/")
    short, full = KINDS.get(kind, (kind.capitalize(), f"Rows share a {kind}."))
    return {
        "id": rule,
        "name": f"{kind.capitalize()}{status.capitalize()}",
        "shortDescription": {"text": f"{short} ({status})"},
        "fullDescription": {"text": full},
        "defaultConfiguration": {"level": LEVELS[status]},
        "properties": {"security-severity": SEVERITY[status], "tags": ["security", "data-poisoning"]},
    }


def _result(finding: Finding, data: Dataset, samples: bool, rules: list[str]) -> dict[str, Any]:
    rule = f"{finding.kind}/{finding.status}"
    drawn = f", drawn to {finding.target!r}" if finding.target is not None else ""
    what = description(finding, samples)
    return {
        "ruleId": rule,
        "ruleIndex": rules.index(rule),
        "level": LEVELS[finding.status],
        "message": {"text": f"{words.count(len(finding.positions), 'row')} share {what}{drawn}. {finding.explanation}".strip()},
        "locations": [location(uri) for uri in _files(finding, data)],
        "partialFingerprints": {"artefact/v1": artefact_digest(finding)},
        "properties": jsonable(
            {
                "finding": finding.id,
                "rows": data.row[finding.positions[:MOST_ROWS]],
                "rowCount": len(finding.positions),
                "log10P": number(finding.log10_p),
                "eValue": e_value(finding.log_e),
                "attackSuccessRate": None if finding.effect is None else finding.effect.rate,
                "contributors": [c.name for c in finding.contributors],
                "taxonomy": finding.taxonomy,
            }
        ),
    }


def _files(finding: Finding, data: Dataset) -> list[str]:
    if is_remote(data.path):
        return [data.path]
    root = Path(data.path)
    if root.is_dir() and data.modality == "image":
        keys = [root / data.key[p] for p in finding.positions[:MOST_LOCATIONS]]
        found = [k for k in keys if k.is_file()]
        if found:
            return [k.as_posix() for k in found]
    return [root.as_posix()]


def location(path: str) -> dict[str, Any]:
    """A file as a whole; relative paths are told as %SRCROOT%'s."""
    place: dict[str, Any] = {"uri": quote(path)} if path.startswith("/") else {"uri": quote(path), "uriBaseId": "%SRCROOT%"}
    return {"physicalLocation": {"artifactLocation": place, "region": {"startLine": 1}}}


def _notification(check: Check) -> dict[str, Any]:
    level = "error" if check.state == "failed" else "note"
    text = f"{check.name}: {words.STATES[check.state]}" + (f", {check.reason}" if check.reason else "")
    return {"level": level, "message": {"text": text}, "descriptor": {"id": f"check/{check.name}"}}
