"""Gold tasks: reviewers who guess are failed, honest ones are not however often they are asked about, and nothing gives gold away."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from assay.crowd.expected import from_known
from assay.crowd.gold import grade, log_wealth, needed, plant, read_gold
from assay.crowd.hostile import by, hostile
from assay.crowd.queue import Item
from assay.crowd.review import new_review
from assay.crowd.singles import adversaries, spammers
from assay.dataset.errors import DataError
from assay.dataset.read import read
from crowd_examples import made_crowd, plant_colluders
from test_crowd_command import run, write_votes
from test_crowd_review import by_script, texts  # noqa: F401

GOLD = {f"t{i}": "cat" if i % 2 else "dog" for i in range(30, 60)}


def a_planted(texts, tmp_path, tasks=10):  # noqa: F811
    data = read(texts)
    items = [Item(f"t{i}", 1 / (i + 1), f"why {i}", "cat") for i in range(30)]
    queue, answers = plant(items, GOLD, data, 3, 2, tasks, np.random.default_rng(0))
    return new_review(data, queue, ("cat", "dog"), ["ann", "bob", "eve"], 2, np.random.default_rng(1), tmp_path / "review"), data, answers


def test_planted_rows_are_dealt_like_others(texts, tmp_path):  # noqa: F811
    review, _, answers = a_planted(texts, tmp_path)
    assert len(answers) == 15
    assert answers.items() <= GOLD.items()
    assert [t.key for t in review.tasks if t.key not in answers] == [f"t{i}" for i in range(30)]
    gold = [i for i, t in enumerate(review.tasks) if t.key in answers]
    assert max(np.diff([0, *gold, 45])) <= 7  # spread over the whole queue
    for name in review.reviewers:
        assert 8 <= sum(t.key in answers for t in review.pending(name)) <= 12
    others = [t for t in review.tasks if t.key not in answers]
    for task in (t for t in review.tasks if t.key in answers):
        assert len(task.reviewers) == 2
        assert any((task.value, task.reason) == (o.value, o.reason) for o in others)
        assert (task.suspected is None) == (others[0].suspected is None)
    assert "gold" not in (review.folder / "review.json").read_text()


def test_who_guesses_is_failed_and_who_looks_is_not(texts, tmp_path):  # noqa: F811
    review, data, answers = a_planted(texts, tmp_path, tasks=14)
    for name, says in (("ann", lambda key: GOLD.get(key, "cat")), ("bob", lambda key: {"cat": "dog", "dog": "cat"}[GOLD.get(key, "cat")])):
        by_script(review, data, name, [says(task.key) for task in review.pending(name)])
    found = {one.reviewer: one for one in grade(review, answers)}
    assert (found["ann"].failed, found["bob"].failed, found["eve"].of) == (False, True, 0)
    assert found["ann"].right == found["ann"].of
    assert found["bob"].p_value < 1e-3


def test_asked_after_every_answer_an_honest_reviewer_is_failed_in_at_most_alpha():
    """2,000 reviewers right in exactly 7 of 10, asked about after each of 100 answers."""
    rng = np.random.default_rng(0)
    right = (rng.random((2000, 100)) < 0.7).cumsum(1)
    wealth = log_wealth(right.ravel(), (np.arange(1, 101) - right).ravel()).reshape(right.shape)
    assert (wealth >= np.log(1 / 0.05)).any(1).mean() <= 0.05
    assert needed(0.2) < needed(0.4) < needed(0.5)
    with pytest.raises(ValueError, match="cannot be told"):
        needed(0.69)


@pytest.mark.parametrize(("share", "lies", "recall"), [(0.6, 0.9, 0.8), (0.6, 0.6, 0.0), (0.45, 0.9, 0.8)])
def test_known_answers_show_a_majority_of_liars(share, lies, recall):
    """About half of a crowd colludes: by votes alone the honest are accused; with known answers they are not, and who mostly lies is."""
    rng = np.random.default_rng(3)
    votes, truth = made_crowd(rng, 300, 10, 5, skill=(14, 2))
    planted, group, _ = plant_colluders(votes, truth, rng, share=share, lies=lies)
    known = np.full(300, -1)
    at = rng.choice(300, 150, replace=False)
    known[at] = truth[at]
    assert (hostile(planted, np.random.default_rng(0)).accused < 10).any()
    found = hostile(planted, np.random.default_rng(0), known=known)
    assert np.isin(found.accused, group).all()
    assert len(found.accused) >= recall * len(group)
    states = {check.name: check.state for check in found.checks}
    assert (states["known answers"], states["collusion"]) == ("ran", "not_applicable")


def test_known_answers_accuse_nobody_honest():
    """100 crowds, each test at 1 % over annotators: somebody is accused in no more than that allows by chance."""
    wrong = 0
    for seed in range(100):
        votes, truth = made_crowd(np.random.default_rng([6, seed]), 120, 12, 5, classes=2, skill=(10, 3))
        told = from_known(votes, np.where(np.arange(120) < 60, truth, -1))
        wrong += any(by(p, 0.01).any() for p in (spammers(votes, told), adversaries(votes, told)))
    assert wrong <= 3


def test_from_gold_to_grades_by_command(texts, tmp_path, capsys):  # noqa: F811
    votes, _ = made_crowd(np.random.default_rng(0), 30, 10, 5, classes=2)
    named = pa.table({"key": list(GOLD), "label": list(GOLD.values())})
    csv.write_csv(named, tmp_path / "gold.csv")
    path = write_votes(tmp_path / "v.csv", votes)
    path.write_text(path.read_text().replace("r", "t").replace("c0", "cat").replace("c1", "dog").replace("wotke", "worke"))
    study, folder = tmp_path / "study", tmp_path / "round"
    columns = ("--row", "task", "--annotator", path.read_text().split(",")[1].strip('"'), "--label", "label")
    assert run("crowd", path, *columns, "--fail-on", "never", "--out", study, capsys=capsys)[0] == 0
    new = ("review", "new", texts, "--from", study, "--reviewers", "ann,bob", "--gold", tmp_path / "gold.csv", "--gold-each", "8")
    code, out, err = run(*new, "--out", folder, capsys=capsys)
    assert (code, err) == (0, "")
    assert "8 of the rows have known answers" in out
    from assay.crowd.review import open_review

    opened = open_review(folder)
    answers = json.loads((tmp_path / "round.gold.json").read_text())["answers"]
    by_script(opened, read(texts), "ann", [{"cat": "dog", "dog": "cat"}[answers.get(t.key, "cat")] for t in opened.pending("ann")])
    code, out, _ = run("review", "grade", folder, "--alpha", "0.05", capsys=capsys)
    assert code == 1
    assert "ann: 0 of 8 right" in out
    assert "FAILED" in out
    code, _, err = run(*new, "--gold-each", "60", "--out", tmp_path / "other", capsys=capsys)
    assert (code, "take 60 rows; 30 of the 30" in err) == (2, True)
    code, _, err = run("review", "grade", folder, "--answers", tmp_path / "gold.csv", capsys=capsys)
    assert (code, "no gold answers" in err) == (2, True)


def test_bad_gold_is_refused(tmp_path):
    csv.write_csv(pa.table({"x": [1], "y": [2]}), tmp_path / "a.csv")
    with pytest.raises(DataError, match="no column of rows"):
        read_gold(tmp_path / "a.csv")
