"""The classes of a label, and the labels that are none: measurements, counts, names that hardly recur."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from assay.dataset.columns import Column
from assay.dataset.data import MISSING, Task
from assay.dataset.errors import DataError
from assay.dataset.guess import LABEL_REMEDY, Guess
from assay.dataset.labels import code, code_sets
from assay.dataset.partners import quoted

Int = NDArray[np.int64]


def classes_of(
    guess: Guess, label: Sequence[str], task: Task | None, names: Mapping[str, Sequence[str]]
) -> tuple[Int, tuple[str, ...], Task]:
    """Codes (n,), MISSING where there is none, class names, and the task. `names`: those that a format gives to the codes of a column.

    Raises DataError for a label that is no class, has one value, or does not fit the task.
    """
    n = guess.table.num_rows
    nothing = np.full(n, MISSING, np.int64)
    if not label or task in ("none", "generation"):
        if task not in (None, "none", "generation"):
            raise DataError(f"the task {task} needs a label", path=guess.path, remedy="name it with --label COLUMN")
        return nothing, (), task or "none"
    if task == "multilabel":
        for name in label if len(label) > 1 else ():
            look = guess.look[name]
            if not look.binary and look.distinct > 2:
                raise DataError(
                    f"a label column of several must say yes or no, and this one has {look.distinct:,} different values",
                    path=guess.path,
                    column=name,
                    remedy="name one label column, or columns of 0 and 1",
                )
        if len(label) == 1 and guess.look[label[0]].kind != "list":
            y, classes = code(guess.table.column(label[0]), names.get(label[0]))
        else:
            y, classes = code_sets(guess.table, label, names)
    elif task == "regression":
        if guess.look[label[0]].kind not in ("integer", "float", "bool"):
            raise DataError(
                f"regression needs numbers, and this column holds {guess.look[label[0]].values.type}", path=guess.path,
                column=label[0], remedy="name a column of numbers, or leave out --task regression",
            )  # fmt: skip
        return nothing, (), task
    else:
        if len(label) > 1:
            raise DataError(
                f"{len(label)} label columns, and the task {task} takes one",
                path=guess.path,
                remedy="--task multilabel",
            )
        _refuse_measurement(guess, guess.look[label[0]], task)
        y, classes = code(guess.table.column(label[0]), names.get(label[0]))
    if len(classes) < 2:
        found = f"only the value {classes[0]!r}" if classes else "no value at all"
        raise DataError(
            f"the label has {found}, and classes are compared: at least two are needed",
            path=guess.path,
            column=label[0],
            remedy="give rows of two classes; in a scan, name another column with --label COLUMN, or leave labels out: --task none",
        )
    _say_odd_classes(guess, label, classes, y)
    missing = int((y == MISSING).sum())
    if missing:
        guess.notes.append(f"{missing:,} of {n:,} rows have no label.")
    return y, classes, task or "classification"


def _say_odd_classes(guess: Guess, label: Sequence[str], classes: Sequence[str], y: Int) -> None:
    """Classes that a slip made: the same name written in two ways, and the column's own name."""
    if len(label) > 1 or guess.look[label[0]].kind != "string":
        return
    written: dict[str, list[str]] = {}
    for name in classes:
        written.setdefault(" ".join(name.split()).casefold(), []).append(name)
    twice = [names for names in written.values() if len(names) > 1]
    if twice:
        shown = "; ".join(quoted(names) for names in twice[:3]) + ("; ..." if len(twice) > 3 else "")
        guess.notes.append(f"Classes whose names differ in blanks or capitals alone are taken for different ones: {shown}.")
    if label[0] in classes:
        rows = int((y == classes.index(label[0])).sum())
        guess.notes.append(
            f"The label {label[0]!r} has its own name for a value in {rows:,} of {len(y):,} rows: is there a line of names among "
            "the records, or a record where the names ought to be?"
        )


def _refuse_measurement(guess: Guess, label: Column, task: Task | None) -> None:
    n = label.present
    if task is None and label.counts:
        raise DataError(
            f"the label looks like a count ({label.distinct:,} different whole numbers in {n:,} rows, many of them in one row only)",
            path=guess.path,
            column=label.name,
            remedy="say what it is: --task regression for numbers, --task classification for classes",
        )
    if label.continuous:
        raise DataError(
            f"the label is a measurement ({label.distinct:,} different numbers in {n:,} rows), not a class",
            path=guess.path,
            column=label.name,
            remedy="scan it as one with --task regression, name another column with --label COLUMN, or use --task none",
        )
    if label.kind == "string" and label.distinct > max(20, 0.5 * n):
        raise DataError(
            f"the label has {label.distinct:,} different values in {n:,} rows: these are not classes",
            path=guess.path,
            column=label.name,
            remedy="name another column with --label COLUMN, or use --task none",
        )
    if label.kind in ("time", "list", "other"):
        raise DataError(f"a label cannot be of type {label.values.type}", path=guess.path, column=label.name, remedy=LABEL_REMEDY)
