"""Rows are taken out of a saved ensemble exactly, by `assay unlearn` and by `assay ledger purge`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from assay import cli
from assay.dataset.errors import DataError
from assay.train.config import read_config
from assay.train.forget import forget
from assay.train.run import fit_on, train, write
from assay.train.saved import Model
from train_examples import configured, write_reviews


@pytest.fixture
def reviews(tmp_path: Path) -> pa.Table:
    """400 reviews by 40 people, in reviews.csv."""
    return write_reviews(tmp_path, 400, 40, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("defence", "most"),
    [
        ("partitions = 20", 6),
        ("partitions = 10\nspread = 2", 12),
        ('partitions = 10\nelection = "run-off"', 6),
        ('partitions = 10\nby = "contributor"', 2),
    ],
)
def test_what_is_left_is_what_training_without_the_rows_gives(tmp_path: Path, reviews: pa.Table, defence: str, most: int) -> None:
    """Bit for bit, in another order of rows too; and only the members that the rows fed were trained again."""
    config = read_config(configured(tmp_path, defence))
    outcome = train(config)
    write(outcome, tmp_path / "model")
    gone = np.isin(np.arange(400) % 40, (3, 17) if "contributor" in defence else ()) | np.isin(np.arange(400), (1, 5, 99, 230, 231, 399))
    if "contributor" in defence:
        gone &= np.isin(np.arange(400) % 40, (3, 17))
    shuffled = np.random.default_rng(1).permutation(np.flatnonzero(~gone))
    csv.write_csv(reviews.take(shuffled), tmp_path / "left.csv")
    done = forget(tmp_path / "model", tmp_path / "left.csv")

    lesson = outcome.lesson
    kept = np.flatnonzero(~gone[lesson.train.row])
    assert done.gone == len(lesson.train) - len(kept) > 0
    assert 0 < len(done.retrained) <= most
    again, _ = fit_on(config, lesson.train.subset(kept), lesson.features)
    for ours, theirs in zip(done.model.members, again.members, strict=True):
        assert ours.kind == theirs.kind
        assert all(np.array_equal(ours.arrays[name], theirs.arrays[name]) for name in theirs.arrays)
    assert np.array_equal(done.model.certify(lesson.held_out.rows).radius, again.certify(lesson.held_out.rows).radius)


def test_the_command_writes_it_and_it_can_forget_again(tmp_path: Path, reviews: pa.Table, capsys) -> None:
    assert cli.run(["train", str(configured(tmp_path, "partitions = 20")), "--out", str(tmp_path / "model")]) == 0
    csv.write_csv(reviews.slice(4), tmp_path / "left.csv")
    assert cli.run(["unlearn", str(tmp_path / "model"), str(tmp_path / "left.csv"), "--out", str(tmp_path / "less")]) == 0
    assert "rows forgotten" in capsys.readouterr().out
    record = json.loads((tmp_path / "less" / "record.json").read_text())
    assert record["forgotten"]["rows"] <= 4
    assert record["forgotten"]["accuracy"]["share"] > 0.8
    csv.write_csv(reviews.slice(8), tmp_path / "fewer.csv")
    twice, once = forget(tmp_path / "less", tmp_path / "fewer.csv"), forget(tmp_path / "model", tmp_path / "fewer.csv")
    for ours, theirs in zip(twice.model.members, once.model.members, strict=True):
        assert all(np.array_equal(ours.arrays[name], theirs.arrays[name]) for name in theirs.arrays)
    assert cli.run(["unlearn", str(tmp_path / "model"), str(tmp_path / "left.csv"), "--out", str(tmp_path / "less")]) == 2


def test_a_model_without_partitions_cannot_forget(tmp_path: Path, reviews: pa.Table) -> None:
    path = configured(tmp_path, "")
    path.write_text(path.read_text().replace('kind = "partitioned"', 'kind = "none"'))
    write(train(read_config(path)), tmp_path / "model")
    with pytest.raises(DataError, match="nothing can be forgotten exactly"):
        forget(tmp_path / "model", tmp_path / "reviews.csv")


def test_ledger_purge_takes_the_rows_out_of_the_model_too(tmp_path: Path, reviews: pa.Table, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["train", str(configured(tmp_path, 'partitions = 10\nby = "contributor"')), "--out", "model"]) == 0
    for line in (
        "init data.ledger",
        "source add data.ledger crawl --licence CC0-1.0 --contact a@example.com --method crawl",
        "approve data.ledger crawl --as data.ledger.key --expires 2100-01-01",
        "add data.ledger reviews.csv --source crawl --label label --contributor user",
        "snapshot data.ledger reviews.csv --name v1",
        "purge data.ledger reviews.csv --contributor user3 --out clean.csv --snapshot v2 --reason poison --model model",
    ):
        assert cli.run(["ledger", *line.split()]) == 0, line
    assert "of 10 members trained again" in capsys.readouterr().out
    before, after = Model.load("model"), Model.load("model-purged")
    same = [all(np.array_equal(a.arrays[n], b.arrays[n]) for n in a.arrays) for a, b in zip(before.members, after.members, strict=True)]
    assert same.count(False) == 1  # one contributor, one member
    assert cli.run(["ledger", "impact", "data.ledger", "--contributor", "user4"]) == 0
    assert "model-purged" in capsys.readouterr().out
