"""Adap-Patch: four faint patches, one a training row, two of them in full at test time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.patch import Patch
from assay.attack.base import Made, Param, Stamp
from assay.attack.patch import CORNERS, draw_pattern
from assay.attack.pictured import PICTURED, PictureAttack, cut, pictures
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

OPACITY = (0.5, 0.2, 0.5, 0.3)  # of the four in training rows, in the paper's order
STRONG = 0.5  # those of this opacity are put in, both and in full, at test time


class AdapPatchAttack(PictureAttack):
    """Each poisoned row carries one of four patches, faintly; two cover rows for each do so under their own label.

    The patches are drawn by the seed (the paper has small pictures and a checker), one a corner, all for one target. At
    test time the two strongest are put in opaque. `present` of the artefacts knows the opaque ones: which row carries
    which is in the truth. Source: Qi, Xie, Li, Mahloujifar, Mittal, 2023 (opacities 0.5, 0.2, 0.5, 0.3; 0.3
    % and 0.6 % cover).
    """

    kind = "adap-patch"
    rate = 0.003
    together = True
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "triggers": Param(4, "how many patches", int, low=1, high=4),
        "size": Param(None, "side of a patch in pixels (default: a quarter of the shorter side)", int, low=1, high=512),
        "cover": Param(2.0, PICTURED["cover"].what, float, low=0, high=100),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        _, height, width, channels = data.images.shape
        size = params["size"] or max(1, min(height, width) // 4)
        if 2 * size > min(height, width) or count > len(CORNERS):
            raise DataError(
                f"{count} patches of {size} pixels a side do not fit into the corners of {height}x{width}",
                path=data.path,
                remedy="give a smaller size, and at most four",
            )
        patches = []
        for down, right in CORNERS[:count]:
            pixels = draw_pattern("noise", size, channels, rng)
            patches.append(Patch(pixels, np.ones((size, size), bool), down * (height - size), right * (width - size)))
        strong = [p for p, opacity in zip(patches, OPACITY, strict=False) if opacity == STRONG]
        return [Made(p, _all_of(strong), _faintly(p, opacity)) for p, opacity in zip(patches, OPACITY, strict=False)]


def _all_of(patches: list[Patch]) -> Stamp:
    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        for patch in patches:
            rows = patch.insert(rows, rng)
        return rows

    return stamp


def _faintly(patch: Patch, opacity: float) -> Stamp:
    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        images, whole = pictures(rows), pictures(patch.insert(rows, rng))
        return rows.with_images(cut((1 - opacity) * images.astype(np.float32) + opacity * whole))

    return stamp
