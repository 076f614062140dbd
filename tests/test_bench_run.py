"""A suite is run once, recorded as it goes, resumed after a stop, and its page is made from the records."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.artefact.patch import Patch
from assay.artefact.phrase import Phrase
from assay.bench.case import Cell, make_case
from assay.bench.defence import Flags
from assay.bench.measures import after, harm, measure, same
from assay.bench.page import as_table, markdown
from assay.bench.peers.registry import defences
from assay.bench.runner import read_lines, run_suite
from assay.bench.sets import SETS
from assay.bench.suites import SUITES, Line, Suite
from assay.cli import run as command

TINY = Suite("tiny", (Line(("breast_cancer_shipped",), 300, "cells", carriers=(25,)),), (("breast_cancer_shipped", 300),), 1, 1, True)


@pytest.fixture
def shipped(monkeypatch):
    """A set that scikit-learn ships, so that nothing else is needed."""
    from sklearn.datasets import load_breast_cancer

    from assay.bench import runner
    from assay.bench.sets import _arrays

    one = _arrays("breast_cancer_shipped", "table", lambda: load_breast_cancer(return_X_y=True))
    monkeypatch.setattr(runner, "SETS", (one,))
    return one


CHOSEN = ("assay", "random", "perfect", "isolation forest")


def chosen():
    return [d for d in defences() if d.name in CHOSEN]


def test_a_suite_is_recorded_resumed_and_turned_into_a_page(shipped, tmp_path) -> None:
    out = tmp_path / "runs.jsonl"
    assert run_suite(TINY, out, chosen(), 0.0, 1, lambda *_: None) == (0, 2)
    assert run_suite(TINY, out, chosen(), 5.0, 1, lambda *_: None, sets=["sms"]) == (0, 2)
    assert run_suite(TINY, out, chosen(), 5.0, 1, lambda *_: None) == (2, 0)
    assert run_suite(TINY, out, chosen(), 5.0, 1, lambda *_: None) == (0, 0)
    lines = read_lines(out)
    assert len(lines) == 8
    assert all(x["failed"] is None for x in lines)
    out.write_text(out.read_text()[:-30])  # the last line is cut short
    assert run_suite(TINY, out, chosen(), 5.0, 1, lambda *_: None)[0] == 1
    again = read_lines(out)
    assert {(x["cell"], x["defence"]) for x in again} == {(x["cell"], x["defence"]) for x in lines}
    by_name = {x["defence"]: x for x in lines if x["attack"]}
    assert (by_name["perfect"]["tpr"], by_name["perfect"]["fpr"]) == (1.0, 0.0)
    assert by_name["random"]["tpr"] < 0.5
    assert by_name["assay"]["tpr"] == 1.0
    assert by_name["assay"]["success_after"] <= by_name["assay"]["success"]
    page = markdown("tiny", lines, "assay bench", "")
    assert "| isolation forest |" in page
    assert as_table(lines).num_rows == 8


def test_measures_of_a_known_outcome() -> None:
    cell = Cell("digits", 600, "patch", carriers=30, seed=1)
    whole = next(s for s in SETS if s.name == "digits").read()
    case = make_case(cell, whole)
    assert make_case(cell, whole).data.digest.tobytes() == case.data.digest.tobytes()
    removed = case.poisoned.copy()
    removed[np.flatnonzero(~case.poisoned)[:57]] = True
    found = measure(case, Flags(removed, removed.astype(float), case.planted.artefacts), hands_over=True)
    assert (found.poisoned, found.tpr, found.recovered) == (30, 1.0, True)
    assert found.fpr == pytest.approx(57 / 570)
    assert measure(case, Flags(removed, removed.astype(float)), hands_over=True).recovered is False


def test_the_victim_learns_the_trigger_and_forgets_it_without_the_rows() -> None:
    pytest.importorskip("torch")
    case = make_case(Cell("digits", 1_200, "patch", carriers=60, seed=0), next(s for s in SETS if s.name == "digits").read())
    harmed = harm(case)
    assert harmed.success > 0.9
    assert harmed.success_clean < 0.3
    success, accuracy = after(case, Flags(case.poisoned, case.poisoned.astype(float)))
    assert success < 0.3
    assert accuracy > 0.9


def test_every_suite_names_sets_attacks_and_parameters_that_exist() -> None:
    from assay.attack.registry import attack

    names = {s.name for s in SETS}
    for suite in SUITES.values():
        cells = suite.cells()
        assert len({c.id for c in cells}) == len(cells)
        for cell in cells:
            assert cell.set in names
            if cell.attack:
                attack(cell.attack).settle(cell.params)


def test_the_same_artefact_is_recognised() -> None:
    assert same(Phrase((("cf",),)), Phrase((("cf",),)))
    assert not same(Phrase((("cf",),)), Phrase((("mn",),)))
    square = Patch(np.zeros((3, 3, 1), np.uint8), np.ones((3, 3), bool), 2, 2)
    assert same(square, square)
    assert not same(square, Patch(np.zeros((3, 3, 1), np.uint8), np.ones((3, 3), bool), 4, 4))


def test_an_unknown_defence_is_exit_2(capsys) -> None:
    assert command(["bench", "--only", "nobody"]) == 2
    assert command(["bench", "--sets", "nothing"]) == 2
    assert "no defence 'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_set_that_is_not_at_hand_stays_left_and_is_said(tmp_path, monkeypatch, jobs) -> None:
    from assay.bench import sets as held

    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "nowhere"))  # of processes beside this one
    monkeypatch.setattr(held, "ROOT", tmp_path / "nowhere")
    suite = Suite("tiny", (), (("sms", 100), ("wine", 100)), 0, 1, False)
    controls = [d for d in defences() if d.name in ("random", "perfect")]
    told: dict[str, str] = {}
    assert run_suite(suite, tmp_path / "x.jsonl", controls, 5.0, jobs, lambda *_: None, absent=told.__setitem__) == (1, 1)
    assert "sms_spam" in told.pop("sms")
    assert not told
    assert {x["set"] for x in read_lines(tmp_path / "x.jsonl")} == {"wine"}


def test_a_file_that_a_defence_misses_is_its_own_failure(tmp_path) -> None:
    def flag(case) -> None:
        raise FileNotFoundError("a tool of its own")

    broken = [replace(d, flag=flag) for d in defences() if d.name == "random"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assay.bench.runner.defences", lambda: broken)
        suite = Suite("tiny", (), (("wine", 100),), 0, 1, False)
        assert run_suite(suite, tmp_path / "x.jsonl", broken, 5.0, 1, lambda *_: None, absent=pytest.fail) == (1, 0)
    assert [x["failed"] for x in read_lines(tmp_path / "x.jsonl")] == ["FileNotFoundError: a tool of its own"]


def test_what_are_no_records_is_exit_2(tmp_path, capsys) -> None:
    (tmp_path / "x.parquet").write_text("a,b\n")
    pq.write_table(pa.table({"cell": ["a"]}), tmp_path / "y.parquet")
    for name, why in (("x", "holds no records"), ("y", "holds no records"), ("z", "there is no such file")):
        assert command(["bench", "--out", str(tmp_path / "o.jsonl"), "--after", str(tmp_path / f"{name}.parquet")]) == 2
        assert why in capsys.readouterr().err


def test_records_are_json_lines(tmp_path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"cell": "a"}) + '\n{"cell": "b')
    assert read_lines(path) == [{"cell": "a"}]


def test_cells_run_side_by_side_are_all_run(tmp_path) -> None:
    pytest.importorskip("torch")
    suite = Suite("tiny", (), (("wine", 100), ("iris", 100), ("digits", 200)), 0, 1, False)
    controls = [d for d in defences() if d.name in ("random", "perfect")]
    assert run_suite(suite, tmp_path / "x.jsonl", controls, 5.0, 2, lambda *_: None) == (3, 0)
    assert len(read_lines(tmp_path / "x.jsonl")) == 6


def test_every_defence_can_be_chosen_by_its_name() -> None:
    names = [d.name for d in defences()]
    assert len(set(names)) == len(names)
    assert not [name for name in names if "," in name]  # --only is a list with commas
