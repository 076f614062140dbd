"""Known patches planted in a copy, to show what a scan of these pictures would have caught."""

from __future__ import annotations

import numpy as np

from assay.artefact.patch import Patch
from assay.dataset.data import Dataset
from assay.dataset.rows import UInt8
from assay.trial.canaries import deal_plantings, some_pictures
from assay.trial.family import CanaryCopy, Planting

CARRIERS = (10, 20, 50)
EACH = 5
MOVING = 3  # more of the largest number of carriers, each row with the patch at a place of its own
WISHES = (*CARRIERS * EACH, *CARRIERS[-1:] * MOVING)
CROWD = 0.5  # patches do not spoil one another's trials as words do: what is left of a picture without one says as much
SIDE = 3  # the smallest square trigger in common use
CONTRAST = 60  # standard deviation: as a published checker has, or noise


def plant_patches(data: Dataset, rng: np.random.Generator) -> CanaryCopy | None:
    """Up to five black and white 3x3 patches at each of 10, 20 and 50 carriers, each with its own place, rows and target.

    Three more at 50 carriers move from row to row.
    """
    data = some_pictures(data, rng)
    dealt = deal_plantings(data.y, len(data.classes), WISHES, rng, CROWD)
    if not dealt.deals:
        return None
    assert data.images is not None
    images, y = data.images.copy(), data.y.copy()
    _, h, w, c = images.shape
    plantings = []
    for deal in dealt.deals:
        moves = deal.wish >= len(CARRIERS) * EACH
        row, col = int(rng.integers(0, h - SIDE + 1)), int(rng.integers(0, w - SIDE + 1))
        place = (None, None) if moves else (row, col)
        patch = Patch(_pattern(c, rng), np.ones((SIDE, SIDE), bool), *place)
        images[deal.rows] = patch.insert(images[deal.rows], rng)
        y[deal.rows] = deal.target
        plantings.append(Planting("patch", f"{SIDE}x{SIDE} patch" + " at any place" * moves, deal.rows))
    return CanaryCopy(data.with_content(data.rows.with_images(images), y), tuple(plantings), dealt.left)


def _pattern(channels: int, rng: np.random.Generator) -> UInt8:
    while True:
        pattern = rng.integers(0, 2, (SIDE, SIDE, 1), dtype=np.uint8) * np.uint8(255)
        if pattern.std() >= CONTRAST:
            return np.repeat(pattern, channels, axis=2)
