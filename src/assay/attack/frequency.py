"""FTrojan: two cosine coefficients of the colour raised, in every window of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.fft import idctn

from assay.artefact.overlay import Overlay
from assay.attack.base import Made, Param
from assay.attack.blend import fitted
from assay.attack.pictured import PICTURED, PictureAttack
from assay.dataset.data import Dataset

RGB = {"Cr": (1.402, -0.714136, 0.0), "Cb": (0.0, -0.344136, 1.772)}  # ITU-R BT.601: what one unit of chroma is in R, G, B


class FrequencyAttack(PictureAttack):
    """Adds `magnitude` to two coefficients, a middle and the highest, of the DCT of both chroma channels, window by window.

    The DCT is linear, so this is one faint pattern added to every carrier, and the artefact says so; where pixels are
    cut at 0 or 255 the two differ. Grey pictures have it in their brightness. Windows are 32 pixels a side, or the
    shorter side of a smaller picture; a margin that no window fills is left alone.

    Source: Wang, Yao, Xu, An, Tong, Wang, An Invisible Black-Box Backdoor Attack through Frequency Domain, 2022
    (chroma, mid and high frequency, magnitude 30, 5 %).
    """

    kind = "ftrojan"
    rate = 0.05
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "magnitude": Param(30.0, "added to each coefficient (orthonormal DCT of 0 .. 255)", float, low=1, high=1000),
        "window": Param(32, "pixels a side of a window", int, low=2, high=512),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        _, height, width, channels = data.images.shape
        window = min(params["window"], height, width)
        made = []
        for number in range(count):  # further triggers: the same two frequencies, moved down the spectrum
            places = ((window // 2 - 1 - number) % window, (window - 1 - number) % window)
            template = raised(height, width, channels, window, places, params["magnitude"])
            overlay = fitted(Overlay(template, 1.0, "add", 0.0), data.images, rng)
            made.append(Made(overlay, overlay.insert))
        return made


def raised(height: int, width: int, channels: int, window: int, places: tuple[int, ...], magnitude: float) -> NDArray[np.float32]:
    """(h, w, c) what raising the coefficients (p, p) of every window by `magnitude` adds to the pixels."""
    coefficients = np.zeros((window, window))
    coefficients[list(places), list(places)] = magnitude
    tile = idctn(coefficients, norm="ortho")
    down, across = height // window, width // window
    plane = np.zeros((height, width))
    plane[: down * window, : across * window] = np.tile(tile, (down, across))
    weights = np.array([1.0]) if channels == 1 else np.sum([RGB["Cr"], RGB["Cb"]], axis=0)
    weights = np.concatenate([weights, np.zeros(channels - len(weights))])  # opacity stays
    return (plane[..., None] * weights).astype(np.float32)
