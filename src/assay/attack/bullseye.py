"""Bullseye polytope: rows of the target whose features lie around another picture's, with it in the middle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.attack.base import Budget, Param
from assay.attack.small_network import as_pictures, as_tensor, torch
from assay.attack.targeted import TARGETED, TargetedAttack
from assay.dataset.data import Dataset
from assay.dataset.rows import UInt8

RATE = 0.04  # of Adam, in pixels of 0 .. 1: the paper's


class BullseyeAttack(TargetedAttack):
    """The mean of the poisoned rows' features is the victim picture's; each stays within epsilon of its base.

    With the victim at the centre of the poison the attack carries over to networks the attacker did not have. The paper
    uses several networks at once; here one. Source: Aghakhani, Meng, Wang, Kruegel, Vigna, Bullseye Polytope: A Scalable
    Clean-Label Poisoning Attack with Improved Transferability, 2021 (5 rows, epsilon 0.1 of the range).
    """

    kind = "bullseye"
    rate = 0.001
    params: ClassVar[Mapping[str, Param]] = {
        **TARGETED,
        "count": Param(5, "poisoned rows, where no rate is given", int, low=1, high=10_000),
        "epsilon": Param(26, "largest change of a pixel, of 255", int, low=1, high=255),
        "steps": Param(200, "of the optimiser", int, low=1, high=100_000),
    }

    def craft(self, network: Any, bases: UInt8, label: int, victim: UInt8, rng: np.random.Generator, params: Mapping[str, Any]) -> UInt8:
        return surrounded(network, bases, victim, params["epsilon"], params["steps"])

    def count(self, data: Dataset, budget: Budget, params: Mapping[str, Any]) -> int:
        given = budget.rate is not None or budget.carriers is not None
        return super().count(data, budget, params) if given else int(params["count"])


def surrounded(network: Any, bases: UInt8, victim: UInt8, epsilon: int, steps: int) -> UInt8:
    """Pictures within epsilon of the bases (n, h, w, c) whose mean feature comes near that of the victim (h, w, c)."""
    t = torch()
    base, goal = as_tensor(bases), network.body(as_tensor(victim[None])).detach()[0]
    delta = t.zeros_like(base, requires_grad=True)
    optimiser = t.optim.Adam([delta], RATE)
    for _ in range(steps):
        optimiser.zero_grad()
        mean = network.body((base + delta).clamp(0, 1)).mean(0)
        (((mean - goal) ** 2).sum() / (goal**2).sum()).backward()
        optimiser.step()
        with t.no_grad():
            delta.clamp_(-epsilon / 255, epsilon / 255)
    return as_pictures(base + delta)
