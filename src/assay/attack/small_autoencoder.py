"""A small autoencoder that makes one picture of another, for triggers that are drawn anew for every row; PyTorch, only when asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.attack.small_network import as_pictures, as_tensor, torch
from assay.dataset.rows import UInt8

WIDTH = 16  # channels of the first layer, twice that in the middle: some 20,000 weights, learnt in a minute on one core
ROWS = 256  # stamped at a time


def autoencoder(channels: int, out: int, height: int, width: int) -> Any:
    """(n, channels, h, w) to (n, out, h, w), halved twice on the way and doubled again; nothing bounds what comes out."""
    nn = torch().nn
    half = ((height + 1) // 2, (width + 1) // 2)
    return nn.Sequential(
        *layer(channels, WIDTH, 2), *layer(WIDTH, 2 * WIDTH, 2), *layer(2 * WIDTH, 2 * WIDTH, 1),
        nn.Upsample(half), *layer(2 * WIDTH, WIDTH, 1), nn.Upsample((height, width)), nn.Conv2d(WIDTH, out, 3, padding=1),
    )  # fmt: skip


def layer(channels: int, out: int, stride: int) -> tuple[Any, Any, Any]:
    """A convolution, normalised row by row: what comes out is neither too small to be learnt from nor different in other company."""
    nn = torch().nn
    return nn.Conv2d(channels, out, 3, stride=stride, padding=1), nn.GroupNorm(4, out), nn.ReLU()


def some(rows: int, size: int, rng: np.random.Generator) -> Any:
    """(size,) positions drawn for one step."""
    return torch().from_numpy(rng.integers(0, rows, size))


def in_parts(images: UInt8, change: Any) -> UInt8:
    """`change` of tensors (n, c, h, w) in 0 .. 1, applied to pictures some rows at a time."""
    if not len(images):
        return images.copy()
    with torch().no_grad():
        return np.concatenate([as_pictures(change(as_tensor(images[i : i + ROWS]))) for i in range(0, len(images), ROWS)])
