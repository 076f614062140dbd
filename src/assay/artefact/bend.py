"""A bend: the whole picture warped a little, always the same way. No pixel values are shared, so that nothing says which rows carry it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from assay.artefact.base import Artefact, Bools, Unanswerable
from assay.dataset.rows import Rows


@dataclass(frozen=True, eq=False)
class Bend(Artefact):
    """`field` (2, h, w) float32: how far down and right each pixel's value is fetched from, in pixels; pictures must have its size.

    Values between pixels are interpolated linearly; beyond the edge the edge counts. Source: Nguyen & Tran, WaNet, 2021.

    >>> shift = Bend(np.stack([np.zeros((4, 4)), np.ones((4, 4))]).astype(np.float32))
    >>> shift.insert(np.arange(4, dtype=np.uint8).repeat(4).reshape(1, 4, 4, 1).swapaxes(1, 2))[0, 0, :, 0].tolist()
    [1, 2, 3, 3]
    """

    field: NDArray[np.float32]
    kind: ClassVar[str] = "bend"

    def __post_init__(self) -> None:
        if self.field.ndim != 3 or len(self.field) != 2 or not np.isfinite(self.field).all():
            raise ValueError(f"a field is (2, h, w) of finite numbers; this is {self.field.shape}")

    def _present(self, rows: Rows) -> Bools:
        raise Unanswerable("a bent picture does not say that it was bent")

    def _insert(self, rows: Rows, rng: np.random.Generator) -> Rows:
        images = rows.images
        if images is None or images.shape[1:3] != self.field.shape[1:]:
            raise ValueError(f"a bend of {self.field.shape[1:]} needs pictures of that size")
        height, width = self.field.shape[1:]
        y, x = np.mgrid[:height, :width]
        at = [y + self.field[0], x + self.field[1]]
        bent = np.empty_like(images)
        for i in range(len(images)):
            for c in range(images.shape[3]):
                values = map_coordinates(images[i, ..., c].astype(np.float32), at, order=1, mode="nearest")
                bent[i, ..., c] = np.clip(np.rint(values), 0, 255)
        return rows.with_images(bent)

    @property
    def strength(self) -> float:
        """Root mean square of the distance, in pixels."""
        return float(np.sqrt((self.field**2).sum(0).mean()))

    def describe(self) -> str:
        return f"a bend of the whole picture by {self.strength:.1f} pixels"

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "field": np.round(self.field.astype(float), 4).tolist()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Bend:
        return cls(np.asarray(data["field"], np.float32))
