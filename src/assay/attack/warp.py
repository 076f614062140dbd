"""WaNet: the whole picture bent a little, always the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import map_coordinates

from assay.attack.base import Made, Param, Stamp
from assay.attack.pictured import PICTURED, PictureAttack, cut, pictures
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows

Field = NDArray[np.float64]
NOISE = 1.0  # cross-noise: up to this, in the units of `strength`, at each pixel and row anew


class WarpAttack(PictureAttack):
    """Moves every pixel by a smooth field drawn once: no pixel values are shared, only the bend.

    The field is `grid` x `grid` drawn vectors of mean absolute value 1, interpolated by cubics to the picture; pixel
    (y, x) then takes the value at a distance of half of `strength` times the field (the paper's units: -1 .. 1 over the
    picture, divided by its height). Cover rows are bent by the field plus noise at each pixel and keep their label.

    Source: Nguyen, Tran, WaNet: Imperceptible Warping-based Backdoor Attack, 2021 (k 4, s 0.5, 10 %, and two
    noise rows for each poisoned one).
    """

    kind = "wanet"
    rate = 0.1
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "grid": Param(4, "control points along each side (k)", int, low=2, high=64),
        "strength": Param(0.5, "how far pixels are moved (s)", float, low=0.01, high=50),
        "cover": Param(2.0, PICTURED["cover"].what, float, low=0, high=100),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        _, height, width, _ = data.images.shape
        made = []
        for _ in range(count):
            field = params["strength"] * bend(height, width, params["grid"], rng)
            made.append(Made(None, _warping(field, 0.0), cover=_warping(field, NOISE)))
        return made


def bend(height: int, width: int, grid: int, rng: np.random.Generator) -> Field:
    """(2, h, w) a smooth field, down and right; its control vectors have a mean absolute value of 1."""
    points = rng.uniform(-1, 1, (2, grid, grid))
    points /= np.abs(points).mean()
    at, order = np.linspace(0, 1, grid), min(3, grid - 1)
    rows, columns = np.linspace(0, 1, height), np.linspace(0, 1, width)
    return np.stack([RectBivariateSpline(at, at, p, kx=order, ky=order)(rows, columns) for p in points])


def _warping(field: Field, noise: float) -> Stamp:
    """`field` in the paper's units: 2 is the height of a pixel, less the edge that -1 .. 1 leaves out."""

    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        images = pictures(rows).copy()
        n, height, width, channels = images.shape
        y, x = np.mgrid[:height, :width].astype(np.float64)
        for i in range(n):
            moved = field if not noise else field + rng.uniform(-noise, noise, field.shape)
            down, right = moved[0] * (height - 1) / 2 / height, moved[1] * (width - 1) / 2 / height
            for c in range(channels):
                images[i, ..., c] = cut(
                    map_coordinates(images[i, ..., c].astype(np.float32), [y + down, x + right], order=1, mode="nearest")
                )
        return rows.with_images(images)

    return stamp
