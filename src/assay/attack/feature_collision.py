"""Feature collision: rows of the target that a network sees as another picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.attack.base import Budget, Param
from assay.attack.small_network import as_pictures, as_tensor, torch
from assay.attack.targeted import TARGETED, TargetedAttack
from assay.dataset.data import Dataset
from assay.dataset.rows import UInt8

RATE = 0.01  # of Adam, in pixels of 0 .. 1


class FeatureCollisionAttack(TargetedAttack):
    """Each poisoned picture stays near its base in pixels and comes near the victim picture in the network's features.

    It works on a victim who takes over the features and retrains the last layer; one row can do there. Minimised is
    |f(x) - f(t)|^2 / |f(t)|^2 + beta mean (x - b)^2, by Adam; the paper takes forward-backward steps. Source: Shafahi,
    Huang, Najibi, Suciu, Studer, Dumitras, Goldstein, Poison Frogs! Targeted Clean-Label Poisoning Attacks on Neural
    Networks, 2018.
    """

    kind = "feature-collision"
    rate = 0.001
    params: ClassVar[Mapping[str, Param]] = {
        **TARGETED,
        "beta": Param(1.0, "weight of staying near the base", float, low=0, high=1e6),
        "steps": Param(200, "of the optimiser", int, low=1, high=100_000),
    }

    def craft(self, network: Any, bases: UInt8, label: int, victim: UInt8, rng: np.random.Generator, params: Mapping[str, Any]) -> UInt8:
        return collided(network, bases, victim, params["beta"], params["steps"])

    def count(self, data: Dataset, budget: Budget, params: Mapping[str, Any]) -> int:
        given = budget.rate is not None or budget.carriers is not None
        return super().count(data, budget, params) if given else 1


def collided(network: Any, bases: UInt8, victim: UInt8, beta: float, steps: int) -> UInt8:
    """Pictures near the bases (n, h, w, c) in pixels and near the victim (h, w, c) in features."""
    t = torch()
    base, goal = as_tensor(bases), network.body(as_tensor(victim[None])).detach()
    x = base.clone().requires_grad_(True)
    optimiser = t.optim.Adam([x], RATE)
    for _ in range(steps):
        optimiser.zero_grad()
        apart = ((network.body(x) - goal) ** 2).sum(1) / (goal**2).sum()
        moved = ((x - base) ** 2).flatten(1).mean(1)
        (apart + beta * moved).sum().backward()
        optimiser.step()
        with t.no_grad():
            x.clamp_(0, 1)
    return as_pictures(x)
