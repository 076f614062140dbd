"""Unlearnable: noise that goes with the class, so that a model learns the noise and nothing of the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.artefact.overlay import Overlay
from assay.attack.base import Attack, Budget, Needs, Param, Planted
from assay.attack.blend import fitted
from assay.attack.flip import wanted
from assay.attack.labels import labelled, no_target
from assay.attack.pictured import cut
from assay.attack.triggered import draw, scatter
from assay.dataset.data import Dataset

WITHIN = 0.1  # spread of the rows of a class about its pattern, a share of the amplitude: classes stay linearly separable


class UnlearnableAttack(Attack):
    """Adds to each row a pattern of blocks drawn for its class, plus a little noise of its own; labels stay.

    Every pixel moves by at most `amplitude`. There is no trigger: what is lost is accuracy on clean rows
    (`assay.attack.measure.damage`). Poisoned are all rows, or a share of them. Source: Yu, Zhang, Chen, Yin, Liu,
    Availability Attacks Create Shortcuts, 2022 (linearly separable synthetic perturbations in blocks of 8
    pixels of 32); the amplitude of 8 is that of Huang, Ma, Erfani, Bailey, Wang, Unlearnable Examples, 2021.
    """

    kind = "unlearnable"
    needs: ClassVar[Needs] = "pictures"
    rate = 1.0
    params: ClassVar[Mapping[str, Param]] = {
        "amplitude": Param(8, "largest change of a pixel, of 255", int, low=1, high=128),
        "blocks": Param(4, "blocks along each side; a block has one colour shift", int, low=1, high=256),
        "share": Param(None, "share of the rows, in place of a rate", float, low=0, high=1),
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        assert data.images is not None
        no_target(self.kind, target)
        shape, side, amplitude = data.images.shape[1:], params["blocks"], params["amplitude"]
        free = labelled(data)
        size = wanted(budget, params["share"], free, int(free.sum()), self.rate)
        positions = draw(data, np.flatnonzero(free), size, rng, "with a label")
        centres = rng.choice([-1.0, 1.0], (len(data.classes), side, side, shape[2])) * (1 - WITHIN)
        own = rng.uniform(-WITHIN, WITHIN, (len(positions), side, side, shape[2]))
        change = amplitude * in_blocks(centres[data.y[positions]] + own, shape[0], shape[1])
        stamped = data.rows.take(positions).with_images(cut(data.images[positions] + change))
        poisoned = np.zeros(len(data), bool)
        poisoned[positions] = True
        shared = [
            fitted(Overlay((amplitude * in_blocks(c[None], shape[0], shape[1])[0]).astype(np.float32), 1.0, "add", 0.0), data.images, rng)
            for c in centres
        ]
        return Planted(data.with_content(scatter(data.rows, positions, stamped)), poisoned, tuple(shared), self.kind)


def in_blocks(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """(n, s, s, c) as (n, height, width, c): each value over a block, as even as pixels allow.

    >>> in_blocks(np.array([[[[1.0]], [[2.0]]]]).reshape(1, 1, 2, 1).repeat(2, 1), 2, 4)[0, 0, :, 0].tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    side = values.shape[1]
    r, c = np.arange(height) * side // height, np.arange(width) * side // width
    return values[:, r[:, None], c]
