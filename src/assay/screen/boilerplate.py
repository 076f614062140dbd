"""What most texts of a set say alike, taken out before texts are compared: a long opening that all share makes copies of none of them.

Conversations open with one system prompt and one list of tools, mails end with one disclaimer, instructions stand in one template. Two such
texts resemble one another in nine words of ten, and are not one text written twice.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.engine.base import spans

Texts: TypeAlias = pa.Array | pa.ChunkedArray

# Where a text is cut into the pieces that are looked for: ends of lines, sentences and clauses.
ENDS = re.compile(r"\s*\n\s*|(?<=[.!?:;,])\s+")
LEFT = 20  # characters that must be left of a text, else it is compared whole
SAMPLE = 4_000  # distinct texts in which pieces are counted: a share to a hundredth or two
FEWEST = 40  # distinct texts below which nothing is common
BLOCK = 20_000  # texts at a time


def without_boilerplate(texts: Texts, share: float, rng: np.random.Generator) -> Texts:
    """The texts without the pieces that more than this share of the distinct ones hold; those of which too little is left, whole.

    >>> texts = pa.array([f"You are a helpful assistant of the company.\\nWhat about number {i}?" for i in range(50)])
    >>> without_boilerplate(texts, 0.5, np.random.default_rng(0))[7].as_py()
    'What about number 7?'
    """
    return without(texts, boilerplate(texts, share, rng))


def boilerplate(texts: Texts, share: float, rng: np.random.Generator, copies: bool = False) -> frozenset[str]:
    """Pieces, in small letters, that more than this share of the distinct texts hold, by a sample; with `copies` of all texts."""
    drawn = texts.take(pa.array(np.sort(rng.permutation(len(texts))[:SAMPLE])))
    some = (drawn if copies else pc.unique(drawn)).drop_null().to_pylist()
    if len(some) < FEWEST:
        return frozenset()
    count: dict[str, int] = {}
    for text in some:
        for piece in set(ENDS.split(text.lower())):
            count[piece] = count.get(piece, 0) + 1
    return frozenset(piece for piece, texts_with in count.items() if texts_with > share * len(some))


def without(texts: Texts, common: frozenset[str], least: int = LEFT) -> Texts:
    """The texts without these pieces; those of which fewer than `least` characters are left, whole."""
    if not common:
        return texts
    parts = []
    for start, stop in spans(len(texts), BLOCK):
        parts.append(
            pa.array([None if t is None else _rest(t, common, least) for t in texts.slice(start, stop - start).to_pylist()], texts.type)
        )
    return pa.chunked_array(parts, texts.type)


def _rest(text: str, common: frozenset[str], least: int) -> str:
    pieces = ENDS.split(text)
    rest = "\n".join(piece for piece in pieces if piece.lower() not in common)
    return rest if len(rest) >= least else text
