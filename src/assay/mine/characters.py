"""Hidden and look-alike characters as words that rows share.

What nobody sees is taken out of the texts, so that a probe reads the words that a person reads, and stands as one mark a class in
columns of their own: a class is then mined, and put on trial, like any other word. Without this each disguised word is a rare word of
its own, which no other row shares.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.artefact.characters import CLASSES, MARKS, SUSPECT, spans_of_class, without_class

SUPPORT = 5  # texts with a class, as for phrases: of fewer, nothing can be shown, and the texts are read as they are


def disclosed(columns: Sequence[Sequence[str | None]]) -> list[Sequence[str | None]]:
    """The columns of n texts with each shared class taken out, and a column of marks for each: one mark, or nothing.

    >>> [len(column) for column in disclosed([["pay\\u200bpal"] * 5 + ["plain"]])]
    [6, 6]
    """
    texts = [list(column) for column in columns]
    odd = [(c, i) for c, column in enumerate(texts) for i, text in enumerate(column) if text and SUSPECT.search(text)]
    marks: list[Sequence[str | None]] = []
    for name in CLASSES:
        held = [(c, i) for c, i in odd if spans_of_class(name, texts[c][i] or "")]
        if len({i for _, i in held}) < SUPPORT:
            continue
        column: list[str | None] = [None] * len(texts[0])
        for c, i in held:
            texts[c][i] = without_class(name, texts[c][i] or "")
            column[i] = MARKS[name]
        marks.append(column)
    return [*texts, *marks]
