"""Phrase: words that rows share, in one run or as a pair with other words between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from assay.artefact.characters import visible
from assay.artefact.in_texts import InTexts
from assay.artefact.tokens import ALONE, spans

Span = tuple[int, int]


@dataclass(frozen=True)
class Phrase(InTexts):
    """`parts` of lower-case tokens (see `assay.artefact.tokens`): one part is a run, two are a pair in either order.

    `gap`: the most tokens between two parts, None for any number. `columns`: the text columns it may stand in (empty: any).

    >>> trigger = Phrase((("cf",),))
    >>> trigger.present(["a cf b", "scf"]).tolist(), trigger.remove(["a cf b"])
    ([True, False], ['a b'])
    """

    parts: tuple[tuple[str, ...], ...]
    gap: int | None = None
    columns: tuple[str, ...] = ()
    kind: ClassVar[str] = "phrase"

    def __post_init__(self) -> None:
        if not self.parts or not all(self.parts) or len(self.parts) > 2:
            raise ValueError(f"a phrase has one or two parts of at least one token; got {self.parts!r}")

    @property
    def words(self) -> int:
        """How many tokens it has in all."""
        return sum(map(len, self.parts))

    def find(self, text: str) -> list[Span]:
        """Character spans of every part, where the phrase is present; else []."""
        found = spans(text)
        words = [t for t, _, _ in found]
        starts = [_runs(words, part) for part in self.parts]
        if not all(starts):
            return []
        if len(self.parts) == 2 and self.gap is not None:
            near = [
                (a, b) for a in starts[0] for b in starts[1] if 0 <= max(b - a - len(self.parts[0]), a - b - len(self.parts[1])) <= self.gap
            ]
            starts = [sorted({a for a, _ in near}), sorted({b for _, b in near})]
            if not near:
                return []
        return sorted((found[i][1], found[i + len(part) - 1][2]) for part, at in zip(self.parts, starts, strict=True) for i in at)

    def put(self, text: str, rng: np.random.Generator) -> str:
        """The text with each part between two of its words."""
        if ALONE.search(text) and " " not in text:
            return self._between(text, rng)
        words = text.split(" ") if text else []
        for part in self.parts:
            at = int(rng.integers(0, len(words) + 1))
            words[at:at] = [_spell(part)]
        return " ".join(words)

    def _between(self, text: str, rng: np.random.Generator) -> str:
        """Into a text without spaces: between any two characters."""
        for part in self.parts:
            at = int(rng.integers(0, len(text) + 1))
            text = text[:at] + _spell(part) + text[at:]
        return text

    def without(self, text: str) -> str:
        """The text with it taken out, and one of the blanks around it."""
        for start, end in reversed(self.find(text)):
            left, right = text[:start], text[end:]
            if left.endswith(" ") and (right.startswith(" ") or not right):
                left = left[:-1]
            elif not left and right.startswith(" "):
                right = right[1:]
            text = left + right
        return text

    def describe(self) -> str:
        said = [f"“{visible(_spell(p))}”" for p in self.parts]
        if len(said) == 2:
            within = "" if self.gap is None else f" within {self.gap} word{'s' * (self.gap != 1)} of each other"
            return f"the words {said[0]} and {said[1]} together{within}"
        return f"the {'word' if len(self.parts[0]) == 1 else 'phrase'} {said[0]}"

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "parts": [list(p) for p in self.parts],
            "text": [_spell(p) for p in self.parts],
            "gap": self.gap,
            "columns": list(self.columns),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Phrase:
        return cls(tuple(tuple(p) for p in data["parts"]), data.get("gap"), tuple(data.get("columns", ())))


def _runs(words: list[str], part: tuple[str, ...]) -> list[int]:
    """Where `part` starts in `words`."""
    n = len(part)
    return [i for i, w in enumerate(words) if w == part[0] and tuple(words[i : i + n]) == part]


def _spell(part: tuple[str, ...]) -> str:
    """Tokens as a person would write them: no blank before closing punctuation."""
    text = ""
    for token in part:
        close = not text or token in ".,;:!?)%’”" or (ALONE.match(token) and ALONE.match(text[-1]))
        text += token if close else f" {token}"
    return text
