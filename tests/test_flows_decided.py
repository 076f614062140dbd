"""What reviewers decide stands in the ledger, once, with the labels it changes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from assay import cli
from assay.crowd.decisions import Decision, writer
from assay.crowd.queue import Item
from assay.crowd.review import Review, new_review
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.flows.decided import record_review
from assay.ledger.ingest import add
from assay.ledger.ledger import Ledger
from ledger_examples import ALICE, BOB, new_ledger, opened, register, reviews


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """20 reviews, odd ones good and even ones bad; the first ten are the ledger's."""
    made = new_ledger(tmp_path)
    register(made, "crawl", ALICE, BOB)
    reviews(tmp_path / "r.csv")
    add(made, opened(reviews(tmp_path / "ten.csv", 0, 10)), "crawl")
    return made


@pytest.fixture
def review(tmp_path: Path, ledger: Ledger) -> Review:
    items = [Item(str(i), 1.0, "disputed", None) for i in (0, 1, 2, 3, 15)]
    return new_review(read(tmp_path / "r.csv"), items, ("bad", "good"), ("ann", "bob"), 2, np.random.default_rng(0), tmp_path / "review")


def decide(review: Review, reviewer: str, row: int, label: str | None) -> None:
    with writer(review.decisions_file(reviewer)) as file:
        file.add(Decision(row, str(row), reviewer, label, "a secret of the row", "2026-01-01T00:00:00.000+00:00", 1.0))


def test_decisions_and_changed_labels_are_logged_once(ledger: Ledger, review: Review, tmp_path: Path) -> None:
    for row, ann, bob in ((0, "good", "good"), (1, "good", "good"), (2, "good", "bad"), (3, None, None), (15, "bad", "bad")):
        decide(review, "ann", row, ann)
        decide(review, "bob", row, bob)
    size = ledger.log.checkpoint().size
    would = record_review(ledger, review.folder, dry_run=True)
    assert ledger.log.checkpoint().size == size
    done = record_review(ledger, review.folder)
    assert (done.decisions, done.labels, done.known, done.unknown, done.first) == (8, 1, 0, 1, size)
    assert (would.decisions, would.labels, would.first) == (8, 1, None)
    logged = [json.loads(entry) for entry in ledger.log.entries(size)]
    assert {e["decision"] for e in logged if e["type"] == "review.decision"} == {"good", "bad", "?"}
    changed = [e for e in logged if e["type"] == "label.set"]
    assert [(e["label"], e["before"], e["annotator"]) for e in changed] == [("good", "bad", "ann+bob")]
    assert ledger.index.label(changed[0]["row"]) == "good"
    assert not any(b"secret" in entry for entry in ledger.log.entries(0))

    again = record_review(ledger, review.folder)
    assert (again.decisions, again.labels, again.known, again.first) == (0, 0, 8, None)
    decide(review, "bob", 2, "good")  # bob thinks again: row 2 is settled as good
    more = record_review(ledger, review.folder)
    assert (more.decisions, more.labels, more.known) == (1, 1, 7)
    assert not ledger.index.violations()


def test_rows_that_are_the_same_are_logged_as_one(ledger: Ledger, tmp_path: Path) -> None:
    """Record 20 is record 0 once more, and two reviewers saw them differently."""
    lines = (tmp_path / "r.csv").read_text().splitlines(keepends=True)
    (tmp_path / "r.csv").write_text("".join([*lines, lines[1]]))
    items = [Item("0", 1.0, "", None), Item("20", 0.5, "", None)]
    made = new_review(read(tmp_path / "r.csv"), items, ("bad", "good"), ("ann",), 1, np.random.default_rng(0), tmp_path / "review")
    decide(made, "ann", 0, "good")
    decide(made, "ann", 20, "bad")
    done = record_review(ledger, made.folder)
    assert (done.decisions, done.labels, done.doubles) == (1, 1, 1)
    assert record_review(ledger, made.folder).first is None


def test_changed_data_and_a_strange_ledger_are_refused(ledger: Ledger, review: Review, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="none of the reviewed rows"):
        record_review(new_ledger(tmp_path / "other"), review.folder)
    (tmp_path / "r.csv").write_text((tmp_path / "r.csv").read_text().replace("fine", "Fine", 1))
    with pytest.raises(DataError, match="has changed since"):
        record_review(ledger, review.folder)


def test_as_a_person_types_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    reviews(tmp_path / "r.csv")
    for line in (
        "init data.ledger",
        "source add data.ledger crawl --licence CC0-1.0 --contact a@example.com --method crawl",
        "approve data.ledger crawl --as data.ledger.key --expires 2100-01-01",
        "add data.ledger r.csv --source crawl --label label",
    ):
        assert cli.run(["ledger", *line.split()]) == 0
    made = new_review(read("r.csv"), [Item("4", 1.0, "", None)], ("bad", "good"), ("ann",), 1, np.random.default_rng(0), "round")
    decide(made, "ann", 4, "good")
    capsys.readouterr()
    assert cli.run(["review", "record", "round", "--ledger", "data.ledger"]) == 0
    assert "1 decisions and 1 new labels logged" in capsys.readouterr().out
    assert cli.run(["ledger", "verify", "data.ledger"]) == 0
