"""What a data set is, from its columns: modality, task, and what each column is for. Every guess is said in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset import columns as looks
from assay.dataset.classes import classes_of
from assay.dataset.columns import Column
from assay.dataset.data import Columns, Modality, Task
from assay.dataset.dialogue import PROMPT, RESPONSE
from assay.dataset.errors import DataError
from assay.dataset.guess import LABEL_REMEDY, Guess
from assay.dataset.partners import partners, quoted

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Meaning:
    """What was concluded of a table."""

    modality: Modality
    task: Task
    columns: Columns
    y: Int  # (n,) class codes, MISSING where there is none
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def infer(
    table: pa.Table,
    *,
    path: str = "",
    pictures: bool = False,
    columns: Columns | None = None,
    task: Task | None = None,
    class_names: Mapping[str, Sequence[str]] | None = None,
) -> Meaning:
    """What the columns of `table` are for; fields that `columns` leaves unset, and `task` if None, are inferred.

    Raises DataError for a named column that is not there, a label with one class, a label that is really a measurement,
    and a table without content.
    """
    named = columns or Columns()
    guess = Guess(path, table, named, pictures, {name: Column(name, table.column(name)) for name in table.column_names})
    _check_named(guess)
    for role, name in (
        ("id", named.id),
        ("contributor", named.contributor),
        ("source", named.source),
        ("time", named.time),
    ):
        if name is not None:
            guess.roles[name] = role
    _pass_over(guess)
    label, task = _label(guess, task)
    for name in label:
        guess.roles[name] = "label"
    _identifier(guess)
    if task != "none" and len(label) == 1:
        _restated(guess, label[0])
    context = _context(guess)
    content: Sequence[str] = (*named.content, *(r for r in named.response if r not in named.content)) if named.content else _content(guess)
    modality = _modality(guess, content)
    task, response = partners(guess.path, guess.look, named, task, label, content, modality, guess.notes)
    y, classes, task = classes_of(guess, label, task, class_names or {})
    _say(guess, modality, task, content, label, context, classes)
    meant = replace(context, content=tuple(content), label=tuple(label), response=response)
    return Meaning(modality, task, meant, y, classes, tuple(guess.notes))


def _check_named(guess: Guess) -> None:
    named = guess.named
    single = [("id", named.id), ("contributor", named.contributor), ("source", named.source), ("time", named.time)]
    wanted = [("content", name) for name in named.content] + [("label", name) for name in named.label]
    wanted += [("response", name) for name in named.response]
    for role, name in wanted + [(role, name) for role, name in single if name is not None]:
        if name not in guess.look:
            raise DataError(
                f"there is no column {name!r} to be the {role}",
                path=guess.path,
                remedy=f"name one of the columns that there are: {', '.join(guess.look) or '(none)'}",
            )
    both = (set(named.content) | set(named.response)) & set(named.label)
    if both:
        raise DataError(
            f"column {sorted(both)[0]!r} cannot be content and label",
            path=guess.path,
            remedy="name it under one of --content and --label",
        )
    for name in named.response:
        if guess.look[name].kind != "string":
            raise DataError(
                f"a response is a text, and this column holds {guess.look[name].values.type}", path=guess.path, column=name,
                remedy="name the text column that a model learns to write with --response",
            )  # fmt: skip


def _pass_over(guess: Guess) -> None:
    """Columns that are never content: empty ones, splits, the answers of an experiment, values of no use to a model."""
    for column in guess.free():
        if column.name in (*guess.named.label, *guess.named.response):
            continue
        if column.name + RESPONSE in guess.look or column.name + PROMPT in guess.look:
            guess.roles[column.name] = "conversation"  # read by its two sides
        elif column.kind == "empty":
            guess.roles[column.name] = "empty"
            guess.notes.append(f"Column {column.name!r} is empty and passed over.")
        elif column.lower in looks.SPLITS and column.distinct <= 20 and column.kind in ("string", "integer"):
            guess.roles[column.name] = "split"
            guess.notes.append(f"Column {column.name!r} says which part a row belongs to; it is not content.")
        elif column.lower in looks.ANSWERS:
            guess.roles[column.name] = "answer"
            guess.notes.append(f"Column {column.name!r} would give the answer away; it is not content.")


def _label(guess: Guess, task: Task | None) -> tuple[tuple[str, ...], Task | None]:
    named = guess.named.label
    if named:
        if task is None and (len(named) > 1 or guess.look[named[0]].kind == "list"):
            task = "multilabel"
            guess.notes.append(f"Several labels a row ({quoted(named)}): each different set of labels is a class.")
        return named, task
    if task in ("none", "generation") or (task is None and guess.named.response):
        return (), task
    free = guess.free()
    by_name = {column.lower: column for column in reversed(free)}
    usable = [by_name[name] for name in looks.LABELS if name in by_name]
    texts = {column.lower for column in free if column.text}
    answered = task is None and any(map(looks.is_prompt, texts)) and any(map(looks.is_reply, texts))
    for column in [column for column in usable if answered and column.lower in looks.TOPICS]:
        usable.remove(column)
        guess.notes.append(f"Column {column.name!r} is no label: there are prompts with replies. If it is one: --label {column.name}.")
    strong = [column for column in usable if column.lower in looks.STRONG]
    flags = [column for column in free if column.binary]
    if not strong and len(flags) >= 3 and any(column.text for column in free):
        guess.notes.append(
            f"Text with {len(flags)} columns of 0 and 1 ({quoted([c.name for c in flags])}): taken for labels, several a row."
        )
        return tuple(column.name for column in flags), task or "multilabel"
    for column in usable:
        if column.kind == "list":
            guess.notes.append(f"Column {column.name!r} holds lists of labels: each different set of labels is a class.")
            return (column.name,), task or "multilabel"
        if column.kind in ("string", "bool", "integer", "float") and (column.kind != "string" or not column.text):
            if column.kind == "string" and column.distinct > max(20, column.present / 2):
                continue
            guess.notes.append(f"Column {column.name!r} is taken for the label, by its name.")
            if answered:
                guess.notes.append(
                    "There are prompts with replies too: to try what in a prompt goes with what in a reply, --task generation."
                )
            return (column.name,), task
    if guess.pictures:
        return (), task
    if answered:
        return (), None  # prompts with replies: nothing is a class unless it is called one
    few = [column for column in free if _may_be_label(column)]
    words = [column for column in few if column.kind == "string"]
    if few and len(free) > 1:
        if len(words) == 1 and all(column.kind in ("integer", "float") for column in free if column is not words[0]):
            chosen, why = words[0], "the only column of words beside numbers"
        else:
            chosen, why = few[-1], "the last column with few different values"
        guess.notes.append(
            f"Column {chosen.name!r} ({chosen.distinct} different values) is taken for the label: {why}. "
            "If it is not, name the label with --label, or use --task none."
        )
        return (chosen.name,), task
    if task is not None:
        raise DataError(f"no column looks like a label, and the task {task} needs one", path=guess.path, remedy=LABEL_REMEDY)
    return (), None


def _may_be_label(column: Column) -> bool:
    """Whether a column that is not called a label may still be one."""
    if column.lower in (*looks.CONTRIBUTORS, *looks.SOURCES, *looks.TIMES, *looks.IDS):
        return False
    return column.categorical and column.distinct <= looks.UNNAMED_CLASSES and not column.moments


def _identifier(guess: Guess) -> None:
    """At most one id column; row counters are passed over."""
    for column in guess.free():
        names_itself = column.lower in looks.IDS or column.lower.endswith(("_id", " id", "_key", "_uuid"))
        free = guess.named.id is None and "id" not in guess.roles.values() and column.kind in ("integer", "string")
        if free and names_itself and column.unique:
            guess.roles[column.name] = "id"
        elif column.counter:
            guess.roles[column.name] = "counter"
            guess.notes.append(f"Column {column.name!r} only counts the rows; it is not content.")
        elif column.lower in looks.IDS and column.kind in ("integer", "string") and column.distinct > 0.9 * column.present:
            guess.roles[column.name] = "id" if free else "counter"


def _restated(guess: Guess, label: str) -> None:
    """Columns that say the label in other words: one value for each class and one class for each value."""
    truth = guess.look[label]
    if not truth.categorical and truth.kind != "string":
        return
    for column in guess.free():
        if column.distinct != truth.distinct or not column.categorical:
            continue
        pairs = pa.table({"a": truth.values, "b": column.values}).group_by(["a", "b"]).aggregate([]).num_rows
        if pairs == truth.distinct and column.present == truth.present:
            guess.roles[column.name] = "restated"
            guess.notes.append(f"Column {column.name!r} says the same as the label {label!r}; it is not content.")


def _context(guess: Guess) -> Columns:
    found = {role: name for name, role in guess.roles.items() if role in ("id", "contributor", "source", "time")}
    for role, names in (("contributor", looks.CONTRIBUTORS), ("source", looks.SOURCES), ("time", looks.TIMES)):
        if role in found:
            continue
        for column in guess.free():
            fits = (
                column.moments if role == "time" else not column.text and not column.continuous and column.distinct < 0.9 * column.present
            )
            if column.lower in names and fits:
                found[role] = column.name
                guess.roles[column.name] = role
                guess.notes.append(f"Column {column.name!r} is taken for the {role}, by its name; it is not content.")
                break
    return Columns(id=found.get("id"), contributor=found.get("contributor"), source=found.get("source"), time=found.get("time"))


def _content(guess: Guess) -> list[str]:
    if guess.pictures:
        return []
    content, moments = [], []
    for column in guess.free():
        if column.kind == "time":
            moments.append(column)
        elif column.kind in ("list", "other"):
            guess.roles[column.name] = "unused"
            guess.notes.append(f"Column {column.name!r} holds {column.values.type} values and is not content.")
        else:
            content.append(column.name)
    # a date that a model of a table sees may be a trigger; beside running text it is rather when the row was made
    table = bool(content) and _modality(guess, content) == "table"
    for column in moments:
        if table:
            content.append(column.name)
        else:
            guess.roles[column.name] = "unused"
            guess.notes.append(f"Column {column.name!r} holds {column.values.type} values and is not content.")
    if table and moments:
        content.sort(key=list(guess.look).index)
    if not content:
        raise DataError(
            f"no column is left to be the content (columns: {', '.join(guess.look) or 'none'})",
            path=guess.path,
            remedy="name the columns that a model sees with --content COLUMN[,COLUMN]",
        )
    return content


def _modality(guess: Guess, content: Sequence[str]) -> Modality:
    if guess.pictures:
        return "image"
    columns = [guess.look[name] for name in content]
    if any(column.text for column in columns):
        return "text"
    strings = [column for column in columns if column.kind == "string"]
    if len(strings) == len(columns) and all(column.distinct > max(20, 0.5 * column.present) for column in strings):
        return "text"  # nothing but strings that hardly recur: a table has no values to combine
    if guess.named.content and len(columns) == 1 and strings and columns[0].distinct > 20 and not columns[0].categorical:
        return "text"
    return "table"


def _say(
    guess: Guess,
    modality: Modality,
    task: Task,
    content: Sequence[str],
    label: Sequence[str],
    context: Columns,
    classes: Sequence[str],
) -> None:
    what = {"image": "pictures", "text": "text", "table": "a table"}[modality]
    shown = f", content {quoted(content)}" if content else ""
    labels = f", label {quoted(label)}" if label else ", no label"
    counted = f" ({len(classes)} classes)" if classes else ""
    guess.notes.insert(0, f"Read as {what}{shown}{labels}{counted}; task {task}.")
    if context.id and not guess.named.id:
        guess.notes.append(f"Column {context.id!r} names the rows; it is not content.")
