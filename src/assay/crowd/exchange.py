"""Rows out to other tools and decisions back: Label Studio, Argilla, Mechanical Turk, JSON lines.

Every export carries `assay_row`, by which the answers find their rows again; none carries the suspected label. Imports give
decisions, which go through the same files and rules as those made here. Pictures are not exported: these tools want them served by
address, so a row's key is, for pictures, a path.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from html import escape
from pathlib import Path
from typing import Any, TypeVar

from assay.crowd.decisions import Decision, writer
from assay.crowd.review import Review, rewrite, taken_up
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

LONGEST_LINE = 16 * 1024 * 1024  # characters of a field in an MTurk file: what a text may have elsewhere in Assay
MARK = "assay_row"
TICKS = {"true", "on", "1", "yes"}  # what a ticked choice is in a batch's results
ZONES = {"UTC": 0, "GMT": 0, "PST": -8, "PDT": -7}  # hours from UTC of the zones that Mechanical Turk writes
Known = TypeVar("Known")


def export(review: Review, data: Dataset, form: str) -> str:
    """The rows under review as one file's text, in the order of the review. DataError for an unknown format."""
    return _known(form, EXPORTS)(review, list(_records(review, data)))


def bring_in(review: Review, path: str | Path, form: str, who: Mapping[str, str] | None = None, *, anyone: bool = False) -> dict[str, int]:
    """Adds the decisions in a file that a tool wrote to the review; (reviewer -> how many).

    `who` gives the reviewer behind a name of the tool's (a number, a UUID, a WorkerId). With `anyone`, people whom the review does not know
    take the places of reviewers who have not looked yet, as on Mechanical Turk, where nobody knows beforehand who will.
    A reviewer's decision on a row that is not theirs, a label that the review does not have, a row that it does not have, and two
    labels by one reviewer for one row are refused as a whole: nothing is added. Passed over is a label that stands already, and a
    decision that came before (the same label at the same moment); a return to an earlier label is a new decision.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8 text", path=file, remedy="export it again as UTF-8") from error
    try:
        found = list(_known(form, IMPORTS)(text))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(f"is no {form} export ({type(error).__name__}: {error})", path=file, remedy="check --format") from error
    found = [(row, (who or {}).get(name, name), label, reason, at) for row, name, label, reason, at in found]
    if anyone:
        review = taken_up(review, [(row, name) for row, name, *_ in found])
    tasks = {task.row: task for task in review.tasks}
    new: dict[str, list[Decision]] = {}
    for row, reviewer, label, reason, at in found:
        if row not in tasks:
            raise DataError(f"row {row} is not in the review", path=file, remedy=f"keep the field {MARK} as exported")
        if reviewer not in tasks[row].reviewers:
            raise DataError(
                f"{reviewer!r} was not asked about row {row}",
                path=file,
                remedy=f"those asked: {', '.join(tasks[row].reviewers)}; say who is who with --who, or let --anyone take a place",
            )
        if label is not None and label not in review.classes:
            raise DataError(f"unknown label {label!r} on row {row}", path=file, remedy=f"choose among {', '.join(review.classes)}")
        new.setdefault(reviewer, []).append(Decision(row, tasks[row].key, reviewer, label, reason, at, 0.0))
    for decisions in new.values():
        _refuse_two(decisions, file)
    if anyone:
        rewrite(review)
    added = {}
    for reviewer, decisions in new.items():
        with writer(review.decisions_file(reviewer)) as held:
            standing = {d.row: d for d in held.decisions}
            before = {(d.row, d.label, d.at) for d in held.decisions}
            count = 0
            for decision in decisions:
                known = standing.get(decision.row)
                if known is not None and (known.label == decision.label or _older(decision, known)):
                    continue
                if (decision.row, decision.label, decision.at) in before:
                    continue
                held.add(decision)
                standing[decision.row] = decision
                count += 1
        added[reviewer] = count
    return added


def _older(decision: Decision, known: Decision) -> bool:
    """Whether a decision was made before the one that stands: it came out of the tool before that, and must not undo it."""
    try:
        return datetime.fromisoformat(decision.at) < datetime.fromisoformat(known.at)
    except (ValueError, TypeError):  # a form of time that is not known, or none
        return False


def _refuse_two(decisions: list[Decision], file: Path) -> None:
    """DataError where one reviewer's decisions in a file name two labels for a row."""
    first: dict[int, Decision] = {}
    for decision in decisions:
        said = first.setdefault(decision.row, decision)
        if said.label != decision.label:
            raise DataError(
                f"{decision.reviewer!r} decides more than once on row {decision.row} "
                f"({said.label or 'cannot tell'!r}, then {decision.label or 'cannot tell'!r})",
                path=file,
                remedy="leave the one that counts in the file, and import it again",
            )


