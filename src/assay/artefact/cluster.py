"""A cluster: a ball in a space of features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.artefact.base import Artefact, Bools, Unanswerable
from assay.dataset.rows import Rows

Extract = Callable[[Rows], NDArray[Any]]
HELD = 0.9  # share of the rows it is put around that a ball holds: a few stand far off


@dataclass(frozen=True, eq=False)
class Cluster(Artefact):
    """Rows whose features lie within `radius` (Euclidean) of `centre` (d,) in the space named `space`.

    Only `present`, and only where the feature extractor is at hand (`with_extract`): a stored cluster has lost it and
    knows its `members` (SHA-256 row digests, hex) alone, which `among` answers for.

    >>> ball = Cluster(np.zeros(2, np.float32), 1.0, "pixels", frozenset({"00" * 32}))
    >>> ball.among(np.zeros((1, 32), np.uint8))
    array([ True])
    """

    centre: NDArray[np.float32]
    radius: float
    space: str
    members: frozenset[str] = frozenset()
    extract: Extract | None = field(default=None, repr=False)  # never stored
    kind: ClassVar[str] = "cluster"

    @classmethod
    def around(cls, x: NDArray[np.floating[Any]], space: str, digest: NDArray[np.uint8]) -> Cluster:
        """The ball about rows (m, d), of the digests (m, 32), that holds nine in ten of them."""
        centre = x.mean(0)
        radius = float(np.quantile(np.linalg.norm(x - centre, axis=1), HELD))
        return cls(centre.astype(np.float32), radius, space, frozenset(bytes(d).hex() for d in digest))

    def with_extract(self, extract: Extract) -> Cluster:
        """A copy that can answer `present`; `extract` maps `Rows` to (n, d)."""
        return replace(self, extract=extract)

    def among(self, digest: NDArray[np.uint8]) -> Bools:
        """(n,) which of these row digests (n, 32) are members."""
        return np.array([bytes(d).hex() in self.members for d in digest], bool)

    def _present(self, rows: Rows) -> Bools:
        if self.extract is None:
            raise Unanswerable(f"a cluster is recognised by features ({self.space}), and their extractor is not at hand")
        features = np.asarray(self.extract(rows), np.float64)
        result: Bools = np.linalg.norm(features - self.centre, axis=1) <= self.radius
        return result

    def describe(self) -> str:
        return f"{len(self.members)} rows close together in {self.space}"

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "centre": [float(v) for v in self.centre],
            "radius": float(self.radius),
            "space": self.space,
            "members": sorted(self.members),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Cluster:
        return cls(np.array(data["centre"], np.float32), float(data["radius"]), data["space"], frozenset(data["members"]))
