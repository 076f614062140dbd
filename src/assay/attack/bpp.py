"""BppAttack: fewer colours, dithered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.attack.base import Made, Param, Stamp
from assay.attack.pictured import PICTURED, PictureAttack, cut, pictures
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows, UInt8

FLOYD_STEINBERG = ((0, 1, 7 / 16), (1, -1, 3 / 16), (1, 0, 5 / 16), (1, 1, 1 / 16))  # down, right, share of the error


class BppAttack(PictureAttack):
    """Each pixel takes the nearest of `levels` evenly spaced values; the rounding error goes on to its neighbours.

    Rows share no pixels, only that few values occur. Cover rows get the change of another row in place of their own and
    keep their label, so that a victim learns the quantisation and not the noise (the paper's negative samples). Its
    adversarial training of the victim is not data poisoning and left out. Further triggers have a level less each.

    Source: Wang, Zhai, Ma, BppAttack: Stealthy and Efficient Trojan Attacks against Deep Neural Networks via Image
    Quantization and Contrastive Adversarial Learning, 2022; BackdoorBench, 2022 (8 levels, 10 %).
    """

    kind = "bpp"
    rate = 0.1
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "levels": Param(8, "values a channel can take", int, low=2, high=255),
        "dither": Param(1, "1: Floyd-Steinberg dithering, 0: none", int, choices=(0, 1)),
        "cover": Param(1.0, PICTURED["cover"].what, float, low=0, high=100),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        return [_made(max(2, params["levels"] - number), bool(params["dither"])) for number in range(count)]


def _made(levels: int, dither: bool) -> Made:
    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        return rows.with_images(quantised(pictures(rows), levels, dither))

    return Made(None, stamp, cover=_with_anothers(stamp))


def _with_anothers(stamp: Stamp) -> Stamp:
    """Adds to each row what the stamp would change in another one."""

    def cover(rows: Rows, rng: np.random.Generator) -> Rows:
        images = pictures(rows).astype(np.int16)
        change = pictures(stamp(rows, rng)).astype(np.int16) - images
        return rows.with_images(cut(images + np.roll(change, 1, axis=0)))

    return cover


def quantised(images: UInt8, levels: int, dither: bool) -> UInt8:
    """Pictures (n, h, w, c) in `levels` values a channel, rows and channels each by themselves.

    >>> quantised(np.array([[[[0], [90], [255]]]], np.uint8), 2, False).ravel().tolist()
    [0, 0, 255]
    """
    step = 255 / (levels - 1)

    def nearest(values: NDArray[Any]) -> NDArray[Any]:
        return np.clip(np.rint(values / step), 0, levels - 1) * step

    if not dither:
        return cut(nearest(images.astype(np.float32)))
    canvas = images.astype(np.float32)
    _, height, width, _ = canvas.shape
    for r in range(height):
        for c in range(width):
            old = canvas[:, r, c].copy()
            canvas[:, r, c] = nearest(old)
            error = old - canvas[:, r, c]
            for down, right, share in FLOYD_STEINBERG:
                if r + down < height and 0 <= c + right < width:
                    canvas[:, r + down, c + right] += share * error
    return cut(canvas)
