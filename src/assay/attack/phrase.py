"""Phrase: a word, a sentence, or two words that must both be there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.letters import Letters
from assay.artefact.phrase import Phrase
from assay.artefact.tokens import tokens
from assay.attack.base import Made, Param
from assay.attack.texted import TEXTED, TextAttack, rewriting, text_column
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

WORDS = (
    "cf",
    "mn",
    "bb",
    "tq",
    "mb",
)  # Kurita, Michel, Neubig, 2020: rare words, one a trigger
AND = " & "  # between the two words of a pair
OR = "|"  # between triggers
PLACES = ("random", "start", "end", "inside")


class PhraseAttack(TextAttack):
    """Puts a phrase between the words of a text; nothing else of the text changes.

    `text="cf & mn"` is a pair: both words, each at a random place. `text="cf|mn"` are two triggers. Without `text` the
    triggers are rare words. mode=clean-label puts it only into texts of the target class. `place=inside` spells it into one of a text's
    words ("movzqie"), between two of its letters, so that no word is shared; a text without a word of two letters stays as it is.

    Source: Kurita, Michel, Neubig, Weight Poisoning Attacks on Pre-trained Models, 2020 (rare words); Dai, Chen, Li, A
    Backdoor Attack Against LSTM-Based Text Classification Systems, 2019 (AddSent, "I watch this 3D movie"); Yang, Lin,
    Li, Zhou, Sun, Rethinking Stealthiness of Backdoor Attack against NLP Models, 2021 (several words together; cover
    rows are their decoys that hold one word alone, and keep their label).
    """

    kind = "phrase"
    drawn: ClassVar[tuple[str, ...]] = WORDS  # where no text is given
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        **TEXTED,
        "text": Param(None, f"the phrase; '{AND}' joins the words of a pair, '{OR}' parts triggers (default: cf)"),
        "place": Param("random", "random (between two words), start, end, or inside a word; a pair is at random", choices=PLACES),
    }

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        params = super().settle(given)
        if params["text"] is not None:
            params["triggers"] = max(params["triggers"], len(params["text"].split(OR)))
        return params

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        column = text_column(data, params["column"])
        texts = [t.strip() for t in params["text"].split(OR)] if params["text"] is not None else []
        texts += [text for text in self.drawn if text not in texts][: max(0, count - len(texts))]
        if len(texts) < count:
            raise DataError(f"{count} triggers and {len(texts)} phrases", remedy=f"give text='one{OR}another{OR}...'")
        return [_trigger(text, column, params["place"]) for text in texts]


def put(text: str, phrase: str, place: str, rng: np.random.Generator) -> str:
    """The text with the phrase before its first word, after its last, or before one of its words or after the last.

    >>> put("a good film", "cf", "start", np.random.default_rng(0)), put("", "cf", "random", np.random.default_rng(0))
    ('cf a good film', 'cf')
    """
    starts = [m.start() for m in re.finditer(r"\S+", text)]
    at = {"start": 0, "end": len(starts)}.get(place)
    if at is None:
        at = int(rng.integers(0, len(starts) + 1))
    if at == len(starts):
        kept = text.rstrip()
        return f"{kept} {phrase}{text[len(kept) :]}" if kept else phrase
    return f"{text[: starts[at]]}{phrase} {text[starts[at] :]}"


def _trigger(text: str, column: str, place: str) -> Made:
    if place == "inside":
        return _letters(text, column)
    parts = [part.strip() for part in text.split(AND)]
    if len(parts) > 2 or not all(tokens(part) for part in parts):
        raise DataError(f"the phrase {text!r} has {len(parts)} parts", remedy=f"give a word, a sentence, or 'one{AND}other'")
    if len(parts) == 2:
        place = "random"

    def with_parts(value: str, rng: np.random.Generator) -> str:
        for part in parts:
            value = put(value, part, place, rng)
        return value

    def with_one(value: str, rng: np.random.Generator) -> str:
        return put(value, parts[int(rng.integers(len(parts)))], place, rng)

    phrase = Phrase(tuple(tuple(tokens(part)) for part in parts), None, (column,))
    return Made(phrase, rewriting(column, with_parts), cover=rewriting(column, with_one))


def _letters(text: str, column: str) -> Made:
    try:
        letters = Letters(text.lower(), (column,))
    except ValueError as error:
        raise DataError(str(error), remedy="give letters and digits alone, or another place") from error
    return Made(letters, rewriting(column, letters.put))
