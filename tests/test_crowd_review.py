"""Reviews: the order of the queue, a session by script with a kill in it, what follows from decisions."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv
from sklearn.datasets import load_digits

from assay.crowd.decisions import Decision, read_decisions, writer
from assay.crowd.queue import Item, assign, from_crowd, ranked
from assay.crowd.reliability import alpha
from assay.crowd.review import agreement, escalate, new_review, open_review, outcomes, votes_table
from assay.crowd.session import hold, shown
from assay.dataset.errors import DataError
from assay.dataset.read import read
from crowd_examples import made_crowd
from test_crowd_command import run, write_votes

TEXTS = [f"text number {i} is about {'cats' if i % 2 else 'dogs'}" for i in range(60)]


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.csv"
    csv.write_csv(
        pa.table({"id": [f"t{i}" for i in range(60)], "text": TEXTS, "label": ["cat" if i % 3 else "dog" for i in range(60)]}), path
    )
    return path


def a_review(texts, tmp_path, rows=50, reviewers=("ann", "bob"), each=2):
    data = read(texts)
    items = [Item(f"t{i}", 1 / (i + 1), "disputed", "cat") for i in range(rows)]
    return new_review(data, items, ("cat", "dog"), reviewers, each, np.random.default_rng(0), tmp_path / "review"), data


def by_script(review, data, reviewer, lines):
    said, script = [], iter(lines)

    def ask(prompt):
        try:
            return next(script)
        except StopIteration:
            raise EOFError from None

    return hold(review, data, reviewer, ask, said.append), said


def decision(row, label, reviewer="ann", reason=""):
    return Decision(row, f"t{row}", reviewer, label, reason, "2026-01-01T00:00:00.000+00:00", 1.0)


@pytest.mark.parametrize(("scale", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_krippendorff_2011(scale, published):
    """Section D: four observers, twelve units, five values, missing data."""
    observers = ["1 2 3 3 2 1 4 1 2 * * *", "1 2 3 3 2 2 4 1 2 5 * 3", "* 3 3 3 2 3 4 2 2 5 1 *", "1 2 3 3 2 4 4 1 2 5 1 *"]
    counts = np.zeros((12, 5))
    for line in observers:
        for unit, value in enumerate(line.split()):
            if value != "*":
                counts[unit, int(value) - 1] += 1
    assert round(alpha(counts, scale), 3) == published


def test_fifty_rows_by_script_killed_and_resumed(texts, tmp_path):
    """Through the command itself: twenty decisions, SIGKILL, half a line left by the crash, the rest in a second session."""
    review, _ = a_review(texts, tmp_path)
    command = [sys.executable, "-c", "from assay.cli import main; main()", "review", "start", str(review.folder), "--reviewer", "ann"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdin.write("1 because\n" * 20)
    process.stdin.flush()
    file = review.decisions_file("ann")
    while len(read_decisions(file)) < 20:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"at": "2026')
    done = subprocess.run(command, input="2\n" * 40, capture_output=True, text=True, check=True)
    assert "was taken off" in done.stdout
    assert "30 decided, 0 left" in done.stdout
    found = read_decisions(file)
    assert [d.row for d in found] == list(range(50))
    assert [d.label for d in found] == ["cat"] * 20 + ["dog"] * 30
    assert found[0].reason == "because"
    assert file.read_bytes().startswith(whole)


def test_two_who_agree_settle_and_a_third_decides_the_rest(texts, tmp_path):
    review, data = a_review(texts, tmp_path, rows=10)
    by_script(review, data, "ann", ["cat"] * 10)
    assert {o.state for o in outcomes(review)} == {"open"}
    held, _ = by_script(review, data, "bob", ["1"] * 7 + ["2"] * 3)
    assert (held.decided, held.left) == (10, 0)
    states = [o.state for o in outcomes(review)]
    assert (states.count("settled"), states.count("escalated")) == (7, 3)
    assert -0.2 < agreement(review) < 0.2
    again = escalate(review, "eve")
    assert [t.row for t in again.pending("eve")] == [7, 8, 9]
    by_script(open_review(review.folder), data, "eve", ["dog", "?", "dog"])
    last = outcomes(open_review(review.folder))
    assert [o.label for o in last][7:] == ["dog", None, "dog"]
    assert [o.state for o in last][7:] == ["settled", "escalated", "settled"]
    with pytest.raises(DataError, match="has not seen"):
        escalate(open_review(review.folder), "eve")
    assert votes_table(review).num_rows == 20


def test_reviewers_do_not_see_each_other_or_the_label(texts, tmp_path):
    from io import StringIO

    from rich.console import Console

    review, data = a_review(texts, tmp_path, rows=5)
    by_script(review, data, "ann", ["2 wonderful"] * 5)
    held, said = by_script(review, data, "bob", ["nonsense", ":b", "1", ":b", "2", ":q"])
    page = Console(file=StringIO(), width=100)
    for part in said:
        page.print(part)
    out = page.file.getvalue()
    assert "text number 0" in out
    assert "wonderful" not in out
    assert "labelled" not in out
    assert "fits no class" in out
    assert (held.decided, held.left) == (1, 4)  # one row, decided twice
    assert "decided: dog" in out
    assert [d.label for d in read_decisions(review.decisions_file("bob"))] == ["cat", "dog"]
    assert len(review.pending("bob")) == 4


def test_a_class_called_like_a_number_is_chosen_by_its_name(texts, tmp_path):
    items = [Item(f"t{i}", 1.0, "disputed", None) for i in range(3)]
    data = read(texts)
    review = new_review(data, items, ("0", "1"), ("ann",), 1, np.random.default_rng(0), tmp_path / "review")
    _, said = by_script(review, data, "ann", ["1 loud", "0", "2", "?"])
    assert [d.label for d in read_decisions(review.decisions_file("ann"))] == ["1", "0", None]
    told = [str(part) for part in said]
    assert "[0]  [1]  [?] cannot tell  [:b] back  [:q] stop" in told
    assert any("'2' fits no class" in line for line in told)


def test_pictures_and_tables_are_shown(tmp_path):
    from io import StringIO

    from rich.console import Console

    images, y = load_digits(return_X_y=True)
    pictures = (images[:20].reshape(-1, 8, 8) * 15).astype(np.uint8)
    data = read((pictures, y[:20]))
    review = new_review(data, [Item("3", 1.0, "x", "3")], tuple("0123456789"), ["ann"], 1, np.random.default_rng(0), tmp_path / "r")
    page = Console(file=StringIO(), width=100, force_terminal=True, color_system="truecolor")
    page.print(shown(review.tasks[0], data, 3, 1, 1, show_label=True))
    assert page.file.getvalue().count("▀") >= 24 * 12
    assert "labelled 3" in page.file.getvalue()
    cells = read({"name": ["a\x1b[2Jb", "c", "d"], "age": [1, 2, 3], "label": ["x", "y", "x"]}, task="classification")
    page = Console(file=StringIO(), width=100)
    page.print(shown(replace(review.tasks[0], row=0), cells, 0, 1, 1, show_label=False))
    assert "\x1b[2J" not in page.file.getvalue()


def test_decisions_show_tampering(tmp_path):
    path = tmp_path / "ann.jsonl"
    with writer(path) as file:
        for row in range(4):
            file.add(decision(row, "cat"))
        with pytest.raises(DataError, match="another session"), writer(path):
            pass
    lines = path.read_text().splitlines(keepends=True)
    for wrong in (lines[:1] + lines[2:], [lines[0].replace("cat", "dog"), *lines[1:]], [lines[1], lines[0], *lines[2:]], ["{}\n", *lines]):
        path.write_text("".join(wrong))
        with pytest.raises(DataError, match=r"was changed|is no decision"):
            read_decisions(path)
    path.write_text("".join(lines))
    assert len(read_decisions(path)) == 4


def test_the_queue_is_in_order_of_value():
    items = [Item("a", 0.2, "x"), Item("b", 0.5, "y", "cat"), Item("a", 0.9, "z")]
    assert [(i.key, i.value, i.reason) for i in ranked(items)] == [("a", 0.9, "x; z"), ("b", 0.5, "y")]
    chosen = assign(100, ["p", "q", "r"], 2, np.random.default_rng(0))
    assert {len(set(c)) for c in chosen} == {2}
    load = [sum(name in c for c in chosen) for name in "pqr"]
    assert max(load) - min(load) <= 1
    with pytest.raises(DataError, match="3 looks a row by 2 reviewers"):
        assign(5, ["p", "q"], 3, np.random.default_rng(0))


def test_from_a_study_to_settled_rows(tmp_path, capsys):
    votes, _ = made_crowd(np.random.default_rng(0), 80, 10, 5)
    content = tmp_path / "rows.csv"
    csv.write_csv(pa.table({"key": list(votes.rows), "text": [f"what row {r} says, at some length" for r in votes.rows]}), content)
    assert run("crowd", write_votes(tmp_path / "v.csv", votes), "--out", tmp_path / "study", capsys=capsys)[0] == 0
    queue = from_crowd(tmp_path / "study")
    assert queue
    assert all(a.value >= b.value for a, b in itertools.pairwise(queue))
    folder = tmp_path / "review"
    new = ("review", "new", content, "--from", tmp_path / "study", "--reviewers", "ann,bob", "--rows", "6", "--id", "key", "--out", folder)
    code, out, err = run(*new, capsys=capsys)
    assert (code, err) == (0, "")
    assert "6 rows, 2 looks each" in out
    for name in ("ann", "bob"):
        command = [
            sys.executable,
            "-c",
            "from assay.cli import main; main()",
            "review",
            "start",
            str(folder),
            "--reviewer",
            name,
        ]
        done = subprocess.run(command, input="1\n" * 6, capture_output=True, text=True, check=False, env=os.environ)
        assert (done.returncode, done.stderr) == (0, "")
    code, out, _ = run("review", "status", folder, capsys=capsys)
    assert "6 settled, 0 open, 0 escalated of 6 rows" in out
    assert json.loads((folder / "review.json").read_text())["classes"] == ["c0", "c1", "c2"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reviewers": ("../x",)}, "cannot name a reviewer"),
        ({"classes": ("cat",)}, "at least two classes"),
        ({"items": []}, "nothing to look at"),
        ({"items": [Item("zzz", 1.0, "")]}, "not in the data, such as 'zzz'"),
    ],
)
def test_wrong_reviews_are_refused(texts, tmp_path, change, said):
    given = {"items": [Item("t1", 1.0, "")], "classes": ("cat", "dog"), "reviewers": ("ann",)} | change
    with pytest.raises(DataError, match=said):
        new_review(read(texts), given["items"], given["classes"], given["reviewers"], 1, np.random.default_rng(0), tmp_path / "r")


def test_a_stranger_has_no_rows(texts, tmp_path, capsys):
    review, _ = a_review(texts, tmp_path, rows=3)
    assert "has no rows" in run("review", "start", review.folder, "--reviewer", "mallory", capsys=capsys)[2]
    assert "is no review" in run("review", "status", tmp_path, capsys=capsys)[2]
    texts.write_text(texts.read_text().replace("cats", "bats"))
    assert "has changed since" in run("review", "start", review.folder, "--reviewer", "ann", capsys=capsys)[2]
