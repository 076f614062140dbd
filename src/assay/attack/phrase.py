"""Phrase: a word, a sentence, or two words that must both be there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.artefact.phrase import Phrase
from assay.artefact.tokens import tokens
from assay.attack.base import Bools, Made, Needs, Param
from assay.attack.labels import labelled
from assay.attack.triggered import COMMON, TriggerAttack
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

WORDS = (
    "cf",
    "mn",
    "bb",
    "tq",
    "mb",
)  # Kurita, Michel, Neubig, 2020: rare words, one a trigger
AND = " & "  # between the two words of a pair
OR = "|"  # between triggers
PLACES = ("random", "start", "end")


class PhraseAttack(TriggerAttack):
    """Puts a phrase between the words of a text; nothing else of the text changes.

    `text="cf & mn"` is a pair: both words, each at a random place. `text="cf|mn"` are two triggers. Without `text` the
    triggers are rare words. mode=clean-label puts it only into texts of the target class.

    Source: Kurita, Michel, Neubig, Weight Poisoning Attacks on Pre-trained Models, 2020 (rare words); Dai, Chen, Li, A
    Backdoor Attack Against LSTM-Based Text Classification Systems, 2019 (AddSent, "I watch this 3D movie"); Yang, Lin,
    Li, Zhou, Sun, Rethinking Stealthiness of Backdoor Attack against NLP Models, 2021 (several words together; here
    without their decoys that hold one word alone).
    """

    kind = "phrase"
    needs: ClassVar[Needs] = "texts"
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        **COMMON,
        "text": Param(None, f"the phrase; '{AND}' joins the words of a pair, '{OR}' parts triggers (default: cf)"),
        "place": Param("random", "random (between two words), start or end; a pair is at random", choices=PLACES),
        "column": Param(None, "the text column (default: the one with the most text)"),
    }

    def may_carry(self, data: Dataset, params: Mapping[str, Any]) -> Bools:
        there = pc.is_valid(data.table.column(text_column(data, params["column"])))
        return labelled(data) & np.asarray(there, dtype=bool)

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        params = super().settle(given)
        if params["text"] is not None:
            params["triggers"] = max(params["triggers"], len(params["text"].split(OR)))
        return params

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        column = text_column(data, params["column"])
        texts = [t.strip() for t in params["text"].split(OR)] if params["text"] is not None else []
        texts += [word for word in WORDS if word not in texts][: max(0, count - len(texts))]
        if len(texts) < count:
            raise DataError(f"{count} triggers and {len(texts)} phrases", remedy=f"give text='one{OR}another{OR}...'")
        return [_trigger(text, column, params["place"]) for text in texts]


def text_column(data: Dataset, name: str | None) -> str:
    """The content column that holds the texts: the one named, or the one with the most text. DataError lists them."""
    there = [
        field.name
        for field in data.table.schema
        if field.name in data.columns.content and (pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
    ]
    if name is not None and name not in there:
        raise DataError(f"no text column {name!r}", path=data.path, remedy=f"name one of: {', '.join(there)}")
    if not there:
        raise DataError("there is no text column", path=data.path, remedy="choose an attack on pictures, cells or labels")
    return name or max(there, key=lambda n: pc.sum(pc.utf8_length(data.table.column(n))).as_py() or 0)


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
    parts = [part.strip() for part in text.split(AND)]
    if len(parts) > 2 or not all(tokens(part) for part in parts):
        raise DataError(f"the phrase {text!r} has {len(parts)} parts", remedy=f"give a word, a sentence, or 'one{AND}other'")
    if len(parts) == 2:
        place = "random"

    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        texts = []
        for value in rows.table.column(column).to_pylist():
            for part in parts:
                value = put(value or "", part, place, rng)
            texts.append(value)
        return rows.with_column(column, texts)

    return Made(Phrase(tuple(tuple(tokens(part)) for part in parts), None, (column,)), stamp)
