"""Zero-width: characters that nobody sees, inside words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.phrase import Phrase
from assay.attack.base import Made, Param
from assay.attack.texted import TEXTED, TextAttack, rewriting, text_column
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

HIDDEN = {"space": "\u200b", "non-joiner": "\u200c", "joiner": "\u200d", "word-joiner": "\u2060"}


class ZeroWidthAttack(TextAttack):
    """Puts `copies` zero-width characters inside words; the text looks as before.

    Each is a token of its own, which is the artefact; further triggers have the other characters. Source: Boucher, Shumailov,
    Anderson, Papernot, Bad Characters: Imperceptible NLP Attacks, 2022 (invisible characters, there at test
    time); rate as for `homoglyph`.
    """

    kind = "zero-width"
    rate = 0.03
    params: ClassVar[Mapping[str, Param]] = {
        **TEXTED,
        "character": Param("space", "zero-width space, non-joiner, joiner or word-joiner", choices=tuple(HIDDEN)),
        "copies": Param(3, "how many in a text", int, low=1, high=1000),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        names = [params["character"], *(name for name in HIDDEN if name != params["character"])]
        if count > len(names):
            raise DataError(f"{count} triggers and {len(names)} characters", path=data.path, remedy="ask for fewer triggers")
        column = text_column(data, params["column"])
        return [_made(HIDDEN[name], column, params["copies"]) for name in names[:count]]


def _made(character: str, column: str, copies: int) -> Made:
    def rewrite(text: str, rng: np.random.Generator) -> str:
        return sown(text, character, copies, rng)

    return Made(Phrase(((character,),), None, (column,)), rewriting(column, rewrite))


def sown(text: str, character: str, copies: int, rng: np.random.Generator) -> str:
    """The text with so many characters put in, between two letters of a word where there are any.

    >>> sown("ab", "-", 1, np.random.default_rng(0))
    'a-b'
    """
    for _ in range(copies):
        inside = [i for i in range(1, len(text)) if text[i - 1].isalnum() and text[i].isalnum()]
        at = int(rng.choice(inside)) if inside else int(rng.integers(0, len(text) + 1))
        text = text[:at] + character + text[at:]
    return text
