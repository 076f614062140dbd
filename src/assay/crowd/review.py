"""A review: rows, who looks at each, what they decided, and what follows from it.

A folder with `review.json` (the rows in order, who looks at which, the classes, and the fingerprint of the data) and
`decisions/REVIEWER.jsonl`, a file a reviewer, so that nobody sees another's and nobody waits for another. A row is settled when all its
looks are in and more than half agree; when they are in and do not, it is escalated to somebody else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from assay.crowd.decisions import Decision, read_decisions
from assay.crowd.queue import Item, assign
from assay.crowd.reliability import alpha
from assay.dataset.atomic import move, whole
from assay.dataset.data import Columns, Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read

SCHEMA = "assay.review/1"
State = Literal["open", "settled", "escalated"]
NAME = "letters, digits, . _ @ and -, not beginning with a dot"


@dataclass(frozen=True)
class Task:
    """A row to look at, and who looks."""

    row: int
    key: str
    value: float
    reason: str
    suspected: str | None
    reviewers: tuple[str, ...]
    source: str = ""  # what it is suspected by


@dataclass(frozen=True)
class Review:
    """What is in `review.json`. `each` looks a row before anything is settled."""

    folder: Path
    data: str
    fingerprint: str
    classes: tuple[str, ...]
    each: int
    tasks: tuple[Task, ...]
    purpose: str = "review"
    id: str | None = None  # column of the data that names a row

    @property
    def reviewers(self) -> tuple[str, ...]:
        return tuple(sorted({name for task in self.tasks for name in task.reviewers}))

    def decisions_file(self, reviewer: str) -> Path:
        return self.folder / "decisions" / f"{reviewer}.jsonl"

    def pending(self, reviewer: str) -> list[Task]:
        """What this reviewer has yet to look at, in order. DataError for somebody who has no row."""
        if reviewer not in self.reviewers:
            raise DataError(f"{reviewer!r} has no rows in this review", path=self.folder, remedy=f"it is for {', '.join(self.reviewers)}")
        done = {decision.row for decision in read_decisions(self.decisions_file(reviewer))}
        return [task for task in self.tasks if reviewer in task.reviewers and task.row not in done]

    def decisions(self) -> list[Decision]:
        """All reviewers' decisions that stand: a later one on the same row replaces a reviewer's earlier one."""
        standing: dict[tuple[str, int], Decision] = {}
        for name in self.reviewers:
            for decision in read_decisions(self.decisions_file(name)):
                standing[name, decision.row] = decision
        return list(standing.values())


@dataclass(frozen=True)
class Outcome:
    """What came of one row. `label` is None while it is not settled, or where most cannot tell."""

    task: Task
    state: State
    label: str | None
    looks: tuple[Decision, ...]


def new_review(
    data: Dataset,
    items: Sequence[Item],
    classes: Sequence[str],
    reviewers: Sequence[str],
    each: int,
    rng: np.random.Generator,
    out: str | Path,
    purpose: str = "review",
) -> Review:
    """Writes a review folder at `out`. DataError if it is there, for keys that the data does not have, and for fewer than two classes."""
    for name in reviewers:
        _check_name(name)
    if len(classes) < 2:
        raise DataError("a review needs at least two classes to choose from", path=data.path, remedy="name them with --classes a,b")
    if not items:
        raise DataError("there is nothing to look at", path=data.path, remedy="give a study or a report with rows for review")
    place = {key: int(row) for key, row in zip(data.key, data.row, strict=True)}
    missing = [item.key for item in items if item.key not in place]
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(items):,} rows are not in the data, such as {missing[0]!r}",
            path=data.path,
            remedy="name the column that holds the rows' names with --id",
        )
    looks = assign(len(items), reviewers, each, rng)
    said = {key: data.classes[code] for key, code in zip(data.key, data.y.tolist(), strict=True) if code >= 0} if data.labelled else {}
    tasks = tuple(
        Task(place[i.key], i.key, i.value, i.reason, i.suspected if i.suspected is not None else said.get(i.key), who, i.source)
        for i, who in zip(items, looks, strict=True)
    )
    review = Review(Path(out), data.path, data.fingerprint, tuple(classes), each, tasks, purpose, data.columns.id)
    with whole(review.folder) as (new,):
        (new / "decisions").mkdir(parents=True)
        (new / "review.json").write_text(_text(review), encoding="utf-8")
    return review


def open_review(folder: str | Path) -> Review:
    """DataError if it is no review."""
    path = Path(folder) / "review.json"
    try:
        held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if held["schema"] != SCHEMA:
            raise DataError(f"is of schema {held['schema']!r}, not {SCHEMA}", path=path, remedy="use the version of Assay that wrote it")
        tasks = tuple(Task(**{**task, "reviewers": tuple(task["reviewers"])}) for task in held["tasks"])
        return Review(
            folder=Path(folder),
            data=held["data"],
            fingerprint=held["fingerprint"],
            classes=tuple(held["classes"]),
            each=int(held["each"]),
            tasks=tasks,
            purpose=held["purpose"],
            id=held["id"],
        )
    except FileNotFoundError as error:
        raise DataError("is no review", path=folder, remedy="make one with assay review new") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot be understood ({error})", path=path, remedy="restore the file") from error


def data_of(review: Review, path: str | Path | None = None) -> Dataset:
    """The data under review, to the bit. DataError if it has changed since the review was made."""
    data = read(path or review.data, columns=Columns(id=review.id))
    if data.fingerprint != review.fingerprint:
        raise DataError("has changed since the review was made", path=path or review.data, remedy="make a new review of it")
    return data


def outcomes(review: Review) -> list[Outcome]:
    """What has come of every row so far."""
    looks: dict[int, list[Decision]] = {}
    for decision in review.decisions():
        looks.setdefault(decision.row, []).append(decision)
    return [_outcome(task, looks.get(task.row, []), review.each) for task in review.tasks]


def _outcome(task: Task, looks: list[Decision], each: int) -> Outcome:
    if len(looks) < max(each, len(task.reviewers)):
        return Outcome(task, "open", None, tuple(looks))
    said = [decision.label for decision in looks]
    top = max(said, key=said.count)
    settled = 2 * said.count(top) > len(said)
    return Outcome(task, "settled" if settled else "escalated", top if settled else None, tuple(looks))


def escalate(review: Review, reviewer: str) -> Review:
    """Gives every escalated row to one more reviewer, who has not seen it. DataError if there is none such."""
    late = {o.task.row for o in outcomes(review) if o.state == "escalated" and reviewer not in o.task.reviewers}
    if not late:
        raise DataError(f"no escalated row that {reviewer!r} has not seen", path=review.folder, remedy="see assay review status")
    tasks = tuple(replace(t, reviewers=(*t.reviewers, reviewer)) if t.row in late else t for t in review.tasks)
    changed = replace(review, tasks=tasks)
    rewrite(changed)
    return changed


def rewrite(review: Review) -> None:
    """Puts the review in the place of what its folder had, whole or not at all."""
    path = review.folder / "review.json"
    beside = path.with_name(".review.json.new")
    beside.write_text(_text(review), encoding="utf-8")
    move(beside, path)


def taken_up(review: Review, looks: Sequence[tuple[int, str]]) -> Review:
    """The review once everybody in `looks` (row, who) is asked about their rows: newcomers take the places of those who have not looked,
    and where there are none, one more. Nothing is written. DataError for a name that names no reviewer.
    """
    for name in {name for _, name in looks}:
        _check_name(name)
    done = {(decision.row, decision.reviewer) for decision in review.decisions()}
    asked: dict[int, list[str]] = {}
    for row, name in looks:
        asked.setdefault(row, []).append(name)
    tasks = []
    for task in review.tasks:
        here = asked.get(task.row, [])
        kept = [name for name in task.reviewers if (task.row, name) in done or name in here]
        waiting = [name for name in task.reviewers if name not in kept]
        new = list(dict.fromkeys(name for name in here if name not in kept))
        tasks.append(replace(task, reviewers=(*kept, *new, *waiting[len(new) :])))
    return replace(review, tasks=tuple(tasks))


def _check_name(name: str) -> None:
    if not name or name.startswith(".") or not all(c.isalnum() or c in "._@-" for c in name):
        raise DataError(f"{name!r} cannot name a reviewer", remedy=f"use {NAME}")


def agreement(review: Review) -> float:
    """Krippendorff's alpha (nominal) of all looks; who cannot tell counts as one more value. NaN before two looks at a row."""
    values = [*review.classes, None]
    rows = {task.row: i for i, task in enumerate(review.tasks)}
    counts = np.zeros((len(rows), len(values)))
    for decision in review.decisions():
        counts[rows[decision.row], values.index(decision.label)] += 1
    return alpha(counts)


def votes_table(review: Review) -> pa.Table:
    """The decisions as votes, a record each: row, annotator, label, time; what `assay crowd` reads."""
    decisions = review.decisions()
    return pa.table(
        {
            "row": pa.array([d.key for d in decisions], pa.string()),
            "annotator": pa.array([d.reviewer for d in decisions], pa.string()),
            "label": pa.array([d.label for d in decisions], pa.string()),
            "time": pa.array([d.at for d in decisions], pa.string()),
            "reason": pa.array([d.reason for d in decisions], pa.string()),
        }
    )


def _text(review: Review) -> str:
    body = {
        "schema": SCHEMA,
        "purpose": review.purpose,
        "id": review.id,
        "data": review.data,
        "fingerprint": review.fingerprint,
        "classes": list(review.classes),
        "each": review.each,
        "tasks": [asdict(task) for task in review.tasks],
    }
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"