def _records(review: Review, data: Dataset) -> Iterator[dict[str, Any]]:
    place = {int(row): i for i, row in enumerate(data.row)}
    for task in review.tasks:
        position = place[task.row]
        content = {name: data.table.column(name)[position].as_py() for name in data.columns.content}
        text = "\n".join(f"{name}: {value}" if len(content) > 1 else str(value) for name, value in content.items() if value is not None)
        yield {MARK: task.row, "key": task.key, "text": text or task.key, "reviewers": list(task.reviewers)}


def _label_studio(review: Review, records: list[dict[str, Any]]) -> str:
    return json.dumps([{"data": record} for record in records], ensure_ascii=False, indent=1) + "\n"


def label_studio_config(review: Review) -> str:
    """The labelling interface for a Label Studio project: one choice a row and a reason."""
    from xml.sax.saxutils import quoteattr

    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in review.classes)
    return (
        f'<View><Text name="text" value="$text"/><Choices name="label" toName="text" choice="single">{choices}</Choices>'
        '<TextArea name="reason" toName="text"/></View>\n'
    )


def _argilla(review: Review, records: list[dict[str, Any]]) -> str:
    made = [{"id": str(r[MARK]), "fields": {"text": r["text"]}, "metadata": {MARK: r[MARK], "key": r["key"]}} for r in records]
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def _mturk(review: Review, records: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    sheet = csv.DictWriter(out, [MARK, "key", "text"], extrasaction="ignore", lineterminator="\r\n")
    sheet.writeheader()
    sheet.writerows({**record, "key": escape(record["key"]), "text": escape(record["text"])} for record in records)
    return out.getvalue()


def mturk_layout(review: Review) -> str:
    """The design layout for a Mechanical Turk project. Fields are put in as they are, so that the export has them escaped."""
    choices = "".join(f"<option>{escape(name)}</option>" for name in review.classes)
    return (
        '<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>\n'
        '<crowd-form><p style="white-space: pre-wrap">${text}</p>'
        f'<select name="label" required><option value="">Choose</option>{choices}</select>'
        '<p>Why? <input name="reason"></p></crowd-form>\n'
    )


def _json_lines(review: Review, records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps({**record, "classes": list(review.classes)}, ensure_ascii=False) + "\n" for record in records)


Answer = tuple[int, str, str | None, str, str]  # row, reviewer, label, reason, at


def _from_label_studio(text: str) -> Iterator[Answer]:
    for task in json.loads(text):
        for annotation in task.get("annotations", []):
            by = annotation.get("completed_by", "")
            reviewer = str(by.get("email") or by.get("id")) if isinstance(by, dict) else str(by)
            label, reason = None, ""
            for result in annotation.get("result", []):
                value = result["value"]
                if "choices" in value:
                    label = str(value["choices"][0])
                elif "text" in value:
                    reason = " ".join(value["text"]) if isinstance(value["text"], list) else str(value["text"])
            if label is not None or annotation.get("was_cancelled"):
                yield (
                    int(task["data"][MARK]),
                    reviewer,
                    label,
                    reason,
                    _moment(annotation.get("updated_at") or annotation.get("created_at")),
                )


def _from_argilla(text: str) -> Iterator[Answer]:
    for record in json.loads(text):
        row = int(record.get("metadata", {}).get(MARK, record["id"]))
        reasons = {str(a["user_id"]): str(a["value"]) for a in _responses(record, "reason")}
        for answer in _responses(record, "label"):
            if answer.get("status") in ("draft", "discarded"):
                continue
            reviewer = str(answer["user_id"])
            yield (
                row,
                reviewer,
                str(answer["value"]),
                reasons.get(reviewer, ""),
                _moment(answer.get("updated_at") or answer.get("inserted_at")),
            )


def _responses(record: dict[str, Any], question: str) -> list[dict[str, Any]]:
    """Of one question: as records are saved, or flat, as they come from a data set."""
    flat = record.get(f"{question}.responses")
    if flat is None:
        return list((record.get("responses") or {}).get(question) or [])
    users, status = record[f"{question}.responses.users"], record.get(f"{question}.responses.status") or [None] * len(flat)
    return [{"value": v, "user_id": u, "status": s} for v, u, s in zip(flat, users, status, strict=True)]


def _from_mturk(text: str) -> Iterator[Answer]:
    csv.field_size_limit(LONGEST_LINE)
    for line in csv.DictReader(io.StringIO(text, newline="")):
        if line.get("AssignmentStatus") != "Rejected":
            answers = _mturk_answers(line)
            yield (
                int(line[f"Input.{MARK}"]),
                line["WorkerId"],
                _chosen(answers["label"]),
                str(answers.get("reason") or ""),
                _moment(line.get("SubmitTime")),
            )


def _mturk_answers(line: dict[str, str]) -> dict[str, Any]:
    """Field -> answer. Forms of crowd elements give one column of JSON; others a column a field, or a field and choice."""
    if line.get("Answer.taskAnswers"):
        held = json.loads(line["Answer.taskAnswers"])
        return dict(held[0] if isinstance(held, list) else held)
    answers: dict[str, Any] = {}
    for column, value in line.items():
        field, _, choice = (column or "").removeprefix("Answer.").partition(".")
        if (column or "").startswith("Answer."):
            if choice:
                answers.setdefault(field, {})[choice] = value
            else:
                answers[field] = value
    return answers


def _chosen(answer: object) -> str | None:
    """The label in an answer: a text, {"label": text} of a classifier, or {choice: whether it is ticked}; None if nothing is chosen.

    >>> _chosen("cat"), _chosen({"label": "cat"}), _chosen({"cat": False, "dog": True}), _chosen({"cat": "false", "dog": "on"})
    ('cat', 'cat', 'dog', 'dog')
    """
    if not isinstance(answer, dict):
        return str(answer) if answer not in (None, "") else None
    if set(answer) == {"label"} and isinstance(answer["label"], str) and answer["label"].lower() not in TICKS | {"false"}:
        return answer["label"] or None
    ticked = [str(name) for name, value in answer.items() if value is True or str(value).lower() in TICKS]
    if len(ticked) > 1:
        raise ValueError(f"several labels are ticked: {', '.join(ticked)}")
    return ticked[0] if ticked else None


def _from_json_lines(text: str) -> Iterator[Answer]:
    for line in text.splitlines():
        if line.strip():
            record = json.loads(line)
            label = record["label"]
            yield (
                int(record[MARK]),
                str(record["reviewer"]),
                None if label is None else str(label),
                str(record.get("reason", "")),
                _moment(record.get("at")),
            )


def _moment(given: object) -> str:
    """When, in ISO 8601 where the tool's form is known; now where it does not say.

    >>> _moment("Thu Oct 09 07:30:20 PDT 2025"), _moment("2025-10-09T07:30:20Z")
    ('2025-10-09T07:30:20-07:00', '2025-10-09T07:30:20Z')
    """
    if not given:
        return datetime.now(UTC).isoformat(timespec="milliseconds")
    words = str(given).split()
    if len(words) == 6 and words[4] in ZONES:
        try:
            at = datetime.strptime(" ".join([*words[:4], words[5]]), "%a %b %d %H:%M:%S %Y")
        except ValueError:
            return str(given)
        return at.replace(tzinfo=timezone(timedelta(hours=ZONES[words[4]]))).isoformat()
    return str(given)


EXPORTS: dict[str, Callable[[Review, list[dict[str, Any]]], str]] = {
    "label-studio": _label_studio,
    "argilla": _argilla,
    "mturk": _mturk,
    "jsonl": _json_lines,
}
IMPORTS: dict[str, Callable[[str], Iterator[Answer]]] = {
    "label-studio": _from_label_studio,
    "argilla": _from_argilla,
    "mturk": _from_mturk,
    "jsonl": _from_json_lines,
}


def _known(form: str, table: dict[str, Known]) -> Known:
    if form not in table:
        raise DataError(f"no format {form!r}", remedy=f"choose among {', '.join(table)}")
    return table[form]
