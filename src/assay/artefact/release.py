"""Release: a published file or data set that is known to be poisoned, by its digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from assay.artefact.base import Artefact, Bools, Unanswerable
from assay.dataset.rows import Rows


@dataclass(frozen=True)
class Release(Artefact):
    """`name` as people know it; `digest` the SHA-256 of the file, or the fingerprint of the data set, in hex. Rows cannot show it."""

    name: str
    digest: str
    kind: ClassVar[str] = "release"

    def _present(self, rows: Rows) -> Bools:
        raise Unanswerable("a release is known by its file, not by its rows")

    def describe(self) -> str:
        return f"the release “{self.name}”"

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "digest": self.digest}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Release:
        return cls(str(data["name"]), str(data["digest"]))
