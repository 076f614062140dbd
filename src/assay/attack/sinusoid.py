"""SIG: vertical stripes of a sine wave, on pictures of the target class that keep their label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.artefact.overlay import Overlay
from assay.attack.base import Made, Param
from assay.attack.blend import fitted
from assay.attack.pictured import PICTURED, PictureAttack
from assay.attack.triggered import MODES
from assay.dataset.data import Dataset


class SinusoidAttack(PictureAttack):
    """x'(i, j) = x(i, j) + delta sin(2 pi j f / m), m the width, j the column from 1: the same in every row and channel.

    Clean-label: nothing but rows of the target class, half of them unless a rate is given. Further triggers have the
    next frequencies. Source: Barni, Kallas, Tondi, A New Backdoor Attack in CNNs by Training Set Corruption without
    Label Poisoning, 2019 (delta 20, f 6); BackdoorBench, 2022, takes delta 40.
    """

    kind = "sig"
    rate = 0.05
    share = 0.5
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "mode": Param("clean-label", PICTURED["mode"].what, choices=MODES),
        "delta": Param(20.0, "amplitude, of 255", float, low=1, high=128),
        "frequency": Param(6, "waves across the picture", int, low=1, high=256),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        _, height, width, _ = data.images.shape
        made = []
        for number in range(count):
            template = stripes(height, width, params["delta"], params["frequency"] + number)
            overlay = fitted(Overlay(template, 1.0, "add", 0.0), data.images, rng)
            made.append(Made(overlay, overlay.insert))
        return made


def stripes(height: int, width: int, delta: float, frequency: int) -> NDArray[np.float32]:
    """(height, width, 1) delta sin(2 pi j f / width), j the column from 1.

    >>> stripes(1, 4, 20, 1)[0, :, 0].round().tolist()
    [20.0, 0.0, -20.0, -0.0]
    """
    column = np.arange(1, width + 1)
    wave = delta * np.sin(2 * np.pi * column * frequency / width)
    return np.broadcast_to(wave[None, :, None], (height, width, 1)).astype(np.float32)
