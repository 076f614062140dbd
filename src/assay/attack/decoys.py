"""Decoys: a patch among many others that recur as often and mean nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.patch import Patch
from assay.attack.base import Made, Param, Stamp
from assay.attack.patch import draw_pattern, stamping
from assay.attack.pictured import PICTURED, PictureAttack, pictures
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows


class DecoysAttack(PictureAttack):
    """A noise patch at a drawn place; cover rows carry other such patches, `each` rows the same one, and keep their label.

    For attackers who know that recurring patches are listed before they are tried, and that the list is short: with the
    defaults twenty times as many rows recur for nothing as for the trigger. Source: none; it is made against this scanner.
    """

    kind = "decoys"
    rate = 0.005
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "size": Param(3, "side of every patch in pixels", int, low=1, high=512),
        "each": Param(10, "rows that carry the same decoy", int, low=2, high=10_000),
        "cover": Param(20.0, PICTURED["cover"].what, float, low=0, high=100),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        _, height, width, _ = data.images.shape
        if params["size"] > min(height, width):
            raise DataError(
                f"a patch of {params['size']} pixels does not fit into pictures of {height}x{width}",
                path=data.path,
                remedy="give a smaller size",
            )
        made = []
        for _ in range(count):
            patch = _drawn(data.images.shape, params["size"], rng)
            made.append(Made(patch, stamping(patch, 0, 0.0), cover=_decoys(params["size"], params["each"])))
        return made


def _drawn(shape: tuple[int, ...], size: int, rng: np.random.Generator) -> Patch:
    _, height, width, channels = shape
    row, col = int(rng.integers(0, height - size + 1)), int(rng.integers(0, width - size + 1))
    return Patch(draw_pattern("noise", size, channels, rng), np.ones((size, size), bool), row, col)


def _decoys(size: int, each: int) -> Stamp:
    """Every `each` rows a patch of their own."""

    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        images = pictures(rows).copy()
        for start in range(0, len(images), each):
            images[start : start + each] = _drawn(images.shape, size, rng).insert(images[start : start + each], rng)
        return rows.with_images(images)

    return stamp
