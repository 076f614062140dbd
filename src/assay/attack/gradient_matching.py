"""Gradient matching (Witches' Brew): rows of the target that pull a network's weights as the mislabelled victim would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.attack.base import Param
from assay.attack.small_network import as_pictures, as_tensor, matched, parameter_gradient, torch
from assay.attack.targeted import TARGETED, TargetedAttack
from assay.dataset.rows import UInt8


class GradientMatchingAttack(TargetedAttack):
    """Perturbs rows within epsilon until their weight gradient points where that of (victim picture, target) does.

    It is made for victims trained from scratch. One restart and one network here; the paper has eight restarts and
    augmentation. Source: Geiping, Fowl, Huang, Czaja, Taylor, Moeller, Goldstein, Witches' Brew: Industrial Scale Data
    Poisoning via Gradient Matching, 2021 (1 % of the rows, epsilon 16, 250 steps of signed Adam).
    """

    kind = "gradient-matching"
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        **TARGETED,
        "epsilon": Param(16, "largest change of a pixel, of 255", int, low=1, high=255),
        "steps": Param(250, "of the optimiser", int, low=1, high=100_000),
    }

    def craft(self, network: Any, bases: UInt8, label: int, victim: UInt8, rng: np.random.Generator, params: Mapping[str, Any]) -> UInt8:
        wanted = parameter_gradient(network, as_tensor(victim[None]), torch().tensor([label]))
        delta = matched(network, bases, label, wanted, params["epsilon"], params["steps"], None, rng)
        return as_pictures(as_tensor(bases) + delta)
