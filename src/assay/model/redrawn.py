"""What a trigger of an inner layer looks like in pictures: small filters and a picture added, which bring about what was found there.

A constant in the channels of a layer turns pictures into a class (`assay.model.features`), but is no picture. Here a change of pictures is
searched that sends them to the same class, whose features lie as near as may be to those with the constant, and which moves few pixels
(Wang, Mei, Ding, Zhai & Ma, FeatureRE, 2022: a generator held to the features; theirs is a whole network, this one a few hundred numbers).
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.model.features import Inside, put
from assay.model.networks import as_input, forward
from assay.model.search import Change, smallest

Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

VIEWS = 8  # filters
SIDE = 3  # pixels of a filter
SPREAD = 0.3  # of the filters' weights at the start
FAINT = 0.02  # of what they, and the picture, add at the start, of 1


class Redrawn(Change):
    """One search alone. Size: how far the mean of each channel lies from that with the constant, root mean square in its deviations, and
    ten times the root mean square of what pixels move, of 1."""

    name = "redrawing"
    rate = 0.02
    price = 1.0
    PIXELS: ClassVar[float] = 10.0  # as overlays are priced

    def __init__(self, inside: Inside, number: int, rng: np.random.Generator) -> None:
        import torch

        network = inside.layers[0].network
        c, side = network.channels, network.size

        def drawn(spread: float, *shape: int) -> Any:
            return torch.from_numpy(rng.normal(0, spread, (1, *shape)).astype(np.float32)).requires_grad_()

        self.network = network
        self.looks, self.bias = drawn(SPREAD, VIEWS, c, SIDE, SIDE), drawn(FAINT, VIEWS)
        self.mix, self.added = drawn(FAINT, c, VIEWS, SIDE, SIDE), drawn(FAINT, c, side, side)
        self.parameters = [self.looks, self.bias, self.mix, self.added]
        self.names = [layer.name for layer in inside.layers]
        self.deviations = [layer.deviation() for layer in inside.layers]
        self.constants = [torch.from_numpy(raised[number]).float() for raised in inside.raised]
        self.aims: list[Any] = []
        self.reached: list[Any] = []
        self.moved: Any = None

    def apply(self, x: Any) -> Any:
        import torch
        from torch.nn import functional as f

        flat = x.flatten(0, 1)
        seen = f.conv2d(flat - 0.5, self.looks[0], self.bias[0], padding=SIDE // 2).tanh()
        made = (flat + self.added + f.conv2d(seen, self.mix[0], padding=SIDE // 2)).clamp(0, 1)
        with torch.no_grad():
            _, means = self._seen(flat)
            self.aims = [m + c * d for m, c, d in zip(means, self.constants, self.deviations, strict=True)]
        self.moved = (made - flat).square().mean().sqrt()
        return made.reshape(x.shape)

    def said(self, pictures: Any) -> Any:
        """(n, classes) logits of pictures, whose features are kept for `size`."""
        logits, self.reached = self._seen(pictures)
        return logits

    def size(self) -> Any:
        far = [((r - a) / d).square().mean().sqrt() for r, a, d in zip(self.reached, self.aims, self.deviations, strict=True)]
        return (sum(far) / len(far) + self.PIXELS * self.moved)[None]

    def _seen(self, pictures: Any) -> tuple[Any, list[Any]]:
        """Logits, and the means (n, channels) of the channels behind each layer."""
        kept: list[Any] = []
        with ExitStack() as open_:
            for name in self.names:
                open_.enter_context(put(self.network.module.get_submodule(name), lambda made: kept.append(made.float().mean((2, 3)))))
            return forward(self.network, pictures), kept


def redraw(inside: Inside, number: int, images: UInt8, y: Int, wanted: Int, rng: np.random.Generator) -> Redrawn:
    """What comes nearest, in pictures (n, h, w, c) of classes `y` (n,), to the constants found by search `number`, which leads where
    `wanted` (classes,) says. Deterministic given `rng`. DataError if no picture is of another class."""
    change = Redrawn(inside, number, rng)
    smallest(change, as_input(images), change.said, y, wanted[None], rng)
    return change
