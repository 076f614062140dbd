"""Poison drills while a network learns: triggers put into rows that keep their true class, and adversarial examples, so that neither works
later.

Poison ties a trigger to a wrong class; a drill shows the network triggers of the same kind in rows of every class, rightly labelled, so
that no such feature tells anything (after Geiping et al. 2021, "What doesn't kill you makes you robust(er)", who train on poisons of the
attack itself). What it cannot do: a trigger of a kind that was not drilled is learnt as before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from assay.harden.adversarial import REACH, judging, pgd

COARSE = 8  # squares a side of a veil: coarse enough that pooling does not wash it out
VEIL = 0.15  # what blended triggers commonly weigh (Chen et al. 2017: 0.2 and less)

Stamp = Callable[[Any, np.random.Generator], Any]  # inputs (m, ...) as the network takes them -> the same with a trigger in


@dataclass(frozen=True)
class Drill:
    """`stamps`: triggers to put in, one drawn a batch, into the share `triggered` of its rows. `attacked`: share of rows that are replaced
    by adversarial examples within `reach`, by `steps` of PGD (the budget: each costs a pass and a half). Both shares grow evenly over the
    first `ramp` epochs (the curriculum; 0: at once).
    """

    stamps: Sequence[Stamp] = ()
    triggered: float = 0.0
    attacked: float = 0.0
    reach: float = REACH
    steps: int = 5
    ramp: int = 3

    def batch(self, net: Any, x: Any, y: Any, epoch: int, rng: np.random.Generator) -> Any:
        """The batch (m, ...) as it is to be learnt in this epoch; labels stay."""
        grown = min(1.0, (epoch + 1) / self.ramp) if self.ramp else 1.0
        order = rng.permutation(len(x))
        first = round(grown * self.triggered * len(x)) if self.stamps else 0
        second = first + round(grown * self.attacked * len(x))
        stamped, fought = torch.from_numpy(order[:first]), torch.from_numpy(order[first:second])
        made = x.clone()
        if first:
            made[stamped] = self.stamps[int(rng.integers(len(self.stamps)))](x[stamped], rng)
        if second > first:
            with judging(net):
                made[fought] = pgd(net, x[fought], y[fought], self.reach, self.steps).to(x)
        return made


def on_pictures(stamp: Callable[[Any, np.random.Generator], Any]) -> Stamp:
    """A stamp for (m, c, h, w) in 0 .. 1 from one for uint8 pictures (m, h, w, c)."""

    def stamped(x: Any, rng: np.random.Generator) -> Any:
        pictures = (x.permute(0, 2, 3, 1).clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        return torch.from_numpy(np.ascontiguousarray(stamp(pictures, rng))).permute(0, 3, 1, 2).to(x) / 255

    return stamped


def squares(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures (m, h, w, c) with a square of 2 to 5 pixels, of two colours, at a place drawn anew for each batch: blind to any attack."""
    height, width, channels = images.shape[1:]
    side = min(int(rng.integers(2, 6)), height - 1, width - 1)
    top, left = rng.integers(0, height - side), rng.integers(0, width - side)
    made = images.copy()
    pattern = np.where(rng.random((side, side, 1)) < 0.5, rng.integers(0, 256, channels), rng.integers(0, 256, channels))
    made[:, top : top + side, left : left + side] = pattern
    return made


def veils(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures (m, h, w, c) under a veil of smooth colour noise: COARSE squares a side, as VEIL of what is seen."""
    height, width, channels = images.shape[1:]
    coarse = rng.integers(0, 256, (COARSE, COARSE, channels))
    across, down = np.arange(width) * COARSE // width, np.arange(height) * COARSE // height
    return ((1 - VEIL) * images + VEIL * coarse[down[:, None], across]).astype(np.uint8)
