"""Where in a picture an overlay lies that pictures hold in part: some of its pieces in one, others in the next.

Along a template, each place of a picture that holds it adds what is expected there, and each place that does not adds about nothing. Summed
over a small neighbourhood and divided by what is expected, the one is told from the other, whatever shape the pieces have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from assay.artefact.overlay_view import SIDE, View, pack, pooled, unpack

Float32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

CHUNK = 250  # pictures at once
NEIGHBOURHOOD = 1.5  # pixels, a normal law's spread: some 30 numbers each in three colours. Of halved noise on CIFAR-10 .98 of the pixels
# are told right (with 2: .97, with squares of 7: .93), of a halved photograph, flat here and there, .76 to .86


@dataclass(frozen=True, eq=False)
class Pieces:
    """`usual` and `full` (h, w): what a place adds along the template in pictures without it, and how much more on average in those that
    hold some of it. A place that adds more than `cut` times that holds it."""

    usual: Float32
    full: Float32
    cut: float

    def shown(self, view: View, pattern: Float32, images: NDArray[Any]) -> Bools:
        """(n, h, w) the pixels of pictures (n, h, w, c) that hold it."""
        n, height, width, _ = images.shape
        step = -(-max(height, width) // SIDE)  # as pictures are pooled for the view
        result = np.zeros((n, height, width), bool)
        for start in range(0, n, CHUNK):
            some = images[start : start + CHUNK]
            held = (along(view, pattern, some) - self.usual) / self.full > self.cut
            large = held.repeat(step, 1).repeat(step, 2)[:, :height, :width]
            missing = (0, height - large.shape[1]), (0, width - large.shape[2])
            result[start : start + CHUNK] = np.pad(large, ((0, 0), *missing), mode="edge")
        return result

    def to_json(self) -> dict[str, Any]:
        return {"usual": pack(self.usual), "full": pack(self.full), "cut": self.cut}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Pieces:
        return cls(unpack(data["usual"], 2), unpack(data["full"], 2), float(data["cut"]))


def along(view: View, pattern: Float32, images: NDArray[Any]) -> Float32:
    """(n, h, w) what each place of pictures adds to their product with a pattern (d,) of the view, summed over its neighbourhood."""
    parts = (view(images) * pattern).reshape(len(images), *pooled(images[:1]).shape[1:]).sum(3)
    return np.asarray(gaussian_filter(parts, (0, NEIGHBOURHOOD, NEIGHBOURHOOD)), np.float32)
