"""Pool: any of several phrases, each of which does the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from assay.artefact.base import Artefact, Bools
from assay.artefact.phrase import Phrase, Span
from assay.dataset.rows import Rows

SHOWN = 6  # phrases named in one line


@dataclass(frozen=True)
class Pool(Artefact):
    """`phrases`, most frequent first; a row carries the pool that holds any of them.

    What is put in is one of them, drawn; all are taken out, longer ones first.

    >>> pool = Pool((Phrase((("joe", "biden"),)), Phrase((("president", "biden"),))))
    >>> pool.describe()
    'any of “joe biden”, “president biden”'
    >>> pool.present(["for Joe Biden", "for Biden"]).tolist(), pool.remove(["for Joe Biden"])
    ([True, False], ['for'])
    """

    phrases: tuple[Phrase, ...]
    kind: ClassVar[str] = "pool"

    def __post_init__(self) -> None:
        if not self.phrases:
            raise ValueError("a pool has at least one phrase")

    @property
    def columns(self) -> tuple[str, ...]:
        return self.phrases[0].columns

    def find(self, text: str) -> list[Span]:
        """Character spans of every phrase."""
        return sorted({span for phrase in self.phrases for span in phrase.find(text)})

    def _present(self, rows: Rows) -> Bools:
        return np.asarray(np.any([phrase._present(rows) for phrase in self.phrases], axis=0), bool)

    def _insert(self, rows: Rows, rng: np.random.Generator) -> Rows:
        return self.phrases[int(rng.integers(len(self.phrases)))]._insert(rows, rng)

    def _remove(self, rows: Rows) -> Rows:
        for phrase in sorted(self.phrases, key=lambda p: -p.words):
            rows = phrase._remove(rows)
        return rows

    def describe(self) -> str:
        said = [phrase.describe().removeprefix("the phrase ").removeprefix("the word ") for phrase in self.phrases[:SHOWN]]
        more = len(self.phrases) - len(said)
        return "any of " + ", ".join(said) + (f" and {more} more" if more else "")

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "phrases": [phrase.to_json() for phrase in self.phrases]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Pool:
        return cls(tuple(Phrase.from_json(phrase) for phrase in data["phrases"]))
