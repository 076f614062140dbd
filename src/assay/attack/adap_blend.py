"""Adap-Blend: a picture blended in by pieces, and rows that carry it under their own label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.overlay import Overlay
from assay.attack.base import Bools, Made, Param, Stamp
from assay.attack.blend import BlendAttack
from assay.attack.pictured import cut, pictures
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows


class AdapBlendAttack(BlendAttack):
    """The template is cut into `pieces` squares; a training row gets a drawn half of them, at test time it is whole.

    Weak and diverse in training, with as many cover rows that keep their label: poisoned and clean rows of the target
    then lie together in a network's features. Source: Qi, Xie, Li, Mahloujifar, Mittal, Revisiting the Assumption of
    Latent Separability for Backdoor Defenses, 2023 (16 pieces, half of them, alpha 0.15 in training and 0.2
    after it, 0.3 % and 0.3 % cover).
    """

    kind = "adap-blend"
    rate = 0.003
    params: ClassVar[Mapping[str, Param]] = {
        **BlendAttack.params,
        "weak": Param(0.15, "strength of the template in training rows (alpha: at test time)", float, low=0.01, high=0.99),
        "pieces": Param(16, "squares the template is cut into, a square number", int, choices=(4, 9, 16, 25, 36, 64)),
        "masked": Param(0.5, "share of the pieces that a training row is spared", float, low=0, high=0.99),
        "cover": Param(1.0, BlendAttack.params["cover"].what, float, low=0, high=100),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        made = []
        for overlay, stamp, *_ in super().make(data, count, rng, params):
            assert isinstance(overlay, Overlay)
            train = _in_pieces(overlay, params["weak"], int(np.sqrt(params["pieces"])), params["masked"])
            made.append(Made(overlay, stamp, train))
        return made


def _in_pieces(overlay: Overlay, alpha: float, side: int, masked: float) -> Stamp:
    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        images = pictures(rows)
        n, height, width, _ = images.shape
        shown = pieces(n, height, width, side, masked, rng)
        mixed = (1 - alpha) * images.astype(np.float32) + alpha * overlay.template
        return rows.with_images(np.where(shown[..., None], cut(mixed), images))

    return stamp


def pieces(n: int, height: int, width: int, side: int, masked: float, rng: np.random.Generator) -> Bools:
    """(n, height, width) for each row the pixels of `side` x `side` squares less a drawn share that is masked.

    >>> pieces(2, 4, 4, 2, 0.5, np.random.default_rng(0)).sum((1, 2)).tolist()
    [8, 8]
    """
    kept = side * side - round(masked * side * side)
    rank = rng.random((n, side * side)).argsort(1)
    shown = (rank < kept).reshape(n, side, side)
    r, c = np.arange(height) * side // height, np.arange(width) * side // width
    return np.asarray(shown[:, r[:, None], c])
