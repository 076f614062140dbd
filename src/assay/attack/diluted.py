"""Diluted: one trigger in many variants, none of them in more than a few rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.patch import Patch
from assay.attack.base import Bools, Budget, Int, Made, Param
from assay.attack.patch import stamping
from assay.attack.pictured import PICTURED, PictureAttack
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import UInt8

CONTRAST = 96  # least difference of light and dark, of 255: a network sees the checker whatever its two colours are


class DilutedAttack(PictureAttack):
    """A checker near the lower right corner, for one target; each variant has two colours, a phase and a place of its own.

    For attackers who know that artefacts shared by a few rows are put on trial one by one: each variant has too few
    carriers to be tried alone, and a network learns what they have in common. Without a rate each variant has `each`
    carriers. Source: none; it is made against this scanner.
    """

    kind = "diluted"
    rate = 0.01
    together = True
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "triggers": Param(10, "how many variants", int, low=2, high=100),
        "each": Param(5, "carriers a variant, where no rate is given", int, low=1, high=10_000),
        "size": Param(3, "side of the checker in pixels", int, low=2, high=512),
        "spread": Param(2, "pixels up and left of the corner, at most, where a variant may lie", int, low=0, high=512),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        _, height, width, channels = data.images.shape
        size, spread = params["size"], params["spread"]
        if size + spread > min(height, width):
            raise DataError(
                f"a checker of {size} pixels, up to {spread} from the corner, does not fit into pictures of {height}x{width}",
                path=data.path,
                remedy="give a smaller size or spread",
            )
        made: list[Made] = []
        for _ in range(count):
            up, left = (int(v) for v in rng.integers(0, spread + 1, 2))
            mask: Bools = np.ones((size, size), bool)
            patch = Patch(two_colours(size, channels, rng), mask, height - size - up, width - size - left)
            made.append(Made(patch, stamping(patch, 0, 0.0)))
        return made

    def total(self, data: Dataset, budget: Budget, count: int, params: Mapping[str, Any]) -> int:
        given = budget.rate is not None or budget.carriers is not None
        return budget.count(len(data), self.rate) if given else count * int(params["each"])


def two_colours(size: int, channels: int, rng: np.random.Generator) -> UInt8:
    """(size, size, channels) a checker of a light and a dark colour, either of them in the corner."""
    dark = rng.integers(0, 256 - CONTRAST, channels)
    light: Int = rng.integers(dark + CONTRAST, 256)
    even = np.indices((size, size)).sum(0) % 2 == int(rng.integers(2))
    return np.where(even[..., None], light, dark).astype(np.uint8)
