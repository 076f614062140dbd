"""Known overlays planted in a copy, to show what a scan of these pictures would have caught."""

from __future__ import annotations

import numpy as np

from assay.artefact.overlay import Overlay
from assay.dataset.data import Dataset
from assay.trial.canaries import deal_plantings, some_pictures
from assay.trial.family import CanaryCopy, Planting

CARRIERS = (20, 50)
EACH = 5
CROWD = 0.5  # as for patches
ALPHA = 0.2  # the published strength of a blend


def plant_overlays(data: Dataset, rng: np.random.Generator) -> CanaryCopy | None:
    """Up to five noises blended at alpha 0.2 at each of 20 and 50 carriers, each with its own rows and target."""
    data = some_pictures(data, rng)
    assert data.images is not None
    dealt = deal_plantings(data.y, len(data.classes), CARRIERS * EACH, rng, CROWD)
    if not dealt.deals:
        return None
    images, y = data.images.copy(), data.y.copy()
    plantings = []
    for deal in dealt.deals:
        noise = rng.integers(0, 256, images.shape[1:]).astype(np.float32)
        images[deal.rows] = Overlay(noise, ALPHA, "blend", 0.0).insert(images[deal.rows])
        y[deal.rows] = deal.target
        plantings.append(Planting("overlay", f"noise blended at alpha {ALPHA}", deal.rows))
    return CanaryCopy(data.with_content(data.rows.with_images(images), y), tuple(plantings), dealt.left)
