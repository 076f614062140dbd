"""The audit of a model: one document, and from it a page, SARIF and a section for a model card.

The document is JSON as `assay model audit` writes it ("assay.model-audit/1"): the file, what loading it would run, how it behaves, and what
of that is worth a finding. The page needs no network, no script and no other file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from assay.dataset.printable import printable
from assay.report.html import templates
from assay.report.sarif import location, one_run
from assay.report.triggers import handed_over
from assay.trial.verdicts import BACKDOOR
from assay.version import __version__

Level = Literal["error", "warning", "note"]
Document = Mapping[str, Any]

MILD_LOSS = 0.1  # of accuracy, under the mildest of a kind of corruption: what a user would notice
SLICED = 0.01  # level at which a slice counts as worse than the rest
LOADING = ("MITRE ATLAS AML.T0011.000", "CWE-502")  # user execution: unsafe artefacts; deserialisation of untrusted data
EVADED = ("MITRE ATLAS AML.T0043", "CWE-1039")  # craft adversarial data; recognition that handles perturbed input badly
SEVERITY = {"error": "9.0", "warning": "5.0", "note": "1.0"}  # GitHub's scale: over 7 high, over 4 medium
RULES = {
    "loading": "Loading the file runs more than data needs",
    "backdoor": "A class behaves as if a trigger led to it",
    "slice": "Told right less often than the rest",
    "calibration": "Confidence is not what comes true",
    "corruption": "A little wear of the picture costs much",
    "adversarial": "Small changes made to mislead succeed",
}


@dataclass(frozen=True)
class Audited:
    """One finding on a model. `rule` is a key of `RULES`."""

    rule: str
    level: Level
    text: str
    taxonomy: tuple[str, ...] = ()


def findings(document: Document) -> list[Audited]:
    """What is worth a finding, the worst first."""
    found = [*_loading(document), *_backdoor(document), *_behaviour(document)]
    return sorted(found, key=lambda f: ("error", "warning", "note").index(f.level))


def _loading(document: Document) -> list[Audited]:
    names = [name for part in document["loading"]["parts"] for name in (*part["dangerous"], *part["unknown"])]
    if document["loading"]["risk"] == "none":
        return []
    level: Level = "error" if document["loading"]["risk"] == "dangerous" else "warning"
    return [Audited("loading", level, f"loading it means {document['loading']['risk']}: {', '.join(names[:6]) or 'see parts'}", LOADING)]


def _backdoor(document: Document) -> list[Audited]:
    seen = document["inspection"]
    if seen is None or seen["verdict"] != "backdoored":
        return []
    where = "each class to another" if seen["target"] is None else f"class {seen['target']}"
    said = "".join(f"; a {t['artefact']['kind']} turns {t['attack_success']:.0%} of {t['measured_on']} rows" for t in seen["triggers"][:1])
    return [Audited("backdoor", "error", f"{where} behaves as if it had a trigger, p = {seen['p']:.2g}{said}", BACKDOOR)]


def _behaviour(document: Document) -> list[Audited]:
    seen, found = document["behaviour"], []
    overall = seen["overall"]["share"]
    for part in seen["slices"]:
        if part["p"] <= SLICED:
            told = f"{part['name']}: {part['share']:.1%} of {part['rows']} rows told right, all rows {overall:.1%} (p = {part['p']:.2g})"
            found.append(Audited("slice", "warning", told))
    sure = seen["calibration"]
    if sure["error"] > sure["by_chance"]:
        way = "over" if sure["beyond"] > 0 else "under"
        told = (
            f"calibration error {sure['error']:.3f}, by chance at most {sure['by_chance']:.3f}: {way}confident by {abs(sure['beyond']):.3f}"
        )
        found.append(Audited("calibration", "note", f"{told}; dividing logits by {sure['temperature']:.2f} fits best"))
    for kind, levels in seen["corrupted"].items():
        lost = overall - levels[0]["share"]
        if lost > MILD_LOSS:
            found.append(Audited("corruption", "warning", f"{kind}: the mildest ({levels[0]['severity']:g}) costs {lost:.1%} of accuracy"))
    tried = document["adversarial"]
    if tried is not None:
        told = f"{tried['pgd']['share']:.1%} of {tried['rows']} rows withstand changes of {tried['reach'] * 255:g}/255 (PGD)"
        found.append(Audited("adversarial", "note", f"{told}; untouched {tried['clean']['share']:.1%}", EVADED))
    return found


def sarif(document: Document) -> dict[str, Any]:
    """A SARIF 2.1.0 log with one run, the model's file as location."""
    told = findings(document)
    rules = sorted({f.rule for f in told})
    results = [
        {
            "ruleId": f"model/{f.rule}",
            "ruleIndex": rules.index(f.rule),
            "level": f.level,
            "message": {"text": f.text},
            "locations": [location(document["file"])],
            "properties": {"taxonomy": list(f.taxonomy)},
        }
        for f in told
    ]
    return one_run(
        [_rule(rule, next(f.level for f in told if f.rule == rule)) for rule in rules],
        results=results,
        properties={"sha256": document["sha256"], "notRun": list(document["not_run"])},
    )


