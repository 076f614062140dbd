"""`assert_clean` passes on clean data and names the finding on poisoned data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.pytest_plugin import assert_clean as check
from assay.report.report import Report
from report_examples import clean_report, text_report

pytest_plugins = ["pytester"]


@pytest.fixture
def scanning(monkeypatch):
    """`assay.api.scan` gives this report."""

    def give(report):
        monkeypatch.setattr("assay.api.scan", lambda source, **asked: report)

    return give


def test_clean_passes_and_gives_the_report(scanning):
    scanning(clean_report())
    assert check("reviews.csv").verdict == "clean"


def test_poison_fails_and_is_named(scanning):
    scanning(text_report())
    with pytest.raises(AssertionError, match=r"F1 confirmed: 40 rows share the word “cf”, drawn to 'good'"):
        check("reviews.csv")


def test_a_suspicion_fails_unless_only_proof_should(scanning):
    report = text_report()
    suspected = tuple(replace(f, status="suspected") for f in report.conclusion.findings)
    report = Report(report.data, replace(report.conclusion, findings=suspected, verdict="suspect", checks=()))
    scanning(report)
    check("reviews.csv", fail_on="confirmed")
    with pytest.raises(AssertionError, match="suspected"):
        check("reviews.csv")


def test_an_incomplete_scan_fails(scanning):
    report = clean_report()
    report.conclusion = replace(report.conclusion, checks=text_report().checks, verdict="incomplete")
    scanning(report)
    with pytest.raises(AssertionError, match="isolation failed"):
        check("reviews.csv")


def test_the_fixture_is_there_for_any_test(pytester):
    pytester.makepyfile(
        """
        def test_data(assert_clean, monkeypatch):
            import assay.api
            asked = {}
            class Fine:
                def exit_code(self, fail_on):
                    return 0
            monkeypatch.setattr(assay.api, "scan", lambda source, **kw: asked.update(kw) or Fine())
            assert_clean("a.csv", label="y")
            assert asked == {"label": "y"}
        """
    )
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)
