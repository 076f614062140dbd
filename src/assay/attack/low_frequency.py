"""Low-frequency: a smooth pattern over the whole picture, with nothing sharp in it."""

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


class LowFrequencyAttack(PictureAttack):
    """x' = x + t, where t has only the lowest `band` x `band` cosine frequencies, the mean left out.

    The paper searches a smooth trigger that a network takes for the target; here the coefficients are drawn by the seed
    and scaled to an amplitude. A detector of high-frequency traces is blind to it, and so is `present` of the artefact,
    which looks at high frequencies: the row list is the truth. Source: Zeng, Park, Mao, Jia, Rethinking the Backdoor
    Attacks' Triggers: A Frequency Perspective, 2021.
    """

    kind = "low-frequency"
    rate = 0.05
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "amplitude": Param(16.0, "largest change of a pixel, of 255", float, low=1, high=128),
        "band": Param(4, "cosine frequencies along each side", int, low=2, high=64),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        made = []
        for _ in range(count):
            template = smooth(data.images.shape[1:], params["band"], params["amplitude"], rng)
            overlay = fitted(Overlay(template, 1.0, "add", 0.0), data.images, rng)
            made.append(Made(overlay, overlay.insert))
        return made


def smooth(shape: tuple[int, ...], band: int, amplitude: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """(h, w, c) drawn low frequencies, the largest value `amplitude`, the mean 0."""
    h, w, c = shape
    down, across = min(band, h), min(band, w)
    coefficients = np.zeros((h, w, c))
    coefficients[:down, :across] = rng.normal(size=(down, across, c))
    coefficients[0, 0] = 0
    template = idctn(coefficients, axes=(0, 1), norm="ortho")
    return (amplitude * template / np.abs(template).max()).astype(np.float32)
