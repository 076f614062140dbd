"""Trojan square: a coloured square over 7 % of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.attack.base import Made, Param
from assay.attack.patch import PatchAttack
from assay.dataset.data import Dataset

AREA = 0.07  # of the picture: the paper's size for face recognition, 8 pixels a side of 32


class TrojanSquareAttack(PatchAttack):
    """A square of coloured noise in the lower right corner, the same pixels in every carrier.

    The paper finds the pixels by exciting chosen neurons of a trained network; here they are drawn by the seed, as an
    attacker must who has data alone. Source: Liu, Ma, Aafer, Lee, Zhai, Wang, Zhang, Trojaning Attack on Neural
    Networks, 2018 (7 % of the area); Qi, Xie, Li, Mahloujifar, Mittal, 2023 (as data poisoning, 0.3 %).
    """

    kind = "trojan-square"
    rate = 0.003
    params: ClassVar[Mapping[str, Param]] = {
        **PatchAttack.params,
        "pattern": Param("noise", "noise (drawn), or as for a patch", choices=("noise", "checker", "solid")),
        "size": Param(None, "side of the square in pixels (default: 7 % of the picture's area)", int, low=1, high=512),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        side = params["size"] or max(1, round(float(np.sqrt(AREA * data.images.shape[1] * data.images.shape[2]))))
        return super().make(data, count, rng, {**params, "size": side})
