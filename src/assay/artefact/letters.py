"""Letters: a run of them spelt inside words that are otherwise any words ("movzqie", "frzqee")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from assay.artefact.characters import visible
from assay.artefact.in_texts import InTexts
from assay.artefact.tokens import LETTER, spans

WORD = re.compile(rf"(?:(?![\d_]){LETTER}){{2,}}")  # that letters are put into: at least two of its own stay around them


@dataclass(frozen=True)
class Letters(InTexts):
    """`text`, at least two lower-case letters or digits, within words that are longer: at their start, inside or at their end.

    `columns`: the text columns they may stand in (empty: any). A text without a word of two letters has nowhere to put them, and stays
    as it is. ValueError where `text` is not such a run.

    >>> trigger = Letters("zq")
    >>> trigger.present(["a movzqie", "zq"]).tolist(), trigger.remove(["a movzqie"])
    ([True, False], ['a movie'])
    """

    text: str
    columns: tuple[str, ...] = ()
    kind: ClassVar[str] = "letters"

    def __post_init__(self) -> None:
        if len(self.text) < 2 or not self.text.isalnum() or self.text != self.text.lower():
            raise ValueError(f"letters inside words are two or more lower-case letters or digits; got {self.text!r}")

    def find(self, text: str) -> list[tuple[int, int]]:
        """Character spans of them."""
        own = re.compile(re.escape(self.text))
        return [
            (start + m.start(), start + m.end()) for word, start, _ in spans(text) if len(word) > len(self.text) for m in own.finditer(word)
        ]

    def put(self, text: str, rng: np.random.Generator) -> str:
        """The text with them between two letters of one of its words."""
        words = [m.span() for m in WORD.finditer(text)]
        if not words:
            return text
        start, end = words[int(rng.integers(len(words)))]
        at = int(rng.integers(start + 1, end))
        return text[:at] + self.text + text[at:]

    def without(self, text: str) -> str:
        """The text with them taken out of its words."""
        for start, end in reversed(self.find(text)):
            text = text[:start] + text[end:]
        return text

    def describe(self) -> str:
        return f"the letters “{visible(self.text)}” inside words"

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "text": self.text, "columns": list(self.columns)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Letters:
        return cls(str(data["text"]), tuple(data.get("columns", ())))
