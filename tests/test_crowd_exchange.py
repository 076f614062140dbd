"""Rows out to other tools and decisions back."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from assay.crowd.decisions import read_decisions
from assay.crowd.exchange import EXPORTS, bring_in, export, mturk_layout
from assay.crowd.queue import Item
from assay.crowd.review import new_review, open_review, outcomes
from assay.dataset.errors import DataError
from assay.dataset.read import read
from test_crowd_command import run
from test_crowd_review import a_review, texts  # noqa: F401


def answers(form, exported, label_of):
    """What the tool would give back for ann's and bob's answers."""
    people = ("ann", "bob")
    if form == "label-studio":
        tasks = json.loads(exported)
        for task in tasks:
            label = label_of(task["data"]["assay_row"])
            result = [{"type": "choices", "value": {"choices": [label]}}, {"type": "textarea", "value": {"text": ["since"]}}]
            task["annotations"] = [{"completed_by": {"email": p}, "result": result, "created_at": "2026-01-01T00:00:00Z"} for p in people]
        return json.dumps(tasks)
    if form == "argilla":
        records = json.loads(exported)
        for record in records:
            label = label_of(record["metadata"]["assay_row"])
            record["responses"] = {
                name: [{"user_id": p, "value": v} for p in people] for name, v in (("label", label), ("reason", "since"))
            }
        return json.dumps(records)
    if form == "mturk":
        out = io.StringIO()
        sheet = csv.writer(out)
        sheet.writerow(
            ["HITId", "WorkerId", "AssignmentStatus", "SubmitTime", "Input.assay_row", "Input.text", "Answer.label", "Answer.reason"]
        )
        for i, line in enumerate(csv.DictReader(io.StringIO(exported))):
            for person in people:
                sheet.writerow([i, person, "Approved", "x", line["assay_row"], line["text"], label_of(int(line["assay_row"])), "since"])
            sheet.writerow([i, "mallory", "Rejected", "x", line["assay_row"], line["text"], "cat", ""])
        return out.getvalue()
    records = [json.loads(line) for line in exported.splitlines()]
    return "".join(
        json.dumps({"assay_row": r["assay_row"], "reviewer": p, "label": label_of(r["assay_row"]), "reason": "since"}) + "\n"
        for r in records
        for p in people
    )


def label_of(row):
    return "dog" if row % 2 else "cat"


@pytest.mark.parametrize("form", list(EXPORTS))
def test_there_and_back(texts, tmp_path, form):  # noqa: F811
    review, data = a_review(texts, tmp_path, rows=12)
    text = export(review, data, form)
    assert "text number 3 is about cats" in text
    assert "suspected" not in text
    back = tmp_path / "back"
    back.write_text(answers(form, text, label_of))
    assert bring_in(review, back, form) == {"ann": 12, "bob": 12}
    assert all(o.state == "settled" and o.label == label_of(o.task.row) for o in outcomes(review))
    assert {d.reason for d in read_decisions(review.decisions_file("bob"))} == {"since"}
    assert bring_in(review, back, form) == {"ann": 0, "bob": 0}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"assay_row": 99, "reviewer": "ann", "label": "cat"}, "row 99 is not in the review"),
        ({"assay_row": 1, "reviewer": "mallory", "label": "cat"}, "'mallory' was not asked about row 1"),
        ({"assay_row": 1, "reviewer": "ann", "label": "cow"}, "unknown label 'cow'"),
        ({"reviewer": "ann"}, "is no jsonl export"),
    ],
)
def test_foreign_answers_are_refused_as_a_whole(texts, tmp_path, line, said):  # noqa: F811
    review, _ = a_review(texts, tmp_path, rows=3)
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"assay_row": 0, "reviewer": "ann", "label": "cat"}) + "\n" + json.dumps(line) + "\n")
    with pytest.raises(DataError, match=said):
        bring_in(review, path, "jsonl")
    assert not read_decisions(review.decisions_file("ann"))


def test_a_return_to_an_earlier_answer_counts(texts, tmp_path):  # noqa: F811
    review, _ = a_review(texts, tmp_path, rows=2)
    path = tmp_path / "a.jsonl"

    def brought(label, **more):
        path.write_text(json.dumps({"assay_row": 0, "reviewer": "ann", "label": label, **more}) + "\n")
        return bring_in(review, path, "jsonl")["ann"]

    assert [brought("cat", at="2026-01-01T00:00:00Z"), brought("dog"), brought("dog")] == [1, 1, 0]
    assert brought("cat", at="2026-01-01T00:00:00Z") == 0  # the first file again
    assert brought("cat") == 1
    assert brought("dog", at="2026-01-02T00:00:00Z") == 0  # older than what stands
    assert [d.label for d in review.decisions()] == ["cat"]


def test_two_answers_of_one_reviewer_are_refused_as_a_whole(texts, tmp_path):  # noqa: F811
    review, _ = a_review(texts, tmp_path, rows=2)
    path = tmp_path / "a.jsonl"
    path.write_text(
        "".join(json.dumps({"assay_row": 1, "reviewer": w, "label": x}) + "\n" for w, x in (("bob", "cat"), ("ann", "cat"), ("ann", "dog")))
    )
    with pytest.raises(DataError, match=r"'ann' decides more than once on row 1 \('cat', then 'dog'\)"):
        bring_in(review, path, "jsonl")
    assert not review.decisions()


def test_the_commands(texts, tmp_path, capsys):  # noqa: F811
    review, _ = a_review(texts, tmp_path, rows=4)
    code, out, _ = run("review", "export", review.folder, "--format", "label-studio", "--out", tmp_path / "t.json", capsys=capsys)
    assert code == 0
    assert '<Choice value="cat"/>' in out
    (tmp_path / "b.json").write_text(answers("label-studio", (tmp_path / "t.json").read_text(), label_of))
    code, out, _ = run("review", "import", review.folder, tmp_path / "b.json", "--format", "label-studio", capsys=capsys)
    assert (code, out) == (0, "ann: 4 decisions, bob: 4 decisions\n")
    code, _, err = run("review", "export", review.folder, "--format", "csv", "--out", tmp_path / "x", capsys=capsys)
    assert (code, "no format 'csv'" in err) == (2, True)


def mturk(path, header, lines):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    return path


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        (["Answer.taskAnswers"], [json.dumps([{"label": "dog", "reason": "ears"}])]),
        (["Answer.taskAnswers"], [json.dumps([{"label": {"label": "dog"}, "reason": "ears"}])]),
        (["Answer.taskAnswers"], [json.dumps([{"label": {"cat": False, "dog": True}, "reason": "ears"}])]),
        (["Answer.label.cat", "Answer.label.dog", "Answer.reason"], ["false", "true", "ears"]),
        (["Answer.label.label", "Answer.reason"], ["dog", "ears"]),
    ],
)
def test_every_form_of_a_turk_batch(texts, tmp_path, columns, cells):  # noqa: F811
    """Select boxes, classifiers and radio buttons of crowd elements, and columns a choice."""
    review, _ = a_review(texts, tmp_path, rows=2)
    header = ["WorkerId", "AssignmentStatus", "SubmitTime", "Input.assay_row", *columns]
    lines = [["A1EXAMPLE", "Submitted", "Thu Oct 09 07:30:20 PDT 2025", row, *cells] for row in (0, 1)]
    back = mturk(tmp_path / "back.csv", header, lines)
    with pytest.raises(DataError, match="was not asked about row 0"):
        bring_in(review, back, "mturk")
    assert bring_in(review, back, "mturk", anyone=True) == {"A1EXAMPLE": 2}
    changed = open_review(review.folder)
    assert [task.reviewers for task in changed.tasks] == [("A1EXAMPLE", "bob")] * 2
    found = read_decisions(review.decisions_file("A1EXAMPLE"))
    assert [(d.label, d.reason, d.at) for d in found] == [("dog", "ears", "2025-10-09T07:30:20-07:00")] * 2


def test_two_ticks_are_no_answer(texts, tmp_path):  # noqa: F811
    review, _ = a_review(texts, tmp_path, rows=2)
    both = json.dumps([{"label": {"cat": True, "dog": True}}])
    back = mturk(tmp_path / "back.csv", ["WorkerId", "Input.assay_row", "Answer.taskAnswers"], [["ann", 0, both]])
    with pytest.raises(DataError, match="several labels are ticked"):
        bring_in(review, back, "mturk")


def test_a_text_runs_no_script_in_a_worker_s_page(texts, tmp_path):  # noqa: F811
    texts.write_text(texts.read_text().replace("text number 0 ", "<script>alert(1)</script> "))
    data = read(texts)
    items = [Item("t0", 1.0, "", None)]
    review = new_review(data, items, ("cat", "<b>"), ["ann"], 1, np.random.default_rng(0), tmp_path / "review")
    assert "<script>" not in export(review, data, "mturk")
    assert "<option>&lt;b&gt;</option>" in mturk_layout(review)


def test_argilla_as_records_and_flat(texts, tmp_path):  # noqa: F811
    """Drafts and discarded answers are none; users are numbers or UUIDs, which --who names."""
    review, _ = a_review(texts, tmp_path, rows=2)
    given = [
        {"value": "dog", "user_id": "u-1", "status": "submitted"},
        {"value": "cat", "user_id": "u-2", "status": "draft"},
        {"value": "cat", "user_id": "u-2", "status": "discarded"},
    ]
    one = {"id": "0", "metadata": {"assay_row": 0}, "responses": {"label": given}}
    flat = {"id": "1", "label.responses": ["cat"], "label.responses.users": ["u-2"], "label.responses.status": ["submitted"]}
    back = tmp_path / "back.json"
    back.write_text(json.dumps([one, flat]))
    assert bring_in(review, back, "argilla", {"u-1": "ann", "u-2": "bob"}) == {"ann": 1, "bob": 1}
    assert [(d.row, d.label) for d in read_decisions(review.decisions_file("bob"))] == [(1, "cat")]


def test_label_studio_numbers_its_users(texts, tmp_path, capsys):  # noqa: F811
    review, _ = a_review(texts, tmp_path, rows=1)
    result = [{"type": "choices", "value": {"choices": ["dog"]}}]
    skipped = {"completed_by": 11, "result": [], "was_cancelled": True, "created_at": "2026-01-01T00:00:00Z"}
    task = {"data": {"assay_row": 0}, "annotations": [{"completed_by": 10, "result": result, "was_cancelled": False}, skipped]}
    back = tmp_path / "back.json"
    back.write_text(json.dumps([task]))
    common = ("review", "import", review.folder, back, "--format", "label-studio")
    code, _, err = run(*common, capsys=capsys)
    assert (code, "'10' was not asked" in err) == (2, True)
    code, _, err = run(*common, "--who", "ten", capsys=capsys)
    assert (code, "names nobody" in err) == (2, True)
    code, out, _ = run(*common, "--who", "10=ann,11=bob", capsys=capsys)
    assert (code, out.strip()) == (0, "ann: 1 decisions, bob: 1 decisions")
    assert read_decisions(review.decisions_file("bob"))[0].label is None


def test_newcomers_take_open_places_and_then_more(texts, tmp_path):  # noqa: F811
    review, _ = a_review(texts, tmp_path, rows=1)
    line = {"assay_row": 0, "label": "cat"}
    back = tmp_path / "back.jsonl"
    back.write_text("".join(json.dumps({**line, "reviewer": name}) + "\n" for name in ("x", "bob", "y")))
    assert bring_in(review, back, "jsonl", anyone=True) == {"x": 1, "bob": 1, "y": 1}
    changed = open_review(review.folder)
    assert set(changed.tasks[0].reviewers) == {"x", "bob", "y"}
    assert outcomes(changed)[0].state == "settled"
