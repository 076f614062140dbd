"""Rows out to other tools and decisions back."""

from __future__ import annotations

import csv
import io
import json

import pytest

from assay.crowd.decisions import read_decisions
from assay.crowd.exchange import EXPORTS, bring_in, export
from assay.crowd.review import outcomes
from assay.dataset.errors import DataError
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
