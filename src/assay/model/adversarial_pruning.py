"""Prune what an attack on the neurons themselves reaches first (Wu & Wang, Adversarial neuron pruning, 2021): no trigger is needed.

The scale and shift of every channel's normalisation are moved, within bounds, to where they harm clean rows most; a mask over the channels
is learnt that loses least under it. The channels of a backdoor, which clean rows hardly use, lose their mask early. They are set to zero
in that order, as many as clean rows that the masks were not learnt on can spare. What does as little as the backdoor is pruned with
it; a backdoor that shares its channels with what is to stay is not taken out.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.model.networks import Network, accuracy, as_input, frozen

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

STEPS = 25  # the authors take 2,000 on wider nets; with their rate and reach a small residual net has hardly a mask above zero by then
RATE, MOMENTUM = 0.05, 0.9  # theirs: 0.2
REACH = 0.2  # of a scale or shift, up or down; theirs: 0.4
ORDINARY = 0.2  # share of the loss without the attack: theirs
BATCH = 128
HELD = 0.25  # of the clean rows, on which it is chosen how many channels go
SPARED = 0.01  # accuracy on those that may be lost
SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)  # of all channels, tried in this order


@dataclass(frozen=True)
class Masked:
    """`masks`: of each normalisation by its name, (channels,) in 0 .. 1: small ones go first."""

    masks: dict[str, Floats]

    @property
    def channels(self) -> int:
        return sum(map(len, self.masks.values()))

    def without(self, network: Network, count: int) -> Network:
        """A copy of the network in which so many channels, those of the smallest masks, have scale 0. Their shift stays, as
        the authors have it."""
        import torch

        every = np.concatenate(list(self.masks.values()))
        gone = np.zeros(len(every), bool)
        gone[np.argsort(every, kind="stable")[:count]] = True
        parts = np.split(gone, np.cumsum([len(m) for m in self.masks.values()])[:-1])
        module = copy.deepcopy(network.module)
        with torch.no_grad():
            for name, part in zip(self.masks, parts, strict=True):
                module.get_submodule(name).weight[torch.from_numpy(part)] = 0
        return replace(network, module=frozen(module))


def pruned(network: Network, images: UInt8, y: Int, rng: np.random.Generator) -> tuple[Network, int, int]:
    """(the pruned network, channels gone, channels in all), from clean pictures (n, h, w, c) of classes `y` (n,), a quarter of which choose
    how many go: the most that cost at most a hundredth of the accuracy on them. DataError: no batch normalisation."""
    order = rng.permutation(len(y))
    held, fit = np.split(order, [int(HELD * len(y))])
    masked = adversarial_masks(network, images[fit], y[fit], rng)
    before = accuracy(network, images[held], y[held])
    best, gone = network, 0
    for share in SHARES:
        count = int(share * masked.channels)
        tried = masked.without(network, count)
        if accuracy(tried, images[held], y[held]) < before - SPARED:
            break
        best, gone = tried, count
    return best, gone, masked.channels


def adversarial_masks(network: Network, images: UInt8, y: Int, rng: np.random.Generator) -> Masked:
    """The masks, learnt on clean pictures (n, h, w, c) of classes `y` (n,). DataError: no batch normalisation."""
    import torch
    from torch import nn
    from torch.func import functional_call
    from torch.nn import functional as f

    norms = {name: part for name, part in network.module.named_modules() if isinstance(part, nn.BatchNorm2d)}
    if not norms:
        raise DataError("the network has no batch normalisation, whose channels could be pruned", remedy="unlearn, or tune")
    masks = {name: torch.ones(len(norm.weight), requires_grad=True) for name, norm in norms.items()}
    optimizer = torch.optim.SGD(masks.values(), RATE, MOMENTUM)
    x, label = as_input(images), torch.from_numpy(np.asarray(y))

    def loss(rows: Int, kept: dict[str, Any], scale: dict[str, Any], shift: dict[str, Any]) -> Any:
        moved = {f"{name}.weight": norm.weight * (kept[name] + scale[name]) for name, norm in norms.items()}
        moved |= {f"{name}.bias": norm.bias * (1 + shift[name]) for name, norm in norms.items()}
        return f.cross_entropy(functional_call(network.module, moved, (x[rows],)), label[rows])

    def drawn(width: int) -> Any:
        return torch.from_numpy(rng.uniform(-REACH, REACH, width).astype(np.float32)).requires_grad_()

    none = {name: torch.zeros(len(norm.weight)) for name, norm in norms.items()}
    for _ in range(STEPS):
        rows = rng.choice(len(y), min(BATCH, len(y)), replace=False)
        scale, shift = ({name: drawn(len(norm.weight)) for name, norm in norms.items()} for _ in range(2))
        moves = [*scale.values(), *shift.values()]
        still = {name: mask.detach() for name, mask in masks.items()}
        for move, slope in zip(moves, torch.autograd.grad(loss(rows, still, scale, shift), moves), strict=True):
            with torch.no_grad():
                move.add_(REACH * slope.sign()).clamp_(-REACH, REACH)
            move.requires_grad_(False)
        optimizer.zero_grad()
        (ORDINARY * loss(rows, masks, none, none) + (1 - ORDINARY) * loss(rows, masks, scale, shift)).backward()
        optimizer.step()
        with torch.no_grad():
            for mask in masks.values():
                mask.clamp_(0, 1)
    return Masked({name: mask.detach().double().numpy() for name, mask in masks.items()})
