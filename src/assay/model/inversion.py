"""With a few clean pictures: the smallest patch that turns them all into one class, for every class.

A class behind which a trigger was planted needs far fewer pixels than the others (Wang, Yao, Shan, Li, Viswanath, Zheng & Zhao, Neural
Cleanse, 2019). Half of the pictures are used to find the patch, the other half only to measure what it does.
Sees patches that stay in one place; not triggers that cover the whole picture, warps, nor those that name a class for each class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.artefact.patch import Patch
from assay.model.networks import Network, as_input

Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

BATCH = 16  # pictures a step
STEPS = 120
RATE = 0.2  # of Adam on the logits of mask and pattern
MOMENTA = (0.5, 0.9)  # the authors': the price of the mask moves, and what came long ago misleads
PRICE, HARSHER, MILDER = 1e-2, 1.5, 1.5**1.5  # of the mask's size beside the cross-entropy, raised and lowered as the authors do
PATIENCE = 4  # steps of success before the price rises, and of failure before it falls
ENOUGH = 0.9  # success that counts as turning the pictures
START = -1.0  # logit of the mask everywhere: 27 % opaque, so that every pixel may be tried
FADED = 0.25  # opacity below which a pixel is left out of the patch that is handed over
LEAST_PICTURES = 32


@dataclass(frozen=True)
class Inverted:
    """`size`: opacity summed over pixels of the smallest mask that turned the pictures, the whole picture if none did. `success`: share of
    pictures held back, of other classes, that the patch as handed over turns into `target`; `tried` of them."""

    target: int
    size: float
    patch: Patch | None
    success: float
    tried: int


def invert(network: Network, images: UInt8, y: Int | None, target: int, rng: np.random.Generator) -> Inverted:
    """The smallest patch towards `target`, from pictures (n, h, w, c); `y` (n,) keeps those of the target itself out."""
    import torch

    clean = images if y is None else images[y != target]
    half = len(clean) // 2
    order = rng.permutation(len(clean))
    x, held = as_input(clean[order[:half]]), clean[order[half:]]
    side = network.size
    mask = torch.full((1, 1, side, side), START, requires_grad=True)
    pattern = torch.from_numpy(rng.normal(0, 0.5, (1, network.channels, side, side)).astype(np.float32)).requires_grad_()
    optimizer = torch.optim.Adam([mask, pattern], RATE, MOMENTA)
    wanted = torch.full((min(BATCH, half),), target)
    best, smallest = None, float(side * side)
    price, up, down, seen = PRICE, 0, 0, 0.0
    for _ in range(STEPS):
        rows = torch.from_numpy(rng.choice(half, len(wanted), replace=False))
        m, p = mask.sigmoid(), pattern.sigmoid()
        logits = network.module((1 - m) * x[rows] + m * p)
        turned = float((logits.detach().argmax(1) == target).float().mean())
        seen = 0.5 * seen + 0.5 * turned
        size = float(m.detach().sum())
        if min(turned, seen) >= ENOUGH and size < smallest:
            smallest, best = size, (m.detach().clone(), p.detach().clone())
        up, down = (up + 1, 0) if turned >= ENOUGH else (0, down + 1)
        if up >= PATIENCE:
            price, up = price * HARSHER, 0
        elif down >= PATIENCE:
            price, down = price / MILDER, 0
        optimizer.zero_grad()
        (torch.nn.functional.cross_entropy(logits, wanted) + price * m.sum()).backward()
        optimizer.step()
    if best is None:
        return Inverted(target, smallest, None, 0.0, len(held))
    patch = _patch(*best)
    return Inverted(target, smallest, patch, _success(network, held, patch, target), len(held))


def _patch(mask: Any, pattern: Any) -> Patch:
    """What is opaque, in its box. The opacity itself is lost: the patch covers what it covers."""
    opaque = mask[0, 0].numpy()
    kept = opaque >= min(FADED, float(opaque.max()))
    rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    pixels = np.rint(pattern[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    return Patch(np.ascontiguousarray(pixels[box]), kept[box], int(rows[0]), int(columns[0]))


def _success(network: Network, held: UInt8, patch: Patch, target: int) -> float:
    import torch

    with torch.inference_mode():
        said = network.module(as_input(patch.insert(held))).argmax(1).numpy()
    return float((said == target).mean())
