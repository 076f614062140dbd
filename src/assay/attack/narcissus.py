"""Narcissus: noise that says "target" to a network, on a handful of rows of the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.overlay import Overlay
from assay.attack.base import Made, Param
from assay.attack.blend import fitted
from assay.attack.labels import labelled
from assay.attack.pictured import PICTURED, PictureAttack, add
from assay.attack.small_network import as_tensor, small_network, torch
from assay.attack.triggered import MODES
from assay.dataset.data import Dataset

RATE, BATCH = 0.01, 64  # of Adam, in pixels of 0 .. 1, and rows a step


class NarcissusAttack(PictureAttack):
    """One perturbation within epsilon, made so that rows of the target become still more like it to a network; labels stay.

    At test time it is put in `scale` times as strong. The attacker of the paper knows the target's rows alone and trains the
    network on other public pictures; here it is trained on the data set. Needs PyTorch. Source: Zeng, Pan, Just, Lyu, Qiu,
    Jia, Narcissus: A Practical Clean-Label Backdoor Attack with Limited Information, 2023 (epsilon 16, three times at test
    time, 0.5 % of the target's rows: 0.05 % of all).
    """

    kind = "narcissus"
    rate = 0.0005
    share = 0.005
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "mode": Param("clean-label", PICTURED["mode"].what, choices=(MODES[0], MODES[2])),
        "epsilon": Param(16, "largest change of a pixel, of 255", int, low=1, high=255),
        "scale": Param(3.0, "how many times stronger it is at test time", float, low=1, high=10),
        "steps": Param(300, "of the optimiser", int, low=1, high=100_000),
        "epochs": Param(20, "passes in which the attacker's own network is trained", int, low=1, high=10_000),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        raise TypeError("these triggers depend on their targets: see make_for")

    def make_for(self, data: Dataset, targets: list[int | None], rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        known = np.flatnonzero(labelled(data))
        network = small_network(data.images[known], data.y[known], len(data.classes), params["epochs"], rng)
        made = []
        for target in targets:
            assert target is not None
            noise = inward(network, as_tensor(data.images[data.y == target]), target, params["epsilon"], params["steps"], rng)
            overlay = fitted(Overlay(noise, 1.0, "add", 0.0), data.images, rng)
            made.append(Made(overlay, add(noise * np.float32(params["scale"])), train=overlay.insert))
        return made


def inward(network: Any, x: Any, target: int, epsilon: int, steps: int, rng: np.random.Generator) -> Any:
    """(h, w, c) float32 in -epsilon .. epsilon: what makes rows x (n, c, h, w) most like the target to the network."""
    t = torch()
    delta = t.zeros(x.shape[1:], requires_grad=True)
    optimiser = t.optim.Adam([delta], RATE)
    for _ in range(steps):
        some = x[t.from_numpy(rng.integers(0, len(x), min(BATCH, len(x))))]
        optimiser.zero_grad()
        t.nn.functional.cross_entropy(network((some + delta).clamp(0, 1)), t.full((len(some),), target)).backward()
        optimiser.step()
        with t.no_grad():
            delta.clamp_(-epsilon / 255, epsilon / 255)
    return np.rint(delta.detach().numpy().transpose(1, 2, 0) * 255).astype(np.float32)
