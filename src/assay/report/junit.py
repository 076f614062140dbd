"""JUnit XML, which every build server shows: a suite of cases that passed, failed, broke or were skipped.

The de-facto schema of Jenkins and GitLab: testsuites > testsuite > testcase, with failure, error or skipped inside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from assay.dataset.data import Dataset
from assay.finding import Check, Conclusion, Finding
from assay.report import words
from assay.report.rows import by_strength
from assay.report.withheld import description, without_content

Outcome = Literal["passed", "failed", "error", "skipped"]
TAGS = {"failed": "failure", "error": "error", "skipped": "skipped"}
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


@dataclass(frozen=True)
class Case:
    """One test case; `message` says what is wrong, in one line, `text` all of it."""

    name: str
    outcome: Outcome = "passed"
    message: str = ""
    text: str = ""
    seconds: float = 0.0


def junit(suite: str, cases: Sequence[Case]) -> str:
    """The document. Characters that XML cannot hold are shown as U+FFFD.

    >>> print(junit("policy", [Case("a"), Case("b", "failed", 'x < "y"')]))
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites>
      <testsuite name="policy" tests="2" failures="1" errors="0" skipped="0" time="0.000">
        <testcase classname="policy" name="a" time="0.000"/>
        <testcase classname="policy" name="b" time="0.000">
          <failure message='x &lt; "y"'></failure>
        </testcase>
      </testsuite>
    </testsuites>
    <BLANKLINE>
    """
    counts = {outcome: sum(c.outcome == outcome for c in cases) for outcome in TAGS}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<testsuites>",
        f'  <testsuite name={_attribute(suite)} tests="{len(cases)}" failures="{counts["failed"]}" errors="{counts["error"]}" '
        f'skipped="{counts["skipped"]}" time="{sum(c.seconds for c in cases):.3f}">',
    ]
    for case in cases:
        head = f'    <testcase classname={_attribute(suite)} name={_attribute(case.name)} time="{case.seconds:.3f}"'
        if case.outcome == "passed":
            lines.append(f"{head}/>")
            continue
        tag = TAGS[case.outcome]
        lines += [f"{head}>", f"      <{tag} message={_attribute(case.message)}>{_text(case.text)}</{tag}>", "    </testcase>"]
    return "\n".join([*lines, "  </testsuite>", "</testsuites>", ""])


def report_junit(data: Dataset, conclusion: Conclusion) -> str:
    """A scan: a case for every check (broken ones are errors, those that did not run are skipped) and one for every finding
    (confirmed and suspected fail; a shortcut passes)."""
    depth, samples = str(conclusion.settings.get("depth", "fast")), bool(conclusion.settings.get("samples", True))
    if not samples:
        conclusion = without_content(conclusion)
    cases = [_check(c, depth) for c in conclusion.checks]
    cases += [_finding(f, samples) for f in by_strength(conclusion.findings)]
    return junit(f"assay scan {data.path}", cases)


def _check(check: Check, depth: str) -> Case:
    name, said = f"check {check.name}", f"{words.STATES[check.state]}" + (f": {check.reason}" if check.reason else "")
    if check.state == "ran":
        return Case(name, seconds=check.seconds)
    return Case(name, "error" if words.incomplete((check,), depth) else "skipped", said, seconds=check.seconds)


def _finding(finding: Finding, samples: bool) -> Case:
    shared = description(finding, samples)
    drawn = f", drawn to {finding.target!r}" if finding.target is not None else ""
    said = f"{finding.status}: {words.count(len(finding.positions), 'row')} share {shared}{drawn}"
    name = f"finding {finding.id}"
    if finding.status == "shortcut":
        return Case(f"{name} (shortcut)")
    return Case(name, "failed", said, finding.explanation)


def _attribute(text: str) -> str:
    return quoteattr(_plain(text), {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


def _text(text: str) -> str:
    return escape(_plain(text))


def _plain(text: str) -> str:
    return NOT_XML.sub("�", text)
