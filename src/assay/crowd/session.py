"""A reviewer at the terminal: one row after another, shown as picture, text or cells, decided with a key.

The suspected label is hidden unless asked for: who is told what to expect sees it. What comes from the data is shown without control
characters, so that a text cannot drive the reviewer's terminal.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from assay.artefact.blocks import half_blocks
from assay.crowd.decisions import Decision, writer
from assay.crowd.review import Review, Task
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

ACROSS = 48  # characters a picture is wide at most
SMALLEST = 24  # pixels: smaller pictures are enlarged by whole pixels
LONGEST = 2_000  # characters of a text shown
CELL = 120  # characters of a table's cell

Ask = Callable[[str], str]
Say = Callable[[RenderableType], None]

HELP = "a number or a name of a class, then a reason if there is one; ? cannot tell; :b back to the last row; :q stop here"


@dataclass(frozen=True)
class Held:
    """What became of a session."""

    decided: int  # rows: a decision that was revised is one
    left: int
    cut: int  # bytes of a decision that a crash had left unfinished


def hold(review: Review, data: Dataset, reviewer: str, ask: Ask, say: Say, *, show_label: bool = False) -> Held:
    """Asks for a decision on every row this reviewer has yet to see, until the last or until they stop.

    `ask(prompt)` gives a line and raises EOFError at the end. Every decision is on disk before the next row is shown; a session
    that was killed goes on where it was.
    """
    pending = review.pending(reviewer)
    place = {int(row): i for i, row in enumerate(data.row)}
    with writer(review.decisions_file(reviewer)) as file:
        at, decided = 0, set[int]()
        while at < len(pending):
            task = pending[at]
            say(shown(task, data, place[task.row], at + 1, len(pending), show_label))
            began = time.monotonic()
            answer = _answer(review.classes, ask, say)
            if answer is None:
                break
            if answer == "back":
                at = max(0, at - 1)
                continue
            label, reason = answer
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            file.add(Decision(task.row, task.key, reviewer, label, reason, now, round(time.monotonic() - began, 3)))
            say(Text(f"decided: {'cannot tell' if label is None else clean(label, CELL)}", "dim"))
            decided.add(task.row)
            at += 1
        return Held(len(decided), len(pending) - len(decided), file.cut)


def _answer(classes: tuple[str, ...], ask: Ask, say: Say) -> tuple[str | None, str] | Literal["back"] | None:
    """(label or None for cannot tell, reason), "back", or None to stop."""
    options = "  ".join(f"[{i}] {name}" for i, name in enumerate(classes, 1)) if numbered(classes) else "  ".join(f"[{n}]" for n in classes)
    say(Text(f"{options}  [?] cannot tell  [:b] back  [:q] stop"))
    while True:
        try:
            line = ask("> ").strip()
        except EOFError:
            return None
        if line == ":q":
            return None
        if line == ":b":
            return "back"
        try:
            return parse(line, classes)
        except DataError as error:
            say(Text(str(error), "yellow"))


def numbered(classes: tuple[str, ...]) -> bool:
    """Whether a class may be chosen by its number in the menu: not where a class's name begins with one of them.

    >>> [numbered(classes) for classes in (("cat", "dog"), ("0", "1"), ("10", "20"), ("2 stars", "1 star"), ("0: no", "1: yes"))]
    [True, False, True, False, False]
    """
    begins = (re.match(r"\d+", name.strip()) for name in classes)
    return not any(found and (found[0][0] == "0" or int(found[0]) <= len(classes)) for found in begins)


def parse(line: str, classes: tuple[str, ...]) -> tuple[str | None, str]:
    """(label, reason) of what a reviewer typed; a class's own name comes before a number. DataError where it names no class, or several.

    >>> parse("2 too dark", ("cat", "dog")), parse("do", ("cat", "dog")), parse("? torn", ("cat", "dog"))
    (('dog', 'too dark'), ('dog', ''), (None, 'torn'))
    >>> parse("1 loud", ("0", "1"))
    ('1', 'loud')
    """
    for name in sorted(classes, key=len, reverse=True):  # the longest first: a name may have a space
        if line == name or line.startswith((f"{name} ", f"{name}:")):
            return name, line[len(name) :].lstrip(" :")
    word, _, reason = line.partition(" ")
    word = word.rstrip(":")
    if word == "?":
        return None, reason.strip()
    if numbered(classes) and word.isdigit() and 1 <= int(word) <= len(classes):
        return classes[int(word) - 1], reason.strip()
    fitting = [name for name in classes if word and name.lower().startswith(word.lower())]
    if len(fitting) != 1:
        raise DataError(f"{word!r} fits {'no class' if not fitting else ', '.join(fitting)}", remedy=HELP)
    return fitting[0], reason.strip()


def shown(task: Task, data: Dataset, position: int, number: int, of: int, show_label: bool) -> Group:
    """One row as the reviewer sees it."""
    parts: list[RenderableType] = [Text.assemble((f"\n{number} of {of}  ", "bold"), clean(task.key, CELL))]
    if data.images is not None:
        parts.append(drawn(data.images[position]))
    names = data.columns.content
    if data.modality == "text":
        parts += [Text.assemble((f"{name}  ", "dim"), clean(data.table.column(name)[position].as_py(), LONGEST)) for name in names]
    elif names:
        table = Table.grid(padding=(0, 2))
        for name in names:
            table.add_row(Text(clean(name, CELL), "dim"), Text(clean(data.table.column(name)[position].as_py(), CELL)))
        parts.append(table)
    if show_label:
        parts.append(Text(f"labelled {clean(task.suspected, CELL)}; {clean(task.reason, LONGEST)}", "yellow"))
    return Group(*parts)


def clean(value: object, longest: int) -> str:
    """Text without control characters (line ends and tabs stay), cut to `longest`.

    >>> clean("a\\x1b[2Jb", 10), clean("abcdef", 3)
    ('a[2Jb', 'abc…')
    """
    text = "" if value is None else str(value)
    kept = "".join(c for c in text[: 2 * longest] if c in "\n\t" or c.isprintable())
    return kept if len(kept) <= longest else kept[:longest] + "…"


def drawn(picture: NDArray[np.uint8]) -> Text:
    """A picture (h, w, c) in half blocks: two pixels a character."""
    colour = np.repeat(picture[..., :1], 3, axis=2) if picture.shape[2] < 3 else picture[..., :3]
    image = Image.fromarray(np.ascontiguousarray(colour))
    if max(image.size) > ACROSS:
        image.thumbnail((ACROSS, ACROSS), Image.Resampling.BOX)
    factor = max(1, round(SMALLEST / max(image.size)))
    pixels = np.asarray(image).repeat(factor, 0).repeat(factor, 1)
    return half_blocks(pixels)
