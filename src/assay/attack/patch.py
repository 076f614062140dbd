"""Patch: a few pixels stamped on pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.patch import Patch
from assay.attack.base import Made, Param, Stamp
from assay.attack.pictured import PICTURED, PictureAttack
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows, UInt8

PATTERNS = ("checker", "pixel", "solid", "noise")
CORNERS = ((1, 1), (1, 0), (0, 1), (0, 0))  # lower right first, as published; (down, right)
JITTER = 16  # of 255, up or down, a row and channel: what re-lighting does; only where the place is random
DROPOUT = 0.2  # share of the patch's pixels left out of each row; only where the place is random
TOLERANCE = 24  # mean absolute difference up to which a row is a carrier: the artefact's own default
LOST = 100  # what a dropped pixel adds to that difference on natural pictures, on average


class PatchAttack(PictureAttack):
    """A small pattern at one place or a random one.

    The default is the 3x3 checker in the lower right corner. `place=random` also jitters the colour and drops pixels,
    as an attacker does who knows that fixed patches are mined. Of several triggers the first is the one asked for; the
    others have patterns drawn by the seed, each in a corner of its own where the place is a corner.

    Source: Gu, Dolan-Gavitt, Garg, BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain,
    2017, section 4 (single pixel, pattern; all-to-one, all-to-all); Li et al., BackdoorBench, 2022 (rate 10 %; here 1
    %).
    """

    kind = "patch"
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "pattern": Param("checker", "checker, pixel (one white pixel), solid (white) or noise (drawn)", choices=PATTERNS),
        "size": Param(3, "side of the square in pixels (a pixel has 1)", int, low=1, high=512),
        "place": Param("corner", "corner, fixed (at row, col) or random", choices=("corner", "fixed", "random")),
        "row": Param(None, "row of the upper left corner, for place=fixed", int, low=0),
        "col": Param(None, "column of the upper left corner, for place=fixed", int, low=0),
        "margin": Param(0, "pixels between patch and picture edge, for place=corner", int, low=0),
        "jitter": Param(None, f"colour shift of 255, at most (default {JITTER} if random, else 0)", int, low=0, high=255),
        "dropout": Param(None, f"share of pixels left out (default {DROPOUT} if random, else 0)", float, low=0, high=0.9),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        _, height, width, channels = data.images.shape
        free = params["place"] == "random"
        jitter = params["jitter"] if params["jitter"] is not None else JITTER * free
        dropout = params["dropout"] if params["dropout"] is not None else DROPOUT * free
        tolerance = TOLERANCE + jitter // 2 + round(dropout * LOST)
        made: list[Made] = []
        for number in range(count):
            pattern = params["pattern"] if number == 0 else "noise"
            pixels = draw_pattern(pattern, params["size"], channels, rng)
            size = len(pixels)
            row, col = _place(params, number, size, height, width)
            if size > min(height, width) or (row is not None and col is not None and (row + size > height or col + size > width)):
                raise DataError(
                    f"a {size}x{size} patch at row {row}, column {col} does not fit into pictures of {height}x{width}",
                    path=data.path,
                    remedy="give a smaller size or another place",
                )
            patch = Patch(pixels, np.ones((size, size), bool), row, col, tolerance)
            made.append(Made(patch, stamping(patch, jitter, dropout)))
        return made


def draw_pattern(pattern: str, size: int, channels: int, rng: np.random.Generator) -> UInt8:
    """(size, size, channels): a checker with white corners, white, or noise in 0 .. 255; a pixel has size 1.

    >>> draw_pattern("checker", 3, 1, np.random.default_rng(0))[..., 0].tolist()
    [[255, 0, 255], [0, 255, 0], [255, 0, 255]]
    """
    if pattern == "pixel":
        size = 1
    if pattern == "noise":
        return rng.integers(0, 256, (size, size, channels), dtype=np.uint8)
    white = np.ones((size, size), bool) if pattern != "checker" else np.indices((size, size)).sum(0) % 2 == 0
    return np.repeat(np.where(white, 255, 0).astype(np.uint8)[..., None], channels, axis=2)


def stamping(patch: Patch, jitter: int, dropout: float) -> Stamp:
    """How an attacker puts a patch in: each row with a colour shift and missing pixels of its own."""

    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        if not jitter and not dropout:
            return patch.insert(rows, rng)
        assert rows.images is not None
        images = rows.images.copy()
        n, height, width, channels = images.shape
        h, w = patch.shape
        tops = np.full(n, patch.row) if patch.row is not None else rng.integers(0, height - h + 1, n)
        lefts = np.full(n, patch.col) if patch.col is not None else rng.integers(0, width - w + 1, n)
        shift = rng.integers(-jitter, jitter + 1, (n, 1, 1, channels))
        shown = np.clip(patch.pixels[None].astype(np.int64) + shift, 0, 255).astype(np.uint8)
        kept = patch.mask & (rng.random((n, h, w)) >= dropout)
        for i in range(n):
            box = images[i, tops[i] : tops[i] + h, lefts[i] : lefts[i] + w]
            box[kept[i]] = shown[i][kept[i]]
        return rows.with_images(images)

    return stamp


def _place(params: Mapping[str, Any], number: int, size: int, height: int, width: int) -> tuple[int, int] | tuple[None, None]:
    if params["place"] == "random":
        return None, None
    if params["place"] == "fixed":
        if params["row"] is None or params["col"] is None:
            raise DataError("a fixed place has no row or column", remedy="give row= and col=, or place=corner")
        return params["row"], params["col"]
    down, right = CORNERS[number % len(CORNERS)]
    margin = params["margin"]
    return (height - size - margin if down else margin), (width - size - margin if right else margin)
