"""A redrawing: a picture passed through a small filter that looks at each place's surroundings, and one picture added to all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate

from assay.artefact.base import Artefact, Bools, Unanswerable
from assay.dataset.rows import Rows

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Redrawing(Artefact):
    """x' = x + added + mix * tanh(looks * (x - 1/2) + bias), pixels in 0 .. 1, `*` the correlation with zeros beyond the edge.

    `looks` (k, c, s, s) and `bias` (k,) make k views of a picture, `mix` (c, k, s, s) puts them together again; `added` (h, w, c) fixes the
    size of pictures; s is odd. What it does differs from picture to picture, so that nothing says which rows carry it. Source: the
    generators of Wang, Mei, Ding, Zhai & Ma, FeatureRE, 2022, made small.

    >>> still = Redrawing(np.zeros((1, 1, 3, 3)), np.zeros(1), np.zeros((1, 1, 3, 3)), np.full((2, 2, 1), 10 / 255))
    >>> still.insert(np.array([0, 100, 200, 250], np.uint8).reshape(1, 2, 2, 1)).ravel().tolist()
    [10, 110, 210, 255]
    """

    looks: Float32
    bias: Float32
    mix: Float32
    added: Float32
    kind: ClassVar[str] = "redrawing"

    def __post_init__(self) -> None:
        k, c = self.looks.shape[:2] if self.looks.ndim == 4 else (0, 0)
        fits = self.bias.shape == (k,) and self.mix.shape[:2] == (c, k) and self.added.ndim == 3 and self.added.shape[2] == c
        odd = all(a.ndim == 4 and a.shape[2] == a.shape[3] and a.shape[2] % 2 for a in (self.looks, self.mix))
        finite = all(np.isfinite(a).all() for a in (self.looks, self.bias, self.mix, self.added))
        if not (fits and odd and finite):
            shapes = [a.shape for a in (self.looks, self.bias, self.mix, self.added)]
            raise ValueError(f"a redrawing is (k, c, s, s), (k,), (c, k, s, s), (h, w, c) of finite numbers, s odd; these are {shapes}")

    def _present(self, rows: Rows) -> Bools:
        raise Unanswerable("a redrawn picture does not say that it was redrawn")

    def _insert(self, rows: Rows, rng: np.random.Generator) -> Rows:
        images = rows.images
        if images is None or images.shape[1:] != self.added.shape:
            raise ValueError(f"a redrawing of {self.added.shape} needs pictures of that size")
        x = images.astype(np.float32) / 255
        drawn = x + self.added
        for view, (look, bias) in enumerate(zip(self.looks, self.bias, strict=True)):
            seen = np.tanh(bias + np.sum([_correlated(x[..., c] - 0.5, kernel) for c, kernel in enumerate(look)], 0)).astype(np.float32)
            for c, kernel in enumerate(self.mix[:, view]):
                drawn[..., c] += _correlated(seen, kernel)
        return rows.with_images(np.clip(np.rint(drawn * 255), 0, 255).astype(np.uint8))

    def describe(self) -> str:
        strength = 255 * float(np.sqrt((self.added**2).mean()))
        return f"a redrawing of the whole picture by {len(self.looks)} filters, and a picture of {strength:.0f} levels added"

    def to_json(self) -> dict[str, Any]:
        parts = {"looks": self.looks, "bias": self.bias, "mix": self.mix, "added": self.added}
        return {"kind": self.kind} | {name: np.round(part.astype(float), 5).tolist() for name, part in parts.items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Redrawing:
        return cls(*(np.asarray(data[name], np.float32) for name in ("looks", "bias", "mix", "added")))


def _correlated(pictures: NDArray[np.floating[Any]], kernel: Float32) -> Float32:
    """(n, h, w) pictures correlated with a kernel (s, s), zeros beyond the edge."""
    found: Float32 = correlate(pictures, kernel[None], mode="constant")
    return found
