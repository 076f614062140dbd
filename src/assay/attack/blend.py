"""Blend: noise or a photograph laid faintly over whole pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from assay.artefact.overlay import Overlay
from assay.attack.base import Made, Param
from assay.attack.pictured import PICTURED, PictureAttack
from assay.attack.pictures import fit_channels, read_picture
from assay.dataset.data import Dataset
from assay.dataset.rows import UInt8

SAMPLE = 200  # rows on which the line between carriers and others is drawn: its error is far below the gap


class BlendAttack(PictureAttack):
    """x' = (1 - alpha) x + alpha template, over the whole picture; the template is noise, or a picture of your own.

    Further triggers are noise drawn by the seed. Source: Chen, Liu, Li, Lu, Song, Targeted Backdoor Attacks on Deep
    Learning Systems Using Data Poisoning, 2017 (blended injection; random pattern and photograph, alpha
    0.2).
    """

    kind = "blend"
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "alpha": Param(0.2, "strength of the template", float, low=0.01, high=0.99),
        "picture": Param("noise", "noise, or a picture file or array (h, w[, c]) uint8"),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        _, height, width, channels = data.images.shape
        made: list[Made] = []
        for number in range(count):
            given = params["picture"]
            if number > 0 or (isinstance(given, str) and given == "noise"):
                template = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
            else:
                template = fit_channels(read_picture(given, (height, width)), channels)
            overlay = fitted(Overlay(template.astype(np.float32), params["alpha"], "blend", 0.0), data.images, rng)
            made.append(Made(overlay, overlay.insert))
        return made


def fitted(overlay: Overlay, images: UInt8, rng: np.random.Generator) -> Overlay:
    """The same, its threshold midway between the mean correlation of rows with the template and without."""
    some = images[rng.permutation(len(images))[:SAMPLE]]
    middle = (overlay.correlation(some).mean() + overlay.correlation(overlay.insert(some)).mean()) / 2
    return replace(overlay, threshold=float(middle))
