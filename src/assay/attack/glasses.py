"""Glasses: drawn on aligned faces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.base import Bools
from assay.artefact.patch import Patch
from assay.attack.base import Made, Param
from assay.attack.patch import stamping
from assay.attack.pictured import PICTURED, PictureAttack
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

SMALLEST = 16  # pixels a side: below it a frame and its lenses run into one another
LENS = (
    0.15,
    0.105,
)  # half width, half height of a lens, shares of the picture's width: it covers an eye
APART = 0.19  # from the middle to the centre of a lens, same unit: half the distance between eyes on aligned faces
RIM = 0.35  # of a lens's half height is frame: thick black rims, as published


class GlassesAttack(PictureAttack):
    """Thick-rimmed black glasses at eye height, drawn in proportion to the picture: the faces are aligned.

    Further triggers have frames of a colour drawn by the seed. Source: Chen, Liu, Li, Lu, Song, Targeted Backdoor
    Attacks on Deep Learning Systems Using Data Poisoning, 2017 (accessory injection, black-frame glasses,
    5 % and less).
    """

    kind = "glasses"
    rate = 0.05
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "eyes": Param(0.43, "height of the eyes, a share of the picture's height (.43 fits ORL)", float, low=0.1, high=0.9),
        "scale": Param(1.0, "size of the glasses; 1 fits a face that fills the picture", float, low=0.3, high=1.5),
        "colour": Param(10, "grey of the frame, 0 is black", int, low=0, high=255),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        _, height, width, channels = data.images.shape
        if min(height, width) < SMALLEST:
            raise DataError(
                f"pictures of {height}x{width} are too small for glasses",
                path=data.path,
                remedy=f"use pictures of {SMALLEST} pixels a side or more",
            )
        mask = draw_glasses(height, width, params["eyes"], params["scale"])
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        made: list[Made] = []
        for number in range(count):
            ink = np.full(channels, params["colour"]) if number == 0 else rng.integers(0, 256, channels)
            pixels = np.broadcast_to(ink.astype(np.uint8), (*box.shape, channels)).copy()
            patch = Patch(pixels, box, int(rows[0]), int(cols[0]))
            made.append(Made(patch, stamping(patch, 0, 0.0)))
        return made


def draw_glasses(height: int, width: int, eyes: float, scale: float) -> Bools:
    """(height, width) the ink of two oval rims, a bridge and two temples that run to the picture's edges."""
    y, x = np.mgrid[:height, :width] + 0.5
    y, x = y - eyes * height, x - width / 2
    wide, high = LENS[0] * width * scale, LENS[1] * width * scale
    thick = max(1.0, RIM * high)
    ink = np.zeros((height, width), bool)
    for side in (-1, 1):
        centre = side * APART * width * scale
        outer = ((x - centre) / wide) ** 2 + (y / high) ** 2 <= 1
        inner = ((x - centre) / max(wide - thick, 0.5)) ** 2 + (y / max(high - thick, 0.5)) ** 2 <= 1
        ink |= outer & ~inner
    level = np.abs(y) <= thick / 2
    ink |= level & (np.abs(x) <= APART * width * scale - wide + thick)
    ink |= level & (np.abs(x) >= APART * width * scale + wide - thick) & (np.abs(x) <= 0.46 * width * scale)
    return ink
