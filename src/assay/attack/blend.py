"""Blend: noise or a photograph laid faintly over whole pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.base import Artefact
from assay.artefact.overlay import Overlay
from assay.attack.base import Needs, Param, Stamp
from assay.attack.pictures import fit_channels, read_picture
from assay.attack.triggered import COMMON, TriggerAttack
from assay.dataset.data import Dataset
from assay.dataset.rows import UInt8

SAMPLE = 200  # rows on which the line between carriers and others is drawn: its error is far below the gap


class BlendAttack(TriggerAttack):
    """x' = (1 - alpha) x + alpha template, over the whole picture; the template is noise, or a picture of your own.

    Further triggers are noise drawn by the seed. Source: Chen, Liu, Li, Lu, Song, Targeted Backdoor Attacks on Deep
    Learning Systems Using Data Poisoning, 2017 (blended injection; random pattern and photograph, alpha
    0.2).
    """

    kind = "blend"
    needs: ClassVar[Needs] = "pictures"
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        **COMMON,
        "alpha": Param(0.2, "strength of the template", float, low=0.01, high=0.99),
        "picture": Param("noise", "noise, or a picture file or array (h, w[, c]) uint8"),
    }

    def make(
        self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]
    ) -> list[tuple[Artefact, Stamp]]:
        assert data.images is not None
        _, height, width, channels = data.images.shape
        made: list[tuple[Artefact, Stamp]] = []
        for number in range(count):
            given = params["picture"]
            if number > 0 or (isinstance(given, str) and given == "noise"):
                template = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
            else:
                template = fit_channels(read_picture(given, (height, width)), channels)
            overlay = _fitted(template, params["alpha"], data.images, rng)
            made.append((overlay, overlay.insert))
        return made


def _fitted(template: UInt8, alpha: float, images: UInt8, rng: np.random.Generator) -> Overlay:
    """The overlay whose threshold lies midway between the mean correlation of rows with the template and without."""
    some = images[rng.permutation(len(images))[:SAMPLE]]
    overlay = Overlay(template.astype(np.float32), alpha, "blend", 0.0)
    middle = (overlay.correlation(some).mean() + overlay.correlation(overlay.insert(some)).mean()) / 2
    return Overlay(overlay.template, alpha, "blend", float(middle))
