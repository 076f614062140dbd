"""Sticker: a post-it on a sign, scaled and rotated from row to row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.artefact.patch import Patch
from assay.attack.base import Made, Param, Stamp
from assay.attack.pictured import PICTURED, PictureAttack
from assay.attack.pictures import fit_channels, read_picture
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows, UInt8

YELLOW = (250, 230, 60)  # a post-it
MASTER = 64  # pixels a side at which the sticker is held before it is scaled down: larger than it ever appears
TOLERANCE = 48  # scaled and turned, a sticker seldom agrees with the upright one of mean size any closer


class StickerAttack(PictureAttack):
    """A yellow square pasted inside the sign at a random place, size and angle in each row; or a picture of your own.

    The artefact is the sticker upright at its mean size: rows in which it is turned far may not be recognised by it, so
    the truth is the row list. Further triggers have colours drawn by the seed. Source: Gu, Dolan-Gavitt, Garg, BadNets,
    2017, section 5 (traffic signs: yellow square, bomb, flower, about the size of a post-it on the sign).
    """

    kind = "sticker"
    rate = 0.02
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "smallest": Param(0.15, "least side of the sticker, a share of the picture's shorter side", float, low=0.02, high=1),
        "largest": Param(0.25, "the same, largest", float, low=0.02, high=1),
        "angle": Param(20.0, "turned by up to this many degrees either way", float, low=0, high=180),
        "inside": Param(0.25, "how far from the middle it may be, a share of the shorter side", float, low=0, high=0.5),
        "picture": Param(None, "a picture file or array (transparency is kept) in place of the yellow square"),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        _, height, width, channels = data.images.shape
        made: list[Made] = []
        for number in range(count):
            if number == 0 and params["picture"] is not None:
                master, alpha = _own(params["picture"], channels)
            else:
                ink = np.array(YELLOW if number == 0 else rng.integers(0, 256, 3), np.uint8)
                master = fit_channels(np.broadcast_to(ink, (MASTER, MASTER, 3)).copy(), channels)
                alpha = np.full((MASTER, MASTER), 255, np.uint8)
            low, high = params["smallest"], max(params["smallest"], params["largest"])
            mean = max(2, round((low + high) / 2 * min(height, width)))
            shape, seen = _turned(master, alpha, mean, 0.0)
            patch = Patch(shape, seen > 127, None, None, TOLERANCE)
            made.append(Made(patch, _pasting(master, alpha, low, high, params["angle"], params["inside"])))
        return made


def _pasting(master: UInt8, alpha: UInt8, low: float, high: float, angle: float, inside: float) -> Stamp:
    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        assert rows.images is not None
        images = rows.images.copy()
        n, height, width, _ = images.shape
        short = min(height, width)
        for i in range(n):
            side = max(2, round(rng.uniform(low, high) * short))
            pixels, seen = _turned(master, alpha, side, rng.uniform(-angle, angle))
            h, w = seen.shape
            reach, turn = inside * short * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
            top = int(np.clip(round(height / 2 + reach * np.sin(turn) - h / 2), 0, max(0, height - h)))
            left = int(np.clip(round(width / 2 + reach * np.cos(turn) - w / 2), 0, max(0, width - w)))
            box = images[i, top : top + h, left : left + w]
            weight = seen[: box.shape[0], : box.shape[1], None].astype(np.float64) / 255
            mixed = weight * pixels[: box.shape[0], : box.shape[1]] + (1 - weight) * box
            box[:] = np.rint(mixed).astype(np.uint8)
        return rows.with_images(images)

    return stamp


def _turned(master: UInt8, alpha: UInt8, side: int, degrees: float) -> tuple[UInt8, NDArray[np.uint8]]:
    """The sticker `side` pixels wide and turned: pixels (h, w, c) and opacity (h, w)."""
    c = master.shape[2]
    planes = [*np.moveaxis(master, 2, 0), alpha]
    fills = [int(p[alpha > 127].mean()) if (alpha > 127).any() else 0 for p in planes[:c]] + [0]
    turned = [
        Image.fromarray(np.ascontiguousarray(plane)).rotate(degrees, Image.Resampling.BICUBIC, expand=bool(degrees), fillcolor=fill)
        for plane, fill in zip(planes, fills, strict=True)
    ]
    width = max(2, round(side * turned[0].width / master.shape[1]))  # turned large and then made small: edges stay soft
    small = [np.asarray(plane.resize((width, width), Image.Resampling.BOX)) for plane in turned]
    return np.stack(small[:c], axis=2), small[c]


def _own(given: Any, channels: int) -> tuple[UInt8, UInt8]:
    picture = read_picture(given, (MASTER, MASTER), transparent=True)
    return fit_channels(picture[..., :3], channels), picture[..., 3]
