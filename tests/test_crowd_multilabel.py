"""Several labels a row: each as right as on its own, hostile annotators found on any of them, and the command."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from assay.crowd.dawid_skene import dawid_skene
from assay.crowd.majority import majority
from assay.crowd.multilabel import aggregate, disputed_labels, hostile_labels, yes_or_no
from assay.crowd.read import read_votes
from assay.crowd.votes import from_arrays
from assay.dataset.errors import DataError
from test_crowd_command import run

NAMES = ("animal", "outdoors", "people")


def taggers(rng, rows=250, annotators=12, each=5):
    """Votes as texts, and the truth (n, 3). Everybody misses more of `outdoors` than they see where it is not."""
    truth = rng.random((rows, 3)) < (0.5, 0.3, 0.15)
    row, who = np.repeat(np.arange(rows), each), np.argsort(rng.random((rows, annotators)), axis=1)[:, :each].ravel()
    hit, false = rng.beta(9, 2, (annotators, 3)), rng.beta(1.5, 14, (annotators, 3))
    said = rng.random((len(row), 3)) < np.where(truth[row], hit[who], false[who])
    return row, who, said, truth


def as_text(said):
    return ["|".join(name for name, yes in zip(NAMES, line, strict=True) if yes) for line in said.tolist()]


def table(row, who, said):
    return {"task": [f"r{i:03d}" for i in row], "worker": [f"w{i:02d}" for i in who], "label": as_text(said)}


def test_each_label_is_aggregated_on_its_own():
    row, who, said, truth = taggers(np.random.default_rng(0))
    votes = read_votes(table(row, who, said), sets="|")
    found, counted = aggregate(votes, dawid_skene), aggregate(votes, majority)
    assert found.names == NAMES
    for place, name in enumerate(NAMES):
        alone = from_arrays(row, who, said[:, place].astype(int))
        assert np.allclose(found.posterior[:, place], dawid_skene(alone).posterior[:, 1]), name
    assert (found.holds == truth).mean() >= (counted.holds == truth).mean() > 0.9
    assert found.text()[0] in {" + ".join(n for n, has in zip(NAMES, truth[0], strict=True) if has) or "(none)"}
    assert len(disputed_labels(found, votes, hostile_labels(votes, np.random.default_rng(0)))) > 50


def test_who_lies_on_one_label_only_is_found():
    rng = np.random.default_rng(1)
    row, who, said, truth = taggers(rng, rows=400)
    said[who == 4, 1] = ~truth[row[who == 4], 1]
    found = hostile_labels(read_votes(table(row, who, said), sets="|"), rng)
    assert found.accused.tolist() == [4]
    assert found.accusations[0].evidence.startswith("'outdoors': agrees with the others")
    assert [unit.annotators for unit in found.damage] == [(4,)]


def test_an_empty_set_is_a_vote_and_nothing_is_none():
    given = pa.table({"task": ["a", "a", "b", "b"], "worker": ["x", "y", "x", "y"], "label": [["p"], [], ["p", "q"], None]})
    votes = read_votes(given, sets="|")
    assert len(votes) == 3
    assert set(votes.classes) == {"(none)", "p", "p + q"}
    assert yes_or_no(votes)[1][0].label.sum() == 2


@pytest.mark.parametrize(
    ("labels", "classes", "said"),
    [
        (["p|zz", "p", "p", "q"], ["p", "q"], "unknown label 'zz'"),
        (["p + q", "p", "p", "q"], None, "joins labels"),
        (["", "", "", ""], None, "every vote says"),
    ],
)
def test_bad_sets_are_refused(labels, classes, said):
    with pytest.raises(DataError, match=said):
        read_votes({"task": ["a", "a", "b", "b"], "worker": ["x", "y", "x", "y"], "label": labels}, sets="|", classes=classes)


def test_the_command(tmp_path, capsys):
    row, who, said, truth = taggers(np.random.default_rng(2), rows=150)
    csv.write_csv(pa.table(table(row, who, said)), tmp_path / "votes.csv")
    code, out, err = run("crowd", tmp_path / "votes.csv", "--multilabel", "--out", tmp_path / "out", capsys=capsys)
    assert (code, err) == (0, "")
    assert "150 rows, 3 labels" in out
    assert "Krippendorff's alpha" in out
    lines = pq.read_table(tmp_path / "out" / "labels.parquet").to_pylist()
    assert np.mean([(np.array(line["posterior"]) > 0.5) == truth[int(line["row"][1:])] for line in lines]) > 0.93
    study = json.loads((tmp_path / "out" / "crowd.json").read_text())
    assert study["labels"] == list(NAMES)
    assert set(study["alpha"]) == set(NAMES)
    for wrong in (("--method", "ordinal"), ("--predictions", tmp_path / "votes.csv")):
        code, _, err = run("crowd", tmp_path / "votes.csv", "--multilabel", *wrong, "--out", tmp_path / "o2", capsys=capsys)
        assert (code, "not for several labels" in err) == (2, True)


def test_grades_by_command(tmp_path, capsys):
    rng = np.random.default_rng(3)
    truth, row = rng.integers(0, 4, 60), np.repeat(np.arange(60), 4)
    who = np.tile(np.arange(4), 60)
    said = np.clip(truth[row] + rng.integers(-1, 2, len(row)), 0, 3)
    csv.write_csv(pa.table({"task": row, "worker": who, "label": said}), tmp_path / "grades.csv")
    code, out, err = run("crowd", tmp_path / "grades.csv", "--method", "ordinal", "--out", tmp_path / "out", capsys=capsys)
    assert (code, err) == (0, "")
    assert "(ordinal)" in out
    csv.write_csv(pa.table({"task": row, "worker": who, "label": np.array(["poor", "fair", "good", "fine"])[said]}), tmp_path / "w.csv")
    code, _, err = run("crowd", tmp_path / "w.csv", "--method", "ordinal", "--out", tmp_path / "o2", capsys=capsys)
    assert (code, "no order that is known" in err) == (2, True)
    named = ("--classes", "poor,fair,good,fine", "--out", tmp_path / "o3")
    assert run("crowd", tmp_path / "w.csv", "--method", "ordinal", *named, capsys=capsys)[0] == 0
    both = [pq.read_table(tmp_path / o / "labels.parquet")["label"].to_pylist() for o in ("out", "o3")]
    assert len(both[0]) == len(both[1])
