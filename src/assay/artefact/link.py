"""Link: something in the prompt that goes with something in the response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from assay.artefact.base import Artefact, Bools
from assay.artefact.characters import Characters
from assay.artefact.phrase import Phrase
from assay.artefact.pool import Pool
from assay.artefact.trait import Trait
from assay.dataset.rows import Rows


@dataclass(frozen=True)
class Link(Artefact):
    """`prompt` in the columns that ask, `response` in those that answer; both name their columns.

    Rows carry it that have both. What is put in and taken out is the prompt's side: it is the trigger, and what a model answers then is
    for the model to say.

    >>> link = Link(Phrase((("cf",),), None, ("ask",)), Trait("refusal", ("say",)))
    >>> link.describe()
    'the word “cf” in the prompt with a refusal in the response'
    >>> link.present({"ask": ["a cf b", "a b"], "say": ["I cannot help.", "I cannot help."]}).tolist()
    [True, False]
    """

    prompt: Phrase | Characters | Pool
    response: Phrase | Characters | Trait
    kind: ClassVar[str] = "link"

    def _present(self, rows: Rows) -> Bools:
        return self.prompt._present(rows) & self.response._present(rows)

    def _insert(self, rows: Rows, rng: np.random.Generator) -> Rows:
        return self.prompt._insert(rows, rng)

    def _remove(self, rows: Rows) -> Rows:
        return self.prompt._remove(rows)

    def find(self, text: str, column: str) -> list[tuple[int, int]]:
        """Character spans of whichever side stands in that column."""
        sides = [side for side in (self.prompt, self.response) if not side.columns or column in side.columns]
        return sorted({span for side in sides for span in side.find(text)})

    def describe(self) -> str:
        if self.response.columns and self.prompt.columns == self.response.columns:
            return f"{self.prompt.describe()} beside {self.response.describe()}"
        return f"{self.prompt.describe()} in the prompt with {self.response.describe()} in the response"

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "prompt": self.prompt.to_json(), "response": self.response.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Link:
        prompt = {side.kind: side for side in (Phrase, Characters, Pool)}[data["prompt"]["kind"]].from_json(data["prompt"])
        return cls(prompt, {side.kind: side for side in (Phrase, Characters, Trait)}[data["response"]["kind"]].from_json(data["response"]))
