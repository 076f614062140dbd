"""Boxes of several annotators: matched, decided and placed better than any one of them draws."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from assay.crowd.boxes import NOTHING, box_table, matched, overlap, read_boxes
from assay.crowd.dawid_skene import dawid_skene
from assay.dataset.errors import DataError
from test_crowd_command import run


def drawers(rng, pictures=60, people=6, guesser=True):
    """A table of boxes, and the truth: picture -> [(box, class)]. One draws anywhere; the others miss a tenth, scatter, see ghosts."""
    truth, lines = {}, []
    scatter = rng.uniform(1, 5, people)
    for picture in range(pictures):
        corners = rng.permutation(9)[: rng.integers(0, 4)]
        truth[picture] = []
        for cell in corners.tolist():
            at = np.array([cell % 3, cell // 3]) * 100 + rng.uniform(10, 30, 2)
            truth[picture].append((np.r_[at, at + rng.uniform(35, 60, 2)], "ab"[rng.integers(2)]))
        for person in range(people):
            drawn = []
            for box, label in truth[picture]:
                if rng.random() < 0.9:
                    drawn.append((box + rng.normal(0, scatter[person], 4), label if rng.random() < 0.9 else "ab"[label == "a"]))
            if rng.random() < 0.1 or (guesser and person == 0):
                at = rng.uniform(0, 240, 2)
                drawn = [*(drawn if person or not guesser else []), (np.r_[at, at + rng.uniform(30, 60, 2)], "ab"[rng.integers(2)])]
            lines += [(picture, person, *box, label) for box, label in drawn] or [(picture, person, *[None] * 4, None)]
    columns = list(zip(*lines, strict=True))
    names = ("image", "worker", "x1", "y1", "x2", "y2", "label")
    numbers = [np.array([np.nan if v is None else v for v in c], float) for c in columns[2:6]]
    made = {"image": [f"p{i}" for i in columns[0]], "worker": [f"w{i}" for i in columns[1]]}
    made |= {n: pa.array(v, from_pandas=True) for n, v in zip(names[2:6], numbers, strict=True)}
    return pa.table(made | {"label": pa.array(columns[6], pa.string())}), truth


def score(rows, truth):
    """(recall, precision, share of right classes, mean overlap of the things found), a thing being found at half overlap."""
    hits, right, close, given = 0, 0, [], 0
    for picture, things in truth.items():
        mine = [r for r in rows if r["row"] == f"p{picture}"]
        given += len(mine)
        for box, label in things:
            best = max(mine, key=lambda r: overlap(np.array([r["x1"], r["y1"], r["x2"], r["y2"]]), box), default=None)
            if best is None:
                continue
            iou = float(overlap(np.array([best["x1"], best["y1"], best["x2"], best["y2"]]), box))
            if iou >= 0.5:
                hits, right, close = hits + 1, right + (best["label"] == label), [*close, iou]
    count = sum(map(len, truth.values()))
    return hits / count, hits / max(1, given), right / max(1, hits), float(np.mean(close)) if close else 0.0


def test_together_they_see_more_than_any_one():
    table, truth = drawers(np.random.default_rng(0))
    boxes = read_boxes(table, row="image")
    rows = [r for r in box_table(boxes, dawid_skene(boxes.votes)).to_pylist() if r["chance"] >= 0.5]
    recall, precision, right, close = score(rows, truth)
    assert min(recall, precision) >= 0.97
    assert right >= 0.95  # where each is right on 90 %
    for person in range(6):
        mine = table.filter(pa.compute.equal(table["worker"], f"w{person}")).to_pylist()
        alone = score([{**r, "row": r["image"]} for r in mine if r["x1"] is not None], truth)
        assert alone[0] < recall
        assert not alone[3] > close + 0.01  # as near as whoever draws best, who is not known beforehand


@pytest.mark.parametrize("seed", range(5))
def test_nobody_has_two_boxes_of_one_thing(seed):
    rng = np.random.default_rng(seed)
    at = rng.uniform(0, 40, (14, 2))
    box, who = np.hstack([at, at + rng.uniform(20, 40, (14, 2))]), rng.integers(0, 4, 14)
    found = matched(box, who)
    for thing in range(found.max() + 1):
        assert len(set(who[found == thing].tolist())) == (found == thing).sum()
    order = rng.permutation(14)
    again = matched(box[order], who[order])
    same = found[:, None] == found[None]
    assert np.array_equal(same[np.ix_(order, order)], again[:, None] == again[None])


def test_the_command_names_who_draws_anywhere(tmp_path, capsys):
    table, _ = drawers(np.random.default_rng(1), pictures=60)
    csv.write_csv(table, tmp_path / "boxes.csv")
    named = ("--boxes", "--row", "image", "--out", tmp_path / "out")
    code, out, err = run("crowd", tmp_path / "boxes.csv", *named, capsys=capsys)
    assert (code, err) == (1, "")
    assert "things; each is a row of its own" in out
    people = {line["annotator"]: line["accused"] for line in pq.read_table(tmp_path / "out" / "annotators.parquet").to_pylist()}
    assert [name for name, accused in people.items() if accused] == ["w0"]
    assert pq.read_table(tmp_path / "out" / "boxes.parquet").num_rows == pq.read_table(tmp_path / "out" / "labels.parquet").num_rows
    code, _, err = run("crowd", tmp_path / "boxes.csv", *named[:3], "--multilabel", "--out", tmp_path / "o2", capsys=capsys)
    assert (code, "goes with none of" in err) == (2, True)


def test_who_looked_where_nobody_drew_takes_nobody_elses_name():
    """Of three people the second has seen only a picture in which nobody drew: votes and boxes are still of who gave them."""
    lines = [("p", "a", 0, 0, 9, 9, "x"), ("p", "c", 1, 1, 9, 9, "y"), ("q", "b", *[None] * 5), ("q", "a", *[None] * 5)]
    names = ("row", "worker", "x1", "y1", "x2", "y2", "label")
    boxes = read_boxes(pa.table({name: [line[i] for line in lines] for i, name in enumerate(names)}))
    votes = boxes.votes
    assert [votes.annotators[i] for i in boxes.annotator.tolist()] == ["a", "c"]
    said = {(votes.annotators[a], votes.classes[y]) for a, y in zip(votes.annotator.tolist(), votes.label.tolist(), strict=True)}
    assert said == {("a", "x"), ("c", "y")}


def test_who_draws_nothing_is_heard():
    given = {"row": ["a", "a", "b", "b"], "worker": ["x", "y", "x", "y"], "x": [0, 1, 5, None], "y": [0, 0, 5, None]}
    given |= {"width": [10, 10, 3, None], "height": [10, 10, 3, None]}
    boxes = read_boxes(pa.table(given))
    assert boxes.votes.rows == ("a#1", "b#1")
    assert [boxes.votes.classes[i] for i in boxes.votes.label[boxes.votes.row == 1]] == ["thing", NOTHING]
    assert boxes.places()[0][0].tolist() == [0.5, 0.0, 10.5, 10.0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x2": [5.0, 0.0]}, "no box: its edges are 1, 0, 0, 9"),
        ({"x2": [5.0, None]}, "no box"),
        ({"x1": ["a", "b"]}, "no numbers"),
        ({"worker": ["x", None]}, "a box without it"),
        ({"label": ["k", None]}, "a box without a class"),
        ({"worker": ["x", "x"]}, "one annotator"),
    ],
)
def test_bad_boxes_are_refused(change, said):
    given = {"row": ["a", "a"], "worker": ["x", "y"], "x1": [0.0, 1.0], "y1": [0.0, 0.0], "x2": [9.0, 9.0], "y2": [9.0, 9.0]}
    with pytest.raises(DataError, match=said):
        read_boxes(pa.table(given | change))
    with pytest.raises(DataError, match="no columns of boxes"):
        read_boxes(pa.table({"row": ["a"], "worker": ["x"]}))
