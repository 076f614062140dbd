"""Two published ways to inspect a model, written here from their papers, beside which ours is judged on the zoo.

Neural Cleanse (Wang, Yao, Shan, Li, Viswanath, Zheng & Zhao, 2019): as published, but that a step is one batch and not a pass over
thirty, so that a model takes seconds; ART's own takes Keras models alone. MM-BD (Wang, Xiang, Miller & Kesidis, 2024): as published, with
a gamma law that begins at zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from assay.model.networks import Network, as_input, forward

Floats = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

# Neural Cleanse, the authors' settings
RATE, MOMENTA = 0.1, (0.5, 0.9)
ENOUGH, PATIENCE = 0.99, 5
PRICE, HARSHER = 1e-3, 2.0  # the price falls by HARSHER ** 1.5
BATCH, STEPS = 32, 200
OUTLYING = 2.0  # anomaly index
MAD = 1.4826  # a normal law's deviation over its median deviation

# MM-BD
STARTS, CLIMB, PACE = 10, 200, 0.02
LEVEL = 0.05


@dataclass(frozen=True)
class Judged:
    """`values` (classes,) the method's figure; `target`: the class that is accused, None: none; `score`: anomaly index, or p-value."""

    values: tuple[float, ...]
    score: float
    target: int | None

    def to_json(self) -> dict[str, Any]:
        return {"values": list(self.values), "score": self.score, "target": self.target}


def neural_cleanse(network: Network, images: UInt8, rng: np.random.Generator, steps: int = STEPS) -> Judged:
    """The L1 norm of the smallest mask of each class, from clean pictures (n, h, w, c)."""
    import torch
    from torch.nn import functional as f

    k, side = network.classes, network.size
    x = as_input(images)
    raw = torch.from_numpy(np.arctanh(rng.uniform(-0.999, 0.999, (k, 1, 1, side, side))).astype(np.float32)).requires_grad_()
    ink = torch.from_numpy(np.arctanh(rng.uniform(-0.999, 0.999, (k, 1, network.channels, side, side))).astype(np.float32)).requires_grad_()
    optimizer = torch.optim.Adam([raw, ink], RATE, MOMENTA)
    label = torch.arange(k).repeat_interleave(BATCH)
    price, least = torch.full((k,), PRICE), torch.full((k,), torch.inf)
    above, below = torch.zeros(k), torch.zeros(k)
    for _ in range(steps):
        rows = x[rng.integers(len(x), size=BATCH)]
        mask, pattern = raw.tanh() / 2 + 0.5, ink.tanh() / 2 + 0.5
        changed = (1 - mask) * rows[None] + mask * pattern
        logits = forward(network, changed.flatten(0, 1))
        size = mask.sum((1, 2, 3, 4))
        turned = (logits.detach().argmax(1) == label).float().reshape(k, BATCH).mean(1)
        loss = f.cross_entropy(logits, label, reduction="none").reshape(k, BATCH).mean(1)
        optimizer.zero_grad()
        (loss + price * size).sum().backward()
        optimizer.step()
        done = turned >= ENOUGH
        least = torch.where(done & (size.detach() < least), size.detach(), least)
        above, below = torch.where(done, above + 1, 0 * above), torch.where(done, 0 * below, below + 1)
        price = torch.where(above >= PATIENCE, price * HARSHER, torch.where(below >= PATIENCE, price / HARSHER**1.5, price))
        above, below = torch.where(above >= PATIENCE, 0 * above, above), torch.where(below >= PATIENCE, 0 * below, below)
    norms = torch.where(torch.isfinite(least), least, size.detach()).double().numpy()
    return outlying(norms)


def outlying(norms: Floats) -> Judged:
    """The authors' rule on mask norms (classes,): the smallest lies more than two deviations, by the median's, below the median.

    >>> outlying(np.array([30.0, 31.0, 29.0, 33.0, 3.0])).target, outlying(np.array([30.0, 31.0, 29.0, 33.0, 28.0])).target
    (4, None)
    """
    middle = np.median(norms)
    spread = MAD * np.median(np.abs(norms - middle))
    index = float((middle - norms.min()) / spread) if spread > 0 else 0.0
    return Judged(tuple(map(float, norms)), index, int(norms.argmin()) if index > OUTLYING else None)


def maximum_margin(network: Network, rng: np.random.Generator) -> Judged:
    """The largest margin of each class, all climbed at once from random pictures."""
    import torch

    k = network.classes
    shape = (k * STARTS, network.channels, network.size, network.size)
    x = torch.from_numpy(rng.random(shape, np.float32)).requires_grad_()
    label = torch.arange(k).repeat_interleave(STARTS)
    own = torch.nn.functional.one_hot(label, k).bool()
    optimizer = torch.optim.Adam([x], PACE)
    best = torch.full((k,), -torch.inf)
    for _ in range(CLIMB):
        logits = forward(network, x)
        margin = logits[own] - logits.masked_fill(own, -torch.inf).amax(1)
        best = torch.maximum(best, margin.detach().reshape(k, STARTS).amax(1))
        optimizer.zero_grad()
        (-margin.sum()).backward()
        optimizer.step()
        with torch.no_grad():
            x.clamp_(0, 1)
    return far_out(best.double().numpy())


def far_out(margins: Floats) -> Judged:
    """The authors' test of margins (classes,): the largest against a gamma law of the others, as the largest of so many.

    >>> far_out(np.array([20.0, 22.0, 21.0, 19.0, 60.0])).target, far_out(np.array([20.0, 22.0, 21.0, 19.0, 23.0])).target
    (4, None)
    """
    best = int(margins.argmax())
    others = np.delete(margins, best)
    if (others <= 0).any():
        return Judged(tuple(map(float, margins)), 1.0, None)
    shape, _, scale = gamma.fit(others, floc=0)
    p = float(1 - gamma.cdf(margins[best], shape, scale=scale) ** len(margins))
    return Judged(tuple(map(float, margins)), p, best if p < LEVEL else None)
