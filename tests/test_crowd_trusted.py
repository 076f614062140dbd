"""The trusted set: drawn, verified, frozen, examined."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv
from sklearn.datasets import load_digits

from assay.crowd.queue import Item
from assay.crowd.review import new_review, open_review
from assay.crowd.trusted import described, draw, examine, freeze, grow
from assay.dataset.data import Columns
from assay.dataset.errors import DataError
from assay.dataset.read import read
from test_crowd_command import run
from test_crowd_review import by_script

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def texts(tmp_path):
    """300 texts, 10 % of class c; "mislabelled" in the text of 30 rows of class a that are really b."""
    label = ["c" if i % 10 == 0 else "ab"[i % 2] for i in range(300)]
    wrong = [i for i in range(300) if label[i] == "a"][:30]
    table = {"text": [f"Row {i}, {'mislabelled' if i in wrong else 'fine'}: words of it." for i in range(300)], "label": label}
    csv.write_csv(pa.table(table), tmp_path / "texts.csv")
    return tmp_path / "texts.csv"


def verified(texts, tmp_path, rows=60, each=2):
    """A review in which everybody tells the truth, but bob on the first row."""
    data, rng = read(texts), np.random.default_rng(0)
    review = new_review(data, draw(data, rows, rng), data.classes, ["ann", "bob"], each, rng, tmp_path / "review", "trusted")
    for name in review.reviewers:
        said = []
        for number, task in enumerate(review.pending(name)):
            text = data.table["text"][task.row].as_py()
            said.append("c" if name == "bob" and number == 0 else "b" if "mislabelled" in text else task.suspected)
        by_script(review, data, name, said)
    return review, data


def test_a_draw_looks_like_the_data(texts):
    data = read(texts)
    drawn = draw(data, 100, np.random.default_rng(0))
    counts = {name: sum(i.suspected == name for i in drawn) for name in "abc"}
    assert counts["c"] == 10
    assert len({i.key for i in drawn}) == 100
    assert [i.key for i in drawn] != sorted((i.key for i in drawn), key=int)
    assert sum(i.suspected == "c" for i in draw(data, 20, np.random.default_rng(0))) == 5
    with pytest.raises(DataError, match="cannot hold 5 of each of 3"):
        draw(data, 10, np.random.default_rng(0))


def test_only_what_all_agree_on_is_kept_under_the_label_they_give(texts, tmp_path):
    review, data = verified(texts, tmp_path)
    done = freeze(review, data, tmp_path / "t", days=30, now=NOW)
    assert (done.rows, done.left_out) == (59, 1) or (done.rows, done.left_out) == (60, 0)
    kept = read(tmp_path / "t" / "data.csv", task="classification")
    for text, code in zip(kept.table["text"].to_pylist(), kept.y, strict=True):
        if "mislabelled" in text:
            assert kept.classes[code] == "b"
    assert done.wrong == sum("mislabelled" in text for text in kept.table["text"].to_pylist())
    assert done.low < done.wrong / done.rows < done.high
    assert examine(tmp_path / "t", seal=done.seal, now=NOW).rows == done.rows
    assert not examine(tmp_path / "t", now=NOW + timedelta(days=29)).expired
    assert examine(tmp_path / "t", now=NOW + timedelta(days=30)).expired


def test_any_change_is_seen(texts, tmp_path):
    review, data = verified(texts, tmp_path)
    freeze(review, data, tmp_path / "t", days=30, now=NOW)
    told = (tmp_path / "t" / "trusted.json").read_text()
    (tmp_path / "t" / "trusted.json").write_text(told.replace("2026-01-31", "2036-01-31"))
    with pytest.raises(DataError, match="seal does not fit"):
        examine(tmp_path / "t")
    (tmp_path / "t" / "trusted.json").write_text(told)
    with pytest.raises(DataError, match="seal does not fit"):
        examine(tmp_path / "t", seal="0" * 64)
    rows = (tmp_path / "t" / "data.csv").read_text()
    (tmp_path / "t" / "data.csv").write_text(rows.replace("fine", "vile", 1))
    with pytest.raises(DataError, match="rows have changed"):
        examine(tmp_path / "t")
    with pytest.raises(DataError, match="is no trusted set"):
        examine(tmp_path)


def test_a_set_that_cannot_be_frozen_names_the_folder_asked_for(texts, tmp_path):
    """All rows turn out to be of one class; the temporary folder in which that was found is gone."""
    data, rng = read(texts), np.random.default_rng(0)
    review = new_review(data, draw(data, 20, rng), data.classes, ["ann", "bob"], 2, rng, tmp_path / "review", "trusted")
    for name in review.reviewers:
        by_script(review, data, name, ["a" for _ in review.pending(name)])
    with pytest.raises(DataError) as caught:
        freeze(review, data, tmp_path / "t", days=30, now=NOW)
    assert str(caught.value).startswith(str(tmp_path / "t" / "data.csv"))
    assert ".part-" not in str(caught.value)


def test_leaks_whatever_their_label(texts, tmp_path):
    review, data = verified(texts, tmp_path)
    freeze(review, data, tmp_path / "t", days=30, now=NOW)
    inside = {row["key"] for row in json.loads((tmp_path / "t" / "trusted.json").read_text())["rows"]}
    all_rows = examine(tmp_path / "t", data, now=NOW).leaks
    assert {key for _, key, _ in all_rows} == inside
    assert {row for row, _, _ in all_rows} == {int(key) for key in inside}
    rest = data.subset(np.flatnonzero([key not in inside for key in data.key]))
    assert examine(tmp_path / "t", rest, now=NOW).leaks == ()
    one = int(next(iter(inside)))
    louder = {"text": [data.table["text"][one].as_py().upper() + "!!", "quite other words here"], "label": ["b", "a"]}
    assert [(r, k, how) for r, k, how in examine(tmp_path / "t", read(louder, columns=Columns(("text",), ("label",))), now=NOW).leaks] == [
        (0, str(one), "nearly the same")
    ]


def test_pictures(tmp_path):
    images, y = load_digits(return_X_y=True)
    pictures = np.clip(images[:200].reshape(-1, 8, 8, 1) * 15, 0, 255).astype(np.uint8)
    data, rng = read((pictures, y[:200])), np.random.default_rng(0)
    review = new_review(data, draw(data, 60, rng), data.classes, ["ann", "bob"], 2, rng, tmp_path / "r")
    for name in review.reviewers:
        by_script(review, data, name, [t.suspected for t in review.pending(name)])
    done = freeze(review, data, tmp_path / "t", days=5, now=NOW)
    assert (done.rows, done.wrong) == (60, 0)
    leaks = examine(tmp_path / "t", data, now=NOW).leaks
    assert len(leaks) >= 60
    assert {how for _, _, how in leaks} >= {"the same"}


def test_an_unfinished_review_is_not_frozen(texts, tmp_path):
    data, rng = read(texts), np.random.default_rng(0)
    review = new_review(data, draw(data, 30, rng), data.classes, ["ann", "bob"], 2, rng, tmp_path / "review")
    with pytest.raises(DataError, match="30 rows still wait"):
        freeze(review, data, tmp_path / "t", days=30)
    alone = new_review(data, draw(data, 30, rng), data.classes, ["ann"], 1, rng, tmp_path / "alone")
    with pytest.raises(DataError, match="verifies nothing"):
        freeze(alone, data, tmp_path / "t", days=30)


def test_the_commands(texts, tmp_path, capsys):
    folder, kept = tmp_path / "r", tmp_path / "kept"
    code, out, _ = run("trusted", "draw", texts, "--rows", "20", "--reviewers", "ann,bob", "--out", folder, capsys=capsys)
    assert code == 0
    assert "20 rows of 3 classes, 2 people each" in out
    for name in ("ann", "bob"):
        answers = "".join(f"{task.suspected}\n" for task in open_review(folder).pending(name))
        command = [sys.executable, "-c", "from assay.cli import main; main()", "review", "start", str(folder), "--reviewer", name]
        subprocess.run(command, input=answers, capture_output=True, text=True, check=True)
    code, out, _ = run("trusted", "freeze", folder, "--out", kept, capsys=capsys)
    assert code == 0
    seal = out.strip().rpartition(" ")[2]
    code, out, _ = run("trusted", "check", kept, "--seal", seal, capsys=capsys)
    assert (code, "was not checked" in out) == (0, True)
    code, out, _ = run("trusted", "check", kept, "--against", texts, capsys=capsys)
    assert (code, "20 rows of" in out) == (1, True)
    code, _, err = run("trusted", "check", kept, "--seal", "f" * 64, capsys=capsys)
    assert (code, "seal does not fit" in err) == (2, True)


def test_a_set_grows_by_what_a_review_agrees_on(texts, tmp_path, capsys):
    """The new rows do not count as drawn, an old entry stands, and the set expires with its older half."""
    review, data = verified(texts, tmp_path)
    old = freeze(review, data, tmp_path / "old.trusted", days=30, now=NOW)
    held = {line["key"] for line in described(tmp_path / "old.trusted")["rows"]}
    more = [Item(key, 0.5, "suspected") for key in [*[k for k in data.key if k not in held][:20], min(held)]]
    second = new_review(data, more, data.classes, ["eve", "fay"], 2, np.random.default_rng(1), tmp_path / "second")
    with pytest.raises(DataError, match="still wait"):
        grow(tmp_path / "old.trusted", second, data, tmp_path / "new.trusted", days=365, now=NOW + timedelta(days=10))
    for name in second.reviewers:
        by_script(second, data, name, ["a"] * 21)
    new = grow(tmp_path / "old.trusted", second, data, tmp_path / "new.trusted", days=365, now=NOW + timedelta(days=10))
    assert (new.rows, new.drawn, new.wrong, new.low, new.high) == (old.rows + 20, old.drawn, old.wrong, old.low, old.high)
    assert new.expires == old.expires
    lines = {line["key"]: line for line in described(tmp_path / "new.trusted")["rows"]}
    assert lines[min(held)]["verified_by"] == ["ann", "bob"]
    assert sum(not line["drawn"] for line in lines.values()) == 20
    assert examine(tmp_path / "new.trusted", now=NOW).rows == old.rows + 20
    code, out, err = run("trusted", "grow", tmp_path / "old.trusted", second.folder, "--out", tmp_path / "n2", capsys=capsys)
    assert (code, err) == (0, "")
    assert f"{old.rows + 20} rows on which all agree" in out
    other = tmp_path / "other.csv"
    other.write_text(texts.read_text().replace("Row 1,", "Row one,"))
    third = new_review(read(other), more[:2], data.classes, ["eve", "fay"], 2, np.random.default_rng(1), tmp_path / "third")
    with pytest.raises(DataError, match="drawn from other data"):
        grow(tmp_path / "old.trusted", third, read(other), tmp_path / "n3", days=1)
