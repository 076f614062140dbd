"""report.json and rows.parquet keep their contract."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import jsonschema
import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.finding import Conclusion
from assay.report.json import dumps, report_json, schema
from assay.report.report import Report
from report_examples import clean_report, image_report, table_report, text_report

EXAMPLES = [text_report, image_report, table_report, clean_report, lambda: text_report(samples=False)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_report_meets_the_schema(example):
    document = json.loads(dumps(example().document))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())


def test_the_schema_refuses_a_wrong_report():
    document = text_report().document
    for broken in ({"verdict": "fine"}, {"schema": "assay.report/2"}, {"dataset": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, **broken}, schema())


def test_what_the_contract_names_is_there():
    document = text_report().document
    assert {"schema", "dataset", "verdict", "findings", "checks", "sensitivity", "settings"} <= document.keys()
    assert document["dataset"]["rows"] == 201
    assert sum(document["dataset"]["labels"].values()) == 200
    first = document["findings"][0]
    assert first["id"] == "F1", "confirmed stands before suspected"
    assert first["row_count"] == 40
    assert 7 not in first["rows"], "row numbers count the unreadable record, positions do not"
    assert first["attack_success_rate"] == 0.97
    assert document["sensitivity"][0]["interval"] == [0.478, 1.0]
    acted = text_report().rows["action"].to_pylist()
    assert document["actions"] == {a: acted.count(a) for a in ("quarantine", "review", "keep")}, "the unreadable record among them"


@settings(max_examples=30, deadline=None)
@given(st.floats(), st.floats(max_value=0))
def test_no_nan_and_no_infinity_leaves(log_e, log10_p):
    report = text_report()
    findings = tuple(replace(f, log_e=log_e, log10_p=log10_p) for f in report.conclusion.findings)
    document = report_json(report.data, replace(report.conclusion, findings=findings))
    jsonschema.validate(json.loads(dumps(document)), schema())


def test_at_most_ten_thousand_rows_are_listed():
    report = table_report()
    finding = replace(report.findings[0], positions=np.zeros(10_001, np.int64))
    document = report_json(report.data, replace(report.conclusion, findings=(finding,)))
    assert len(document["findings"][0]["rows"]) == 10_000
    assert document["findings"][0]["row_count"] == 10_001


def test_rows_number_every_record():
    rows = text_report().rows
    assert rows["row"].to_pylist() == list(range(201))
    lost = rows.filter(pc.equal(rows["row"], 7)).to_pylist()[0]
    assert (lost["digest"], lost["score"], lost["finding"], lost["action"]) == (None, None, None, "review")
    carrier = rows.filter(pc.equal(rows["action"], "quarantine")).to_pylist()[0]
    assert carrier["finding"] == "F1"
    assert carrier["findings"] == ["F1", "F2"]
    assert len(carrier["digest"]) == 64


def test_keep_and_mask_leave_out_quarantined_and_unreadable():
    report = text_report()
    assert len(report.mask) == 201
    assert report.mask.sum() == len(report.keep) == 160
    assert 7 not in report.keep
    assert not set(report.keep) & set(report.quarantined)


def test_without_samples_no_content_is_written():
    shown, withheld = dumps(text_report().document), dumps(text_report(samples=False).document)
    assert "cf" in shown
    assert "“cf”" not in withheld
    assert '"cf"' not in withheld
    assert '"w7"' in withheld, "a contributor is no content"
    first = text_report(samples=False).document["findings"][0]
    assert first["artefact"]["digest"] == text_report().document["findings"][0]["artefact"]["digest"]


@pytest.mark.parametrize(
    ("verdict", "depth", "fail_on", "code"),
    [
        ("poisoned", "fast", "suspected", 1),
        ("poisoned", "fast", "confirmed", 1),
        ("poisoned", "fast", "never", 3),
        ("clean", "fast", "suspected", 0),
        ("clean", "full", "suspected", 3),
    ],
)
def test_exit_codes(verdict, depth, fail_on, code):
    report = text_report() if verdict == "poisoned" else clean_report()
    settings = {**report.conclusion.settings, "depth": depth}
    assert Report(report.data, replace(report.conclusion, settings=settings)).exit_code(fail_on) == code


def test_a_shortcut_never_fails_a_scan():
    report = text_report()
    shortcuts = tuple(replace(f, status="shortcut") for f in report.conclusion.findings)
    conclusion = replace(report.conclusion, findings=shortcuts, checks=())
    assert Report(report.data, conclusion).exit_code("suspected") == 0


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_report_opens_as_it_was_written(example, tmp_path):
    report = example()
    opened = Report.open(report.write(tmp_path / "a", ("json",)))
    assert opened.verdict == report.verdict
    assert opened.rows.equals(report.rows)
    assert opened.fingerprint == report.fingerprint
    assert [f.id for f in opened.findings] == [f.id for f in report.findings]
    for mine, theirs in zip(opened.findings, report.findings, strict=True):
        assert mine.positions.tolist() == theirs.positions.tolist()
        assert math.isclose(mine.log_e, theirs.log_e)
    assert opened.exit_code() == report.exit_code()
    assert isinstance(opened.conclusion, Conclusion)


def test_opened_artefacts_still_answer(tmp_path):
    opened = Report.open(text_report().write(tmp_path / "a", ("json",)))
    assert opened.findings[0].artefact.present(["a cf b", "a b"]).tolist() == [True, False]
