"""Plots: each says what it shows, escapes what comes from data, is small, and stands alone as a file."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from assay.cli import run
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.finding import Availability, Conclusion, CurvePoint, Damage
from assay.report.html import html
from assay.report.plots.embedding import MOST_POINTS, embedding, plane
from assay.report.plots.rates import periods
from assay.report.plots.registry import kept_plots, plots
from assay.report.plots.svg import STYLE, standalone
from assay.report.report import Report
from report_examples import image_report, table_report, text_report

COST = Availability(
    0.06,
    0.05,
    0.07,
    200,
    (("bad", "good", 0.05),),
    40,
    (CurvePoint(50, 0.3, 0.25), CurvePoint(100, 0.2, 0.1)),
    (Damage("who", "w7 <b>", 40, 0.01, 0.008, 0.012, 1e-9),),
)


def full(report: Report) -> tuple[Dataset, Conclusion]:
    """The report's data and conclusion, with probabilities, features and a cost."""
    data, rng = report.data, np.random.default_rng(0)
    assert data is not None
    p = rng.dirichlet(np.ones(len(data.classes)), len(data)) + 2 * (data.y[:, None] == np.arange(len(data.classes)))
    features = rng.normal(size=(len(data), 8)).astype(np.float32)
    return data, replace(report.conclusion, probabilities=p / p.sum(1, keepdims=True), features=features, availability=COST)


@pytest.mark.parametrize("make", [text_report, image_report, table_report])
def test_every_plot_is_a_file_of_its_own_and_says_what_it_shows(make) -> None:  # type: ignore[no-untyped-def]
    drawn = plots(*full(make()))
    names = [p.name for p in drawn]
    assert len(set(names)) == len(names)
    assert {"map", "transitions", "losses", "scores", "learning-curve", "columns"} <= set(names)
    for plot in drawn:
        root = ET.fromstring(standalone(plot))
        assert root.find("{http://www.w3.org/2000/svg}title").text == plot.title  # type: ignore[union-attr]
        assert 'role="img"' in plot.svg
        assert len(re.search(r'aria-label="([^"]+)"', plot.svg).group(1)) > 20  # type: ignore[union-attr]
        assert len(plot.svg) < 200_000
        for number in re.findall(r'(?:x|y|cx|cy|width|height)="(-?[0-9.]+|nan|inf)"', plot.svg):
            assert np.isfinite(float(number))


def test_names_from_the_data_are_escaped() -> None:
    data, conclusion = full(text_report())
    table = data.table.set_column(2, "who", [["<script>x</script>", '"a&b"'] * 100])
    data = replace(data, classes=("<b>bad", '"good"'), table=table, columns=replace(data.columns, source="who"))
    page = html(data, conclusion)
    assert "<script>x" not in page
    assert "<b>bad" not in page
    for plot in plots(data, conclusion):
        ET.fromstring(standalone(plot))


def test_contributors_and_days_have_their_rates() -> None:
    data, conclusion = full(text_report())
    days = [f"2024-05-{1 + i % 20:02d}" for i in range(len(data))]
    data = replace(data, table=data.table.append_column("day", [days]), columns=replace(data.columns, time="day"))
    by_name = {p.name: p for p in plots(data, conclusion)}
    assert "w7" in by_name["rates-who"].svg
    assert "40 of 40" in by_name["rates-who"].svg
    assert by_name["rates-day"].svg.count("<circle") == 20


