"""The terminal says the verdict first, and never less than the report holds."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from assay.report.terminal import show
from report_examples import clean_report, image_report, table_report, text_report


def printed(report, width=100, steps=()):
    console = Console(file=io.StringIO(), width=width)
    show(report.data, report.conclusion, steps, "r/report.html", console)
    return console.file.getvalue()


def test_verdict_first_then_findings_then_what_to_type():
    text = printed(text_report(), steps=("assay clean a.csv",))
    places = [text.index(s) for s in ("Poisoned: 1 artefact", "confirmed", "suspected", "5 of 5 (48-100 %)", "assay clean")]
    assert places == sorted(places)
    assert "w7 (40 of 40 rows)" in " ".join(text.split())


def test_commands_are_never_broken_over_lines():
    command = "assay clean " + "x" * 100 + " --out y"
    assert f"  {command}\n" in printed(text_report(), 60, (command,))


def test_every_check_that_did_not_run_is_listed_with_its_reason():
    text = printed(text_report())
    for check in text_report().checks:
        assert (check.name in text and check.reason[:20] in text) == (check.state != "ran"), check


def test_clean_is_never_said_without_its_sensitivity():
    assert "Would have caught" in printed(clean_report())
    report = clean_report()
    report.conclusion = replace(report.conclusion, sensitivity=())
    assert "Do not read this as clean" in printed(report)


def test_markup_in_the_data_is_printed_and_not_obeyed():
    report = text_report()
    finding = replace(report.findings[0], target="[red]spam[/red]")
    report.conclusion = replace(report.conclusion, findings=(finding,))
    assert "[red]" in printed(report)


def test_no_samples_keeps_the_trigger_off_the_terminal():
    assert "“cf”" in printed(text_report())
    assert "“cf”" not in printed(text_report(samples=False))


@pytest.mark.parametrize("example", [text_report, image_report, table_report, clean_report])
@pytest.mark.parametrize("width", [60, 200])
def test_any_width(example, width):
    assert max(len(line) for line in printed(example(), width).splitlines()) <= width
