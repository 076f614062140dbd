"""Gold tasks: rows whose answer is known, mixed among the rows to look at, that show who looks.

Guarantee: a reviewer who is right on each gold row with a chance of `floor` at least, whatever went before, is failed with probability at
most alpha over all reviewers and all time: `grade` may be asked after every answer. (The wealth of a bet against the floor is a test
martingale; Ville 1939.)

Planted rows are dealt as all others are: to as many reviewers, at random places, one in each stretch of the queue, with the value, the
reason and, where others have one, the suspected label of a row of the queue. Nothing in the review tells them apart; the answers are
in a file of their own, for whoever runs the review. A gold row is used once in a review: rows that come back are recognised.

Cannot see: reviewers who show each other what came up twice; who knows the trusted set. Draw fresh gold now and then.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, xlogy
from scipy.stats import binom

from assay.crowd.queue import Item
from assay.crowd.read import LABEL_NAMES, ROW_NAMES, column_named, read_table
from assay.crowd.review import Review
from assay.crowd.votes import Floats
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.labels import class_name

SCHEMA = "assay.gold/1"
FLOOR = 0.7  # chance to be right on a row whose answer is known: gold rows are those on which several people agreed
BETS = (0.0, 0.25, 0.5, 0.75)  # shares of the floor that a failing reviewer may be right: from always wrong to nearly good enough
SHARES = (0.3, 0.05, 20)  # share of gold at first and for ever, and the gold rows after which it is down
MOST_TASKS = 1_000  # gold rows a reviewer beyond which `needed` does not look


def log_wealth(right: NDArray[np.integer] | int, wrong: NDArray[np.integer] | int, floor: float = FLOOR) -> Floats:
    """(n,) log e-values against "right with a chance of `floor` at least" after so many right and wrong answers, in any order.

    >>> log_wealth(9, 1) < 0 < log_wealth(2, 8)
    array([ True])
    """
    shares = np.array(BETS)[:, None] * floor
    wealth = xlogy(np.atleast_1d(right), shares / floor) + xlogy(np.atleast_1d(wrong), (1 - shares) / (1 - floor))
    return np.asarray(logsumexp(wealth, axis=0) - np.log(len(BETS)))


def needed(bad: float, reviewers: int = 1, floor: float = FLOOR, alpha: float = 0.01, power: float = 0.9) -> int:
    """How many gold rows each reviewer must see, so that one who is right with chance `bad` is failed with chance `power`.

    ValueError where MOST_TASKS are too few: `bad` is too near the floor.

    >>> needed(0.5), needed(0.5, reviewers=10), needed(0.1)
    (132, 168, 11)
    """
    for tasks in range(1, MOST_TASKS + 1):
        wrong = np.arange(tasks + 1)
        failing = np.flatnonzero(log_wealth(tasks - wrong, wrong, floor) >= np.log(reviewers / alpha))
        if len(failing) and binom.sf(failing[0] - 1, tasks, 1 - bad) >= power:
            return tasks
    raise ValueError(f"who is right with chance {bad:g} cannot be told from {floor:g} in {MOST_TASKS:,} rows")


def read_gold(source: str | Path) -> dict[str, str]:
    """Key of a row -> its label, of a trusted set (a folder) or of a table with such columns. DataError where it is neither."""
    folder = Path(source)
    if (folder / "trusted.json").is_file():
        from assay.crowd.trusted import described

        return {str(row["key"]): str(row["label"]) for row in described(folder)["rows"]}
    table, path = read_table(folder)
    row, label = column_named(table, ROW_NAMES), column_named(table, LABEL_NAMES)
    if row is None or label is None:
        raise DataError(
            f"no column of {'rows' if row is None else 'labels'}",
            path=path,
            remedy="give a trusted set, or a table with columns key and label",
        )
    keys, labels = (table.column(name).to_pylist() for name in (row, label))
    return {class_name(k): class_name(v) for k, v in zip(keys, labels, strict=True) if k is not None and v is not None}


def plant(
    items: Sequence[Item], gold: dict[str, str], data: Dataset, reviewers: int, each: int, tasks: int, rng: np.random.Generator
) -> tuple[list[Item], dict[str, str]]:
    """(the queue with gold rows in it, the answers of those planted): `tasks` gold rows for each of `reviewers`, `each` looks a row.

    Rows that are in the queue already are not used. DataError where too few gold rows are in the data.
    """
    queued = {item.key for item in items}
    labels = {key: data.classes[code] if code >= 0 else None for key, code in zip(data.key, data.y.tolist(), strict=True)}
    usable = sorted(key for key in gold if key in labels and key not in queued)
    count = -(-tasks * reviewers // each)
    if count > len(usable):
        raise DataError(
            f"{tasks} gold rows for each of {reviewers} reviewers take {count:,} rows; {len(usable):,} of the {len(gold):,} are in the "
            "data and not up for review themselves",
            path=data.path,
            remedy="give more of them, or plant fewer (--gold-each)",
        )
    chosen = [usable[i] for i in rng.permutation(len(usable))[:count].tolist()]
    like = [items[i] for i in rng.integers(0, len(items), count).tolist()]
    planted = [
        replace(item, key=key, suspected=None if item.suspected is None else labels[key]) for key, item in zip(chosen, like, strict=True)
    ]
    return _mixed(items, planted, rng), {key: gold[key] for key in chosen}


def _mixed(items: Sequence[Item], planted: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    """Each planted row at a random place in its own stretch of the queue; the others keep their order."""
    places = (np.arange(len(planted)) + rng.random(len(planted))) * len(items) / max(1, len(planted))
    order = np.argsort(np.concatenate([np.arange(len(items)) + 0.5, places]), kind="stable")
    every = [*items, *planted]
    return [every[i] for i in order.tolist()]


@dataclass(frozen=True)
class Grade:
    """What one reviewer made of the gold rows seen so far. `p_value` is 1/e, and `failed` at alpha over all reviewers."""

    reviewer: str
    right: int
    of: int
    p_value: float
    failed: bool


def grade(review: Review, answers: dict[str, str], floor: float = FLOOR, alpha: float = 0.01) -> list[Grade]:
    """Each reviewer against the answers (key -> label). Who cannot tell is wrong: an answer is known because people could."""
    grades = []
    looks = review.decisions()
    for name in review.reviewers:
        mine = [look for look in looks if look.reviewer == name and look.key in answers]
        right = sum(look.label == answers[look.key] for look in mine)
        log_e = float(log_wealth(right, len(mine) - right, floor)[0])
        failed = log_e >= np.log(len(review.reviewers) / alpha)
        grades.append(Grade(name, right, len(mine), float(min(1.0, np.exp(-log_e))), bool(failed)))
    return grades


def write_answers(path: str | Path, answers: dict[str, str], review: Review) -> None:
    """The answers, for whoever runs the review. DataError if the file is there."""
    body = {"schema": SCHEMA, "fingerprint": review.fingerprint, "answers": answers}
    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
    except FileExistsError as error:
        raise DataError("is there already; nothing is overwritten", path=path, remedy="name another file") from error


def read_answers(path: str | Path, review: Review) -> dict[str, str]:
    """DataError if they are none, or of other data than the review's."""
    try:
        body: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        if body["schema"] != SCHEMA:
            raise DataError(f"is of schema {body['schema']!r}, not {SCHEMA}", path=path, remedy="use the version of Assay that wrote it")
        answers, fingerprint = {str(k): str(v) for k, v in body["answers"].items()}, body["fingerprint"]
    except FileNotFoundError as error:
        raise DataError("there is no such file", path=path, remedy="give the answers that assay review new wrote") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"holds no gold answers ({error})", path=path, remedy="give the answers that assay review new wrote") from error
    if fingerprint != review.fingerprint:
        raise DataError("is of other data than the review", path=path, remedy="give the answers that were written with this review")
    return answers