def _rule(rule: str, level: Level) -> dict[str, Any]:
    return {
        "id": f"model/{rule}",
        "name": f"Model{rule.capitalize()}",
        "shortDescription": {"text": RULES[rule]},
        "defaultConfiguration": {"level": level},
        "properties": {"security-severity": SEVERITY[level], "tags": ["security", "machine-learning"]},
    }


def html(document: Document) -> str:
    """The page; everything that comes from the file or the data is escaped."""
    told = {"findings": findings(document), "triggers": handed_over(document["inspection"]), "rules": RULES, "version": __version__}
    page = templates().get_template("model.html.j2").render(d=document, **told)
    return printable(page)


def card(document: Document) -> str:
    """Markdown for a model card: what was measured, on what, and what was not looked at."""
    seen, inspected = document["behaviour"], document["inspection"]
    lines = [
        "## Audit",
        "",
        f"Assay {__version__}; {document['network']}; {seen['overall']['rows']:,} labelled rows; sha256 `{document['sha256']}`.",
        "",
        "| measured | figure | 95 % interval |",
        "|---|---|---|",
        _line("accuracy", seen["overall"]),
    ]
    lines += [_line(f"accuracy, {s['name']}", s) for s in seen["slices"][:3]]
    lines += [_line(f"accuracy under {kind} ({levels[1]['severity']:g})", levels[1]) for kind, levels in seen["corrupted"].items()]
    if document["adversarial"] is not None:
        tried = document["adversarial"]
        lines.append(_line(f"accuracy under PGD, {tried['reach'] * 255:g}/255", tried["pgd"]))
    lines += ["", f"Calibration error {seen['calibration']['error']:.3f} (by chance at most {seen['calibration']['by_chance']:.3f})."]
    if inspected is not None:
        lines.append(f"Backdoor inspection: {inspected['verdict']}, p = {inspected['p']:.2g}; nothing found is no proof of a clean model.")
    lines.append(f"Loading the file: {document['loading']['risk']}.")
    if document["not_run"]:
        lines.append(f"Not run: {', '.join(document['not_run'])}.")
    told = findings(document)
    lines += ["", "### Findings", "", *(f"- {f.level}: {f.text}{_named(f)}" for f in told)] if told else ["", "No findings."]
    return printable("\n".join(lines) + "\n")


def _line(what: str, share: Mapping[str, Any]) -> str:
    return f"| {what} | {share['share']:.1%} | {share['low']:.1%} to {share['high']:.1%} |"


def _named(finding: Audited) -> str:
    return f" ({', '.join(finding.taxonomy)})" if finding.taxonomy else ""


def as_json(document: Document) -> dict[str, Any]:
    """The document with its findings."""
    return {**document, "findings": [asdict(f) for f in findings(document)]}
