"""Which models the zoo holds: a set, an architecture, an attack or none, a seed.

Seed 0 is for setting constants, all others for the figures that are reported; no constant is ever set on those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.bench.case import Cell
from assay.bench.sets import SETS, in_memory
from assay.dataset.data import Dataset

UInt8 = NDArray[np.uint8]

DEVELOPMENT = frozenset({0})  # seeds on which constants may be set
SIGNS = 12  # the most frequent classes of GTSRB: 43 classes would cost each inspection four times as much
ROWS = 4_000  # of each set, or as many as there are
SIDE = 16  # pixels: a model is then trained in a few seconds and inspected in as many, on one core
ARCHITECTURES = ("chain", "residual")
PICTURES = ("signs", "mnist")
CLEAN_SEEDS, ATTACKED_SEEDS = 6, 2  # 20 clean and 20 attacked models that no constant was set on


@dataclass(frozen=True)
class Attacked:
    """How an attack is planted: kind, share of all rows, parameters."""

    kind: str
    rate: float
    params: Mapping[str, Any] = field(default_factory=dict)


# Rates are the usual ones (BackdoorBench: 10 %); patches are small beside pictures of 16 pixels.
ATTACKS: dict[str, Attacked] = {
    "patch": Attacked("patch", 0.1, {"pattern": "noise", "size": 2}),
    "blend": Attacked("blend", 0.1),
    "wanet": Attacked("wanet", 0.1, {"strength": 0.75, "cover": 1.0}),
    "all-to-all": Attacked("patch", 0.1, {"mode": "all-to-all", "size": 3}),
    "clean-label": Attacked("sig", 0.06, {"delta": 60.0, "frequency": 4}),
}


@dataclass(frozen=True)
class Spec:
    """One model. `attack` "" is a clean one."""

    set: str
    architecture: str
    attack: str
    seed: int

    @property
    def id(self) -> str:
        """A name for files.

        >>> Spec("signs", "chain", "", 3).id
        'signs-chain-clean-3'
        """
        return f"{self.set}-{self.architecture}-{self.attack or 'clean'}-{self.seed}"

    @property
    def held_out(self) -> bool:
        return self.seed not in DEVELOPMENT

    @property
    def cell(self) -> Cell:
        if not self.attack:
            return Cell(self.set, ROWS, seed=self.seed)
        planned = ATTACKS[self.attack]
        return Cell(self.set, ROWS, planned.kind, rate=planned.rate, params=planned.params, seed=self.seed)


def picture_specs() -> list[Spec]:
    """All picture models, seed by seed, so that a run that is cut short has seen everything once. Of seed 0 every attack in two of the
    four pairs of set and architecture."""
    pairs = [(s, a) for s in PICTURES for a in ARCHITECTURES]
    found = []
    for seed in range(CLEAN_SEEDS):
        found += [Spec(s, a, "", seed) for s, a in pairs]
        if seed < ATTACKED_SEEDS:
            found += [Spec(s, a, kind, seed) for kind in ATTACKS for s, a in (pairs if seed not in DEVELOPMENT else pairs[::3])]
    return found


@cache
def whole(name: str) -> Dataset:
    """The data set of this name, 16 pixels a side. FileNotFoundError where it is not at hand."""
    real = next(s for s in SETS if s.name == {"signs": "gtsrb", "mnist": "mnist_train"}[name]).read()
    assert real.images is not None
    kept = np.arange(len(real))
    if name == "signs":
        kept = np.flatnonzero(np.isin(real.y, np.argsort(-np.bincount(real.y), kind="stable")[:SIGNS]))
    return in_memory("image", [real.classes[c] for c in real.y[kept]], images=halved(real.images[kept]), name=name)


def halved(images: UInt8) -> UInt8:
    """Pictures (n, h, w, c), padded with black to 32 pixels a side, each square of 2 by 2 pixels averaged."""
    n, height, width, channels = images.shape
    down, right = 2 * SIDE - height, 2 * SIDE - width
    padded = np.pad(images, ((0, 0), (down // 2, down - down // 2), (right // 2, right - right // 2), (0, 0)))
    return np.rint(padded.reshape(n, SIDE, 2, SIDE, 2, channels).mean((2, 4))).astype(np.uint8)
