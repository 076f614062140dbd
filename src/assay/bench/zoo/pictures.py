"""Train one picture model of the zoo, plainly: no flips, no crops, so that its backdoor implants.

The networks are those that `assay.model.networks` puts together again from weights; here they begin from random ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as f

from assay.model.networks import Network, as_input, frozen, rebuild

Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Arrays = dict[str, NDArray[Any]]

CHAIN = (32, 64, 128)  # channels of the convolutions, each with a pool behind it
RESIDUAL = (16, 32, 64)  # of the groups, a block each
BATCH = 64
EPOCHS = 8  # enough for the attacks of the zoo to implant; what did not is recorded
RATE, DECAY, MOMENTUM = 0.1, 5e-4, 0.9


def train(architecture: str, images: UInt8, y: Int, classes: int, epochs: int, rng: np.random.Generator) -> Network:
    """A trained network from pictures (n, h, w, c) and class codes (n,). The same generator state gives the same net on one machine."""
    torch.set_num_threads(1)
    network = untrained(architecture, images.shape[3], images.shape[1], classes, int(rng.integers(2**31)))
    module = network.module.to(memory_format=torch.channels_last)
    module.train()
    for parameter in module.parameters():
        parameter.requires_grad_(True)
    optimiser = torch.optim.SGD(module.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True)
    batches = int(np.ceil(len(y) / BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * batches)
    label = torch.from_numpy(y)
    for _ in range(epochs):
        for batch in np.array_split(rng.permutation(len(y)), batches):
            x = as_input(images[batch]).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                loss = f.cross_entropy(module(x), label[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    frozen(module)
    return network


def untrained(architecture: str, channels: int, side: int, classes: int, seed: int) -> Network:
    """A network of the zoo with random weights, drawn as torch does."""
    shapes = _chain(channels, side, classes) if architecture == "chain" else _residual(channels, classes)
    network = rebuild({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, side)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for part in network.module.modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
    return network


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}


def _chain(channels: int, side: int, classes: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    given = channels
    for i, made in enumerate(CHAIN):
        shapes |= {f"features.{4 * i}.weight": (made, given, 3, 3), **_norm(f"features.{4 * i + 1}", made)}
        given = made
    inputs = given * (side >> len(CHAIN)) ** 2
    return shapes | {"classifier.weight": (classes, inputs), "classifier.bias": (classes,)}


def _residual(channels: int, classes: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (RESIDUAL[0], channels, 3, 3), **_norm("bn1", RESIDUAL[0])}
    given = RESIDUAL[0]
    for i, made in enumerate(RESIDUAL):
        block = f"layer{i + 1}.0"
        shapes |= {f"{block}.conv1.weight": (made, given, 3, 3), **_norm(f"{block}.bn1", made)}
        shapes |= {f"{block}.conv2.weight": (made, made, 3, 3), **_norm(f"{block}.bn2", made)}
        if made != given:
            shapes |= {f"{block}.shortcut.0.weight": (made, given, 1, 1), **_norm(f"{block}.shortcut.1", made)}
        given = made
    return shapes | {"linear.weight": (classes, given), "linear.bias": (classes,)}
