"""Targeted attacks: a few rows of the target class, changed so that one picture, seen at test time, is taken for it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.attack.base import Attack, Budget, Needs, Param, Planted, Stamp, Trigger
from assay.attack.labels import choose_targets, labelled
from assay.attack.pictures import fit_channels, read_picture
from assay.attack.small_network import small_network
from assay.attack.triggered import draw, scatter
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows, UInt8

TARGETED = {
    "picture": Param(None, "the picture that is to be taken for the target: a file or array (default: a drawn row, mirrored)"),
    "epochs": Param(20, "passes in which the attacker's own network is trained", int, low=1, high=10_000),
}


class TargetedAttack(Attack):
    """Rows of the target class, labels kept, made with the gradients of a small network of the attacker's own.

    There is no trigger: the measure puts the one picture in the place of test rows, so a success rate is 0 or 1. Needs
    PyTorch. Poisoned rows share nothing that a person could see.
    """

    needs: ClassVar[Needs] = "pictures"

    @abstractmethod
    def craft(self, network: Any, bases: UInt8, label: int, victim: UInt8, rng: np.random.Generator, params: Mapping[str, Any]) -> UInt8:
        """The poisoned pictures in the place of `bases` (n, h, w, c); `victim` (h, w, c) is what they are made for."""

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        assert data.images is not None
        (to,) = choose_targets(data, target, 1, rng)
        victim = _victim(data, to, params["picture"], rng)
        size = self.count(data, budget, params)
        positions = draw(data, np.flatnonzero(data.y == to), size, rng, f"of class {data.classes[to]!r}")
        known = np.flatnonzero(labelled(data))
        network = small_network(data.images[known], data.y[known], len(data.classes), params["epochs"], rng)
        made = self.craft(network, data.images[positions], to, victim, rng, params)
        rows = scatter(data.rows, positions, data.rows.take(positions).with_images(made))
        which = np.full(len(data), -1)
        which[positions] = 0
        trigger = Trigger(None, _instead(victim), to)
        return Planted(data.with_content(rows), which >= 0, (), self.kind, (trigger,), which.astype(np.int64))

    def count(self, data: Dataset, budget: Budget, params: Mapping[str, Any]) -> int:
        """How many rows are poisoned."""
        return budget.count(len(data), self.rate)


def _victim(data: Dataset, target: int, given: Any, rng: np.random.Generator) -> UInt8:
    assert data.images is not None
    if given is not None:
        return fit_channels(read_picture(given, data.images.shape[1:3]), data.images.shape[3])
    others = draw(data, np.flatnonzero(labelled(data) & (data.y != target)), 1, rng, "of another class")
    return data.images[others[0]][:, ::-1].copy()


def _instead(victim: UInt8) -> Stamp:
    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        return rows.with_images(np.repeat(victim[None], len(rows), axis=0))

    return stamp
