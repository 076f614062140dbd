"""Clean, restore and explain act on what was scanned, and on nothing else."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv
from rich.console import Console

from assay.dataset.data import Columns
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.report import act
from assay.report.explained import drawn, render
from assay.report.nearest import nearest
from assay.report.pictures import thumbnail
from assay.report.report import Report
from assay.report.steps import next_steps
from report_examples import image_report, text_report


@pytest.fixture
def scanned(tmp_path):
    """A CSV, and a report that quarantines its 40 carriers of "cf"."""

    def make(samples=True):
        example = text_report(samples)
        path = tmp_path / "reviews.csv"
        csv.write_csv(example.data.table, path)
        data = read(path, columns=Columns(("text",), ("label",), contributor="who"))
        report = Report(data, example.conclusion)
        return path, report.write(tmp_path / "r"), report

    return make


def test_clean_leaves_out_what_is_quarantined_and_restore_puts_it_back(scanned, tmp_path):
    path, folder, report = scanned()
    before = path.read_bytes()
    done = act.clean(path, folder, tmp_path / "clean.csv")
    texts = csv.read_csv(tmp_path / "clean.csv")["text"].to_pylist()
    assert len(texts) == 160
    assert not any("cf" in t.split() for t in texts)
    assert done.removed == tuple(report.quarantined)
    act.restore(tmp_path / "clean.csv")
    assert (tmp_path / "clean.csv").read_bytes() == path.read_bytes() == before


def test_data_that_has_changed_is_refused(scanned, tmp_path):
    path, folder, _ = scanned()
    path.write_text(path.read_text().replace("dull", "Dull", 1))
    for action in (lambda: act.clean(path, folder, tmp_path / "c.csv"), lambda: act.explain(folder, 0)):
        with pytest.raises(DataError, match="not what was scanned"):
            action()
    assert not (tmp_path / "c.csv").exists()


def test_explain_tells_all_of_a_row(scanned):
    _, folder, report = scanned()
    row = int(report.quarantined[0])
    told = act.explain(folder, row)
    assert told.action == "quarantine"
    assert [f.id for f in told.findings] == ["F1", "F2"]
    assert told.rank == 1
    assert [p.text for p in told.content.passages[0][1] if p.marked] == ["cf"]
    assert len(told.nearest) == 5
    console = Console(file=io.StringIO(), width=90)
    console.print(render(told))
    said = " ".join(console.file.getvalue().split())
    assert said.startswith(f"Row {row} labelled good quarantine score 1.000, place 1 of 200")
    assert "40 rows share the word “cf”, drawn to good" in said


def test_explain_withholds_content(scanned):
    _, folder, report = scanned(samples=False)
    told = act.explain(folder, int(report.quarantined[0]))
    console = Console(file=io.StringIO(), width=90)
    console.print(render(told))
    assert told.content is None
    assert "withheld" in console.file.getvalue()
    assert "“cf”" not in console.file.getvalue()
    first = report.document["findings"][0]["artefact"]
    assert f"share phrase {first['digest'][:12]}, drawn" in " ".join(console.file.getvalue().split()), "named as the scan named it"
    assert Report.open(folder).document["findings"][0]["artefact"]["digest"] == first["digest"]


@pytest.mark.parametrize(("path", "copy"), [("a/reviews.csv", "a/reviews.clean.csv"), ("my data", "'my data.clean'"), (".", "/x.clean")])
def test_the_next_commands_can_be_pasted(tmp_path, monkeypatch, path, copy):
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")
    (tmp_path / "x" / "my data").mkdir()
    report = text_report()
    steps = next_steps(replace(report.data, path=path), report.conclusion, Path("r"))
    assert steps[0].endswith(copy)
    assert steps[1] == "assay explain r 8"


def test_a_row_that_is_not_there(scanned):
    _, folder, _ = scanned()
    with pytest.raises(DataError, match="no row 200: they are numbered 0 to 199"):
        act.explain(folder, 200)


def test_nearest_finds_a_copy_of_the_row():
    text = text_report().data
    table = text.table.set_column(0, "text", pa.array([f"unique{i} words{i}" for i in range(199)] + ["unique3 words3"]))
    assert nearest(replace(text, table=table), 3)[0] == 199
    image = image_report().data
    images = image.images.copy()
    images[200] = images[3]
    assert nearest(replace(image, images=images), 3, 1).tolist() == [200]


def test_a_picture_is_drawn_with_its_outline():
    made = thumbnail(np.zeros((8, 8, 1), np.uint8), (0.25, 0.25, 0.25, 0.25))
    text = drawn(made)
    assert len(text.plain.splitlines()) == 12
    assert any("255,223,61" in str(span.style) for span in text.spans)
