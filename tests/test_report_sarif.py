"""SARIF 2.1.0: what code-scanning front ends read."""

from __future__ import annotations

import pytest

from assay.report.json import dumps
from assay.report.sarif import sarif
from report_examples import clean_report, image_report, table_report, text_report


def run_of(report):
    log = sarif(report.data, report.conclusion)
    assert log["version"] == "2.1.0"
    return log["runs"][0]


@pytest.mark.parametrize("example", [text_report, image_report, table_report, clean_report])
def test_results_point_at_their_rules_and_a_place(example):
    report = example()
    run = run_of(report)
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(run["results"]) == len(report.findings)
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"]
        region = result["locations"][0]["physicalLocation"]
        assert region["region"]["startLine"] == 1
        assert " " not in region["artifactLocation"]["uri"]
    dumps(sarif(report.data, report.conclusion))


def test_levels_follow_the_status():
    assert [r["level"] for r in run_of(text_report())["results"]] == ["error", "warning"]


def test_checks_that_did_not_run_are_notifications():
    run = run_of(text_report())
    said = [n["message"]["text"] for n in run["invocations"][0]["toolExecutionNotifications"]]
    assert len(said) == 4
    assert not run["invocations"][0]["executionSuccessful"]
    assert run_of(clean_report())["invocations"][0]["executionSuccessful"]


def test_the_same_artefact_has_the_same_fingerprint_in_the_next_scan():
    first, second = run_of(text_report())["results"][0], run_of(text_report())["results"][0]
    assert first["partialFingerprints"] == second["partialFingerprints"]


def test_no_samples():
    assert "“cf”" in dumps(sarif(text_report().data, text_report().conclusion))
    report = text_report(samples=False)
    assert "“cf”" not in dumps(sarif(report.data, report.conclusion))
