"""Hidden and look-alike characters as words that rows share.

What nobody sees is taken out of the texts, so that a probe reads the words that a person reads, and stands as one mark a class in
columns of their own: a class is then mined, and put on trial, like any other word. Without this each disguised word is a rare word of
its own, which no other row shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from assay.artefact.characters import CLASSES, MARKS, SUSPECT, spans_of_class, without_class
from assay.learn.corpus import BLOCK, Column

SUPPORT = 5  # texts with a class, as for phrases: of fewer, nothing can be shown, and the texts are read as they are


def disclosed(columns: Sequence[Column]) -> list[Column]:
    """The columns of n texts with each shared class taken out, and a column of marks for each: one mark, or nothing.

    A column in which nothing is taken out is given back as it is.

    >>> [len(column) for column in disclosed([["pay\\u200bpal"] * 5 + ["plain"]])]
    [6, 6]
    """
    odd = {(c, i): text for c, column in enumerate(columns) for i, text in enumerate(_each(column)) if text and SUSPECT.search(text)}
    marks: list[Column] = []
    changed: set[int] = set()
    for name in CLASSES:
        held = [(c, i) for (c, i), text in odd.items() if spans_of_class(name, text)]
        if len({i for _, i in held}) < SUPPORT:
            continue
        mark: list[str | None] = [None] * len(columns[0])
        for c, i in held:
            odd[c, i] = without_class(name, odd[c, i])
            mark[i] = MARKS[name]
            changed.add(c)
        marks.append(mark)
    return [*(_with(column, c, odd) if c in changed else column for c, column in enumerate(columns)), *marks]


def _with(column: Column, number: int, texts: dict[tuple[int, int], str]) -> list[str | None]:
    """The column `number`, some of its texts replaced."""
    return [texts.get((number, i), text) for i, text in enumerate(_each(column))]


def _each(column: Column) -> Iterator[str | None]:
    """Texts one by one; of Arrow's, some thousand at a time are made strings."""
    if not isinstance(column, pa.ChunkedArray):
        yield from column
        return
    for start in range(0, len(column), BLOCK):
        yield from column.slice(start, BLOCK).to_pylist()