def codes(gold: dict[str, str], rows: Sequence[str], classes: Sequence[str], path: object = None) -> NDArray[np.int64]:
    """(n,) class codes of known answers, -1 where none is known. DataError for an answer that is no class, and where no row is known."""
    check_answers(gold, classes, path)
    place = {name: i for i, name in enumerate(classes)}
    found = np.array([place[gold[row]] if row in gold else -1 for row in rows], np.int64)
    if (found < 0).all():
        raise DataError("none of its rows has votes", path=path, remedy="name rows as the votes do")
    return found


def check_answers(gold: dict[str, str], classes: Sequence[str], path: object = None) -> None:
    """DataError for an answer that is no class."""
    for key, label in gold.items():
        if label not in classes:
            raise DataError(f"unknown label {label!r} on row {key!r}", path=path, remedy=f"choose among {', '.join(classes)}")


def share_schedule(seen: int, log_e: float, alpha: float = 0.01) -> float:
    """Share of gold among the next tasks of a reviewer who has seen so many: many at first, a few for ever, more under suspicion.

    For pools that hand out one task after another. A sleeper is why it never ends.

    >>> share_schedule(0, 0.0), share_schedule(100, -3.0), share_schedule(100, 3.0)
    (0.3, 0.05, 0.3)
    """
    first, least, settled = SHARES
    suspected = log_e > 0.5 * np.log(1 / alpha)
    return first if suspected else max(least, first * (1 - seen / settled))
