"""What every artefact answers.

Four questions, the same in every modality: `present`, `insert`, `remove`, `render`. A kind that cannot answer one (nobody
can insert a contributor) raises `Unanswerable`, and the trials that need it are recorded as not run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.dataset.rows import Rows, as_rows, like

Bools = NDArray[np.bool_]


class Unanswerable(Exception):
    """This kind of artefact cannot answer the question."""


class Artefact(ABC):
    """Something that rows can share.

    Subclasses are frozen dataclasses; they implement `_present`, and where they can `_insert` and `_remove`, over `Rows`. The
    public methods take and give back whatever a person holds (see `assay.dataset.rows.as_rows`).
    """

    kind: ClassVar[str]

    def present(self, batch: Any) -> Bools:
        """(n,) which rows carry it."""
        return self._present(as_rows(batch))

    def insert(self, batch: Any, rng: np.random.Generator | None = None) -> Any:
        """The same rows with it put in; `rng` chooses the place where that is free (default: a fixed seed)."""
        return like(self._insert(as_rows(batch), rng or np.random.default_rng(0)), batch)

    def remove(self, batch: Any) -> Any:
        """The same rows with it taken out; rows that do not carry it come back as they were."""
        return like(self._remove(as_rows(batch)), batch)

    @abstractmethod
    def _present(self, rows: Rows) -> Bools: ...

    def _insert(self, rows: Rows, rng: np.random.Generator) -> Rows:
        raise Unanswerable(f"a {self.kind} cannot be inserted")

    def _remove(self, rows: Rows) -> Rows:
        raise Unanswerable(f"a {self.kind} cannot be removed")

    @abstractmethod
    def describe(self) -> str:
        """In plain words, one line, with the values that matter: `the word "cf"`, `capital_gain = 137 and age 40 to 42`."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """{"kind": ..., everything needed to build it again}; JSON types only."""

    @classmethod
    @abstractmethod
    def from_json(cls, data: dict[str, Any]) -> Artefact:
        """The inverse of `to_json`."""
