"""A report folder is written whole or not at all, and nothing else is ever overwritten."""

from __future__ import annotations

import json

import pytest

from assay.dataset.errors import DataError
from assay.report import folder
from assay.report.report import Report
from report_examples import clean_report, text_report


def test_an_old_report_is_replaced(tmp_path):
    out = text_report().write(tmp_path / "r", ("json", "sarif"))
    clean_report().write(out, ("json",))
    assert Report.open(out).verdict == "clean"
    assert sorted(p.name for p in out.iterdir()) == ["report.json", "rows.parquet"]
    assert [p.name for p in tmp_path.iterdir()] == ["r"], "no scratch is left"


def test_the_states_of_an_old_report_are_kept(tmp_path):
    out = text_report().write(tmp_path / "r", ("json",))
    (out / "states").mkdir()
    (out / "states" / "phrase.parquet").write_text("x")
    clean_report().write(out, ("json",))
    assert (out / "states" / "phrase.parquet").read_text() == "x"


@pytest.mark.parametrize("name", ["notes.txt", "report.json"])
def test_what_is_no_report_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(DataError, match="left alone"):
        text_report().write(tmp_path, ("json",))
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_stranger_in_an_old_report_is_left_alone(tmp_path):
    out = text_report().write(tmp_path / "r", ("json",))
    (out / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match=r"mine\.txt"):
        clean_report().write(out, ("json",))
    assert Report.open(out).verdict == "poisoned"


def test_a_failed_write_leaves_the_old_report(tmp_path):
    out = text_report().write(tmp_path / "r", ("json",))

    def fail(path):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.write_folder(out, {"report.json": lambda p: p.write_text("{}"), "rows.parquet": fail})
    assert Report.open(out).verdict == "poisoned"
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_a_report_inside_the_data_is_refused(tmp_path):
    with pytest.raises(DataError, match="inside the data"):
        folder.check_writable(tmp_path / "out", tmp_path)


def test_broken_reports_are_refused_with_the_file_named(tmp_path):
    with pytest.raises(DataError, match=r"report\.json"):
        Report.open(tmp_path)
    out = text_report().write(tmp_path / "r", ("json",))
    document = json.loads((out / "report.json").read_text())
    for change, says in (({"schema": "assay.report/9"}, "assay.report/9"), ({"findings": [{}]}, "does not hold")):
        (out / "report.json").write_text(json.dumps({**document, **change}))
        with pytest.raises(DataError, match=says):
            Report.open(out)
    (out / "report.json").write_text(json.dumps(document))
    (out / "rows.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"rows\.parquet"):
        Report.open(out)
