"""Relabelled: rows of one class under the label of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.artefact.base import Artefact, Bools, Unanswerable
from assay.dataset.rows import Rows


@dataclass(frozen=True)
class Relabelled(Artefact):
    """Rows labelled `target` that look like typical rows of class `source`, known by `members` (SHA-256 row digests, hex).

    What they share is a wrong label, and that is nothing in their content: `present`, `insert` and `remove` are `Unanswerable`.
    `among` says which of some row digests are members.

    >>> moved = Relabelled("stop", "speed limit", frozenset({"00" * 32}))
    >>> moved.describe(), moved.among(np.zeros((1, 32), np.uint8))
    ("1 row of class 'stop' labelled 'speed limit'", array([ True]))
    """

    source: str
    target: str
    members: frozenset[str] = frozenset()
    kind: ClassVar[str] = "relabelling"

    def among(self, digest: NDArray[np.uint8]) -> Bools:
        """(n,) which of these row digests (n, 32) are members."""
        return np.array([bytes(d).hex() in self.members for d in digest], bool)

    def _present(self, rows: Rows) -> Bools:
        raise Unanswerable("a wrong label is nothing in the content of a row: ask `among` with row digests")

    def describe(self) -> str:
        count = len(self.members)
        return f"{count:,} row{'' if count == 1 else 's'} of class {self.source!r} labelled {self.target!r}"

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "source": self.source, "target": self.target, "members": sorted(self.members)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Relabelled:
        return cls(data["source"], data["target"], frozenset(data["members"]))
