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

from assay.harden.adversarial import REACH, judging, pgd

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
