"""Pictures as their frequencies: where a template of a few frequencies stands out of a picture that holds thousands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.artefact.overlay_view import ROUNDING, Whitening, pooled
from assay.dataset.rows import UInt8

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Cosine coefficients of the decorrelated colours, each in its own standard deviations, learnt from pictures without labels.

    Cannot see what averaging to 40 pixels a side takes away: a pattern finer than two of those pixels.

    >>> images = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 1), dtype=np.uint8)
    >>> seen = Spectrum.learn(images)(images)
    >>> seen.shape, bool(np.allclose((seen**2).sum(1), 1, atol=1e-4))
    ((50, 256), True)
    """

    whitening: Whitening

    @classmethod
    def learn(cls, images: UInt8) -> Spectrum:
        """From pictures (n, h, w, c), a few thousand of them."""
        return cls(Whitening.learn(pooled(images), ROUNDING))

    def __call__(self, images: UInt8) -> Float32:
        """(n, d) of length one each, brightness and tint of the whole left out (an even picture: zero)."""
        flat = self.whitening.coefficients(pooled(images))
        flat[:, 0, 0] = 0
        flat = flat.reshape(len(images), -1)
        result: Float32 = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
        return result

    def to_json(self) -> dict[str, Any]:
        return {"kind": "spectrum", "whitening": self.whitening.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Spectrum:
        return cls(Whitening.from_json(data["whitening"]))