def test_days_become_months_and_other_times_stretches() -> None:
    days = [f"20{20 + i // 100}-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(400)]
    assert len(set(periods(days))) <= 60
    assert all(len(p) == 7 for p in periods(days) if p)
    assert len(set(periods(list(range(1000))))) == 30
    assert periods([1, None, 2]) == ["1", None, "2"]


def test_findings_are_ringed_and_linked_and_layers_can_be_switched() -> None:
    data, conclusion = full(text_report())
    drawn = embedding(data, conclusion)
    assert drawn is not None
    assert drawn.svg.count('href="#F1"') == 1
    assert "<title>row " in drawn.svg
    page = html(data, conclusion)
    for layer in re.findall(r'class="T(\w+)"', drawn.controls):
        assert f".T{layer}:not(:checked)) .L{layer} " in page
        assert re.search(rf'\bL{layer}"', drawn.svg)
    assert str(STYLE) in page


def test_a_large_map_holds_at_most_twenty_thousand_points_and_every_ring() -> None:
    data, conclusion = full(text_report())
    rows = np.arange(60_000) % len(data)
    big = data.subset(rows)
    many = np.random.default_rng(0).normal(size=(len(rows), 4)).astype(np.float32)
    finding = replace(conclusion.findings[0], positions=np.arange(59_900, 60_000))
    wide = replace(conclusion, features=many, findings=(finding,), action=tuple(conclusion.action[i] for i in rows))
    drawn = embedding(big, wide)
    assert drawn is not None
    assert drawn.svg.count("<circle") == 100
    assert 15_000 < drawn.svg.count("h0") <= 2 * MOST_POINTS
    assert len(drawn.svg) < 600_000
    assert "20,000 of 60,000" in drawn.caption


def test_places_lie_on_the_drawing_whatever_the_features() -> None:
    for features in (np.zeros((5, 3)), np.full((4, 2), np.nan), np.random.default_rng(0).normal(size=(50, 1)) * 1e9):
        places = plane(features)
        assert np.isfinite(places).all()
        assert (places >= 0).all()


def test_without_content_no_values_of_columns_are_shown() -> None:
    data, conclusion = full(table_report(samples=False))
    assert "columns" not in {p.name for p in plots(data, conclusion)}


def test_the_page_with_plots_is_small_and_holds_no_script() -> None:
    page = html(*full(image_report()))
    assert len(page.encode()) < 5_000_000
    assert "<script" not in page
    assert "How much is corrupted" in page
    assert "w7 &lt;b&gt;" in page


def test_formats_svg_and_png_write_a_folder_that_a_later_report_replaces(tmp_path: Path) -> None:
    data, conclusion = full(text_report())
    report = Report(data, conclusion)
    report.write(tmp_path / "out", ("json", "svg"))
    assert (tmp_path / "out" / "plots" / "map.svg").read_text().startswith("<svg xmlns")
    report.write(tmp_path / "out", ("json",))
    assert not (tmp_path / "out" / "plots").exists()
    pytest.importorskip("resvg_py")
    report.write(tmp_path / "out", ("json", "png"))
    assert (tmp_path / "out" / "plots" / "map.png").read_bytes().startswith(b"\x89PNG")
    assert Report.open(tmp_path / "out").conclusion.availability == COST


def test_plots_are_drawn_once_for_page_files_and_whoever_asks(tmp_path: Path) -> None:
    report = Report(*full(text_report()))
    with mock.patch("assay.report.plots.registry.plots", wraps=plots) as made:
        report.write(tmp_path / "out", ("html", "svg"))
        assert [plot.name for plot in report.drawings] == [plot.name for plot in kept_plots(tmp_path / "out")]
        report.write(tmp_path / "out", ("html",))
        assert made.call_count == 1
        with pytest.raises(DataError, match="was opened"):
            Report.open(tmp_path / "out").drawings  # noqa: B018  # a property that raises


def test_plots_are_made_of_a_report_without_its_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, conclusion = full(text_report())
    Report(data, conclusion).write(tmp_path / "r", ("html",))
    assert run(["plot", str(tmp_path / "r"), "--out", str(tmp_path / "p"), "--name", "map", "--name", "losses"]) == 0
    assert run(["plot", str(tmp_path / "r"), "--out", str(tmp_path / "p"), "--name", "map"]) == 2
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == ["losses.svg", "map.svg"]
    assert run(["plot", str(tmp_path / "r")]) == 0
    drawn = plots(data, conclusion)
    assert {p.name for p in (tmp_path / "r" / "plots").iterdir()} == {f"{p.name}.svg" for p in drawn}
    alone = (tmp_path / "r" / "plots" / "map.svg").read_text()
    assert alone == standalone(drawn[0])
    assert all(name in alone for name in ("bad (", "good (", "F1:"))  # what the page's switches say
    Report(data, conclusion).write(tmp_path / "r", ("html",))  # still a report of ours
    assert run(["plot", str(tmp_path / "r"), "--name", "mop"]) == 2
    assert "choose among map" in capsys.readouterr().err


@pytest.mark.parametrize(
    "svg",
    [
        "<svg><script>alert(1)</script></svg>",
        '<svg><a href="https://elsewhere"><path/></a></svg>',
        '<svg onload="x()"/>',
        '<!DOCTYPE a [<!ENTITY b "c">]><svg/>',
        "<svg>",
        7,
    ],
)
def test_drawings_that_are_none_of_ours_are_refused(tmp_path: Path, svg: object) -> None:
    plot = {"name": "map", "title": "t", "caption": "c", "svg": svg, "legend": []}
    (tmp_path / "plots.json").write_text(json.dumps({"schema": "assay.plots/1", "plots": [plot]}))
    with pytest.raises(DataError, match="no drawings of ours"):
        kept_plots(tmp_path)
    plot |= {"name": "../map", "svg": "<svg/>"}
    (tmp_path / "plots.json").write_text(json.dumps({"schema": "assay.plots/1", "plots": [plot]}))
    with pytest.raises(DataError, match="names a drawing"):
        kept_plots(tmp_path)
