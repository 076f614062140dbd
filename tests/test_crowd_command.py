"""assay crowd: what it writes, says and returns."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from assay import cli
from crowd_examples import made_crowd


def write_votes(path, votes):
    names = {"task": votes.rows, "worker": votes.annotators, "label": votes.classes}
    codes = (votes.row, votes.annotator, votes.label)
    csv.write_csv(pa.table({n: np.array(v)[c] for (n, v), c in zip(names.items(), codes, strict=True)}), path)
    return path


def run(*arguments, capsys):
    code = cli.run([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_an_honest_crowd(tmp_path, capsys):
    votes, truth = made_crowd(np.random.default_rng(0), 200, 12, 5)
    path = write_votes(tmp_path / "votes.csv", votes)
    code, out, err = run("crowd", path, "--out", tmp_path / "out", capsys=capsys)
    assert (code, err) == (0, "")
    assert "Nobody is accused." in out
    labels = pq.read_table(tmp_path / "out" / "labels.parquet").to_pydict()
    known = dict(zip(votes.rows, (votes.classes[t] for t in truth), strict=True))
    assert np.mean([known[r] == x for r, x in zip(labels["row"], labels["label"], strict=True)]) > 0.8
    assert set(labels["dispute"]) <= {None, "attack", "careless", "guideline", "hard row"}
    people = pq.read_table(tmp_path / "out" / "annotators.parquet").to_pydict()
    assert len(people["annotator"]) == 12
    assert len(people["confusion"][0]) == 9
    study = json.loads((tmp_path / "out" / "crowd.json").read_text())
    assert (study["schema"], study["votes"]) == ("assay.crowd/1", 1000)
    assert {c["name"] for c in study["checks"]} == {"collusion", "spammers", "adversaries", "sleepers", "copies"}
    code, _, err = run("crowd", path, "--out", tmp_path / "out", capsys=capsys)
    assert (code, "nothing is overwritten" in err) == (2, True)


@pytest.mark.parametrize("arguments", [("--fail-on", "never"), ("--keep-accused",), ("--method", "majority")])
def test_an_adversary_is_named(tmp_path, capsys, arguments):
    votes, truth = made_crowd(np.random.default_rng(0), 400, 12, 6, skill=(12, 3))
    lies = votes.annotator == 3
    votes.label[lies] = (truth[votes.row[lies]] + 1) % 3
    code, out, _ = run("crowd", write_votes(tmp_path / "v.csv", votes), "--out", tmp_path / "out", *arguments, capsys=capsys)
    assert code == (0 if "never" in arguments else 1)
    assert "adversary" in out
    study = json.loads((tmp_path / "out" / "crowd.json").read_text())
    assert {a["annotator"] for a in study["accused"]} == {"w3"}
    assert f"{len(votes):,} votes by 12 annotators on 400 rows" in out  # as read, the accused among them
    kept = "--keep-accused" in arguments
    assert (study["votes"], study["votes_left_out"]) == (len(votes), 0 if kept else int(lies.sum()))
    assert (f"{lies.sum()} votes of 1 accused left out." in out) is not kept
    people = pq.read_table(tmp_path / "out" / "annotators.parquet").to_pydict()
    assert sum(people["votes"]) == len(votes)


def test_predictions_are_heard(tmp_path, capsys):
    votes, truth = made_crowd(np.random.default_rng(1), 300, 12, 3)
    p = np.full((300, 3), 0.1) + 0.7 * np.eye(3)[truth]
    pq.write_table(pa.table({"task": votes.rows, **{c: p[:, i] for i, c in enumerate(votes.classes)}}), tmp_path / "p.parquet")
    path = write_votes(tmp_path / "v.csv", votes)
    code, out, _ = run("crowd", path, "--predictions", tmp_path / "p.parquet", "--out", tmp_path / "out", capsys=capsys)
    assert code == 0
    assert "with_model" in out


def test_wrong_requests(tmp_path, capsys):
    votes, _ = made_crowd(np.random.default_rng(2), 30, 6, 3)
    path = write_votes(tmp_path / "v.csv", votes)
    code, _, err = run("crowd", path, "--classes", "c0,c1", "--out", tmp_path / "out", capsys=capsys)
    assert (code, "unknown label 'c2'" in err) == (2, True)
    code, _, err = run("crowd", tmp_path / "none.csv", capsys=capsys)
    assert (code, "no such file" in err) == (2, True)
    assert not (tmp_path / "out").exists()
