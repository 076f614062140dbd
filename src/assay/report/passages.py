"""Text in a report: an excerpt around what matters, with that marked."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace

from assay.artefact.base import Artefact, Unanswerable
from assay.artefact.characters import Characters, visible
from assay.artefact.letters import Letters
from assay.artefact.link import Link
from assay.artefact.phrase import Phrase
from assay.dataset.rows import Rows

AROUND = 110  # characters kept on each side of what is marked
LONGEST = 600  # characters of an excerpt in all
WORD = 15  # characters that an excerpt is shortened by at most, so that it does not cut a word
DIFF_LIMIT = 4_000  # tokens compared at most: difflib is quadratic

Span = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """A run of characters; `marked` where it is the artefact's, `cut` where text was left out before it."""

    text: str
    marked: bool = False
    cut: bool = False


def spans_of(artefact: Artefact, rows: Rows, position: int, column: str) -> list[Span]:
    """Character spans of the artefact in one cell: a phrase knows, for others what goes when it is taken out."""
    text = rows.table.column(column)[position].as_py()
    if not isinstance(text, str):
        return []
    if isinstance(artefact, Phrase | Characters | Letters):
        return [] if artefact.columns and column not in artefact.columns else artefact.find(text)
    if isinstance(artefact, Link):
        return artefact.find(text, column)
    without = text_without(artefact, rows, position, column)
    return [] if without is None else differing(text, without)


def text_without(artefact: Artefact, rows: Rows, position: int, column: str) -> str | None:
    """The cell with the artefact taken out; None where that kind cannot be, or nothing changes."""
    import numpy as np

    one = rows.take(np.array([position]))
    try:
        removed = artefact.remove(one).table.column(column)[0].as_py()
    except (Unanswerable, ValueError, KeyError):
        return None
    return removed if isinstance(removed, str) and removed != one.table.column(column)[0].as_py() else None


def differing(text: str, without: str) -> list[Span]:
    """What of `text` is not in `without`, by whole words.

    >>> differing("a cf b", "a b")
    [(2, 5)]
    """
    mine, theirs = re.findall(r"\S+\s*", text), re.findall(r"\S+\s*", without)
    if len(mine) > DIFF_LIMIT:
        return []
    starts = [0]
    for token in mine:
        starts.append(starts[-1] + len(token))
    lead = len(text) - len(text.lstrip())
    matcher = difflib.SequenceMatcher(None, [t.strip() for t in mine], [t.strip() for t in theirs], autojunk=False)
    return [(starts[a] + lead, starts[b] + lead) for op, a, b, _, _ in matcher.get_opcodes() if op in ("delete", "replace") and b > a]


def excerpt(text: str, spans: list[Span], around: int = AROUND, longest: int = LONGEST) -> list[Piece]:
    """The text around each span, or its beginning where there is none; what is left out is told by `cut`.

    Characters that cannot be seen are written as their numbers.

    >>> [p.text for p in excerpt("one cf two", [(4, 6)])]
    ['one ', 'cf', ' two']
    >>> [(p.text, p.marked, p.cut) for p in excerpt("x" * 9 + "cf" + "y" * 9, [(9, 11)], around=3)]
    [('xxx', False, True), ('cf', True, False), ('yyy', False, False), ('', False, True)]
    """
    spans = sorted((max(0, a), min(len(text), b)) for a, b in spans if a < b)
    if not spans:
        spans = [(0, 0)]
        around = longest
    pieces: list[Piece] = []
    end = used = 0
    for number, (a, b) in enumerate(spans):
        if a < end or used > longest:
            continue
        start = _snap(text, max(end, a - around), a, end)
        cut = start > end
        following = spans[number + 1][0] if number + 1 < len(spans) else len(text)
        stop = _snap(text, min(len(text), b + around, following), b, following)
        pieces.append(Piece(text[start:a], cut=cut))
        pieces.append(Piece(text[a : min(b, a + longest)], marked=True))
        pieces.append(Piece(text[b:stop]))
        used += stop - start
        end = stop
    pieces = [replace(p, text=visible(p.text)) for p in pieces if p.text or p.cut]
    return [*pieces, Piece("", cut=True)] if end < len(text) else pieces


def _snap(text: str, at: int, inner: int, limit: int) -> int:
    """A cut moved towards `inner`, to the next space within WORD characters; a place at the very `limit` stays."""
    if at == limit:
        return at
    step = 1 if inner > at else -1
    for place in range(at, max(0, min(len(text) - 1, at + step * WORD)), step):
        if place == inner:
            break
        if text[place if step > 0 else place - 1].isspace():
            return place
    return at
