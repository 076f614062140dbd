"""The networks that are trained where the user brings none: small enough for a CPU, for pictures and for rows of numbers.

Pictures come as (n, c, h, w) in 0 .. 1, rows as (n, d) of like scale. A private network must not look at a batch as a whole, so it
normalises groups of channels of one picture (Wu & He 2018) instead of batches, and saturates (Papernot et al. 2021: tempered activations).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import nn

WIDTH = 24  # channels of the first of three stages: 60 % of CIFAR-10 from 8,000 rows in twelve epochs
HIDDEN = 64  # of a network on rows of numbers
GROUPS = 8  # of channels, in a private network
SMALL = 16  # pixels a side below which a stage does not halve the picture


def network(shape: tuple[int, ...], classes: int, private: bool = False) -> Any:
    """A network that turns inputs of this shape, (d,) or (c, h, w), into scores (n, classes)."""
    return _pictures(shape, classes, private) if len(shape) == 3 else _rows(shape[0], classes, private)


def _rows(width: int, classes: int, private: bool) -> Any:
    if private:
        return nn.Sequential(nn.Linear(width, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, classes))
    scaled = nn.BatchNorm1d(width, affine=False)
    return nn.Sequential(scaled, nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))


def _pictures(shape: tuple[int, ...], classes: int, private: bool) -> Any:
    sizes = (shape[0], WIDTH, 2 * WIDTH, 4 * WIDTH)
    side, layers = min(shape[1:]), [Centred()]
    for given, made in pairwise(sizes):
        norm = nn.GroupNorm(GROUPS, made) if private else nn.BatchNorm2d(made)
        layers += [nn.Conv2d(given, made, 3, padding=1, bias=False), norm, nn.Tanh() if private else nn.ReLU()]
        if side >= SMALL // 2:
            layers.append(nn.MaxPool2d(2))
            side //= 2
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(min(side, 2)), nn.Flatten(), nn.Linear(sizes[-1] * min(side, 2) ** 2, classes))


class Centred(nn.Module):
    """0 .. 1 as -1 .. 1."""

    def forward(self, x: Any) -> Any:
        """The input, doubled, less 1."""
        return 2 * x - 1
