"""With a few clean pictures: the smallest constant in the channels of an inner layer that turns every picture into a class.

A trigger that fills the picture (a wave, a warp) leaves few pixels to find, but in the layers within it raises the same few channels
everywhere: there it is a mask and a constant (Wang, Mei, Ding, Zhai & Ma, Rethinking the reverse-engineering of trojan triggers, FeatureRE,
2022; Xu, Huang, Li, Qin & Ren, BTI-DBF, 2024). So a constant for each channel, the same at all places, is searched behind the network's
last two changes of scale: no picture need be made, and only the layers behind are run. That some picture has such features is not asked;
what does it in pictures is searched for an accused class alone (`assay.model.redrawn`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.model.networks import Network, as_input, forward
from assay.model.search import Change, smallest

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

FEATURES = "features"  # the name of the check
LAYERS = 2  # inner layers looked at: those behind the last changes of scale, where a channel stands for more than an edge
STARTS = 3  # searches a class and layer: their mean is steadier, and 140 more steps of one are not
TRIED = 4  # pictures on which a layer is tried: what lies behind must need nothing but its output
ALIKE = 0.05  # of the largest logit: how far an answer may lie from the network's own; half precision differs by some thousandths
STILL = 1e-3  # deviation of a channel, at least: one that never speaks would be moved for nothing


@dataclass(frozen=True)
class Layer:
    """An inner layer of a network: `name` of the module, `values` (n, c, h, w) that clean pictures have behind it."""

    network: Network
    name: str
    values: Any

    def deviation(self) -> Any:
        """(c,) of each channel, over pictures and places."""
        return self.values.std((0, 2, 3)).clamp_min(STILL)

    def said(self, values: Any) -> Any:
        """(n, classes) logits where the layer's output is `values` (n, c, h, w); the layers before it see one picture alone."""
        import torch

        blank = torch.zeros(1, self.network.channels, self.network.size, self.network.size)
        with put(self.network.module.get_submodule(self.name), lambda _: values):
            return forward(self.network, blank)


class Raised(Change):
    """A constant for each channel, in deviations of the channel; nothing falls below what clean pictures have. Size: mean absolute."""

    name = FEATURES
    rate = 0.1  # deviations
    price = 1.0
    START: ClassVar[float] = 0.1

    def __init__(self, searches: int, layer: Layer, rng: np.random.Generator) -> None:
        import torch

        drawn = rng.normal(0, self.START, (searches, 1, layer.values.shape[1], 1, 1)).astype(np.float32)
        self.raised = torch.from_numpy(drawn).requires_grad_()
        self.parameters = [self.raised]
        self.deviation = layer.deviation()[:, None, None]
        self.lowest = layer.values.amin((0, 2, 3))[:, None, None]

    def apply(self, x: Any) -> Any:
        return (x + self.deviation * self.raised).clamp_min(self.lowest)

    def size(self) -> Any:
        return self.raised.abs().mean((1, 2, 3, 4))


@dataclass(frozen=True)
class Inside:
    """`sizes` (classes,) of the smallest constants that turn pictures into each class, the geometric mean over the layers and the starts;
    `raised`: layer by layer (classes, channels) the smallest of all starts, in deviations."""

    sizes: Floats
    layers: tuple[Layer, ...]
    raised: tuple[Floats, ...]


def search_inside(network: Network, images: UInt8, y: Int, wanted: Int, rng: np.random.Generator) -> Inside | None:
    """The smallest constants for each row of `wanted` (searches, classes), from pictures (n, h, w, c) of classes `y` (n,). None where the
    network has no layer through which everything goes. Deterministic given `rng`. DataError if no picture is of another class."""
    layers = layers_of(network, images)
    if not layers:
        return None
    goals = np.tile(wanted, (STARTS, 1))
    sizes, raised = [], []
    for layer in layers:
        found = smallest(Raised(len(goals), layer, rng), layer.values, layer.said, y, goals, rng)
        by_start = found.sizes.reshape(STARTS, len(wanted))
        constants = found.best.parameters[0].detach().double().numpy().reshape(STARTS, len(wanted), -1)
        sizes.append(np.log(by_start).mean(0))
        raised.append(constants[by_start.argmin(0), np.arange(len(wanted))])
    return Inside(np.exp(np.mean(sizes, 0)), layers, tuple(raised))


def layers_of(network: Network, images: UInt8) -> tuple[Layer, ...]:
    """The layers that are looked at, with the values of pictures (n, h, w, c), the deepest last: the first module behind each of the last
    changes of scale from whose output alone the answers follow. None where there is no such module."""
    import torch

    x = as_input(images)
    with torch.no_grad():
        answers = forward(network, x[:TRIED])
        seen: dict[str, tuple[int, ...]] = {}
        with _watch(network.module, seen):
            forward(network, x[:TRIED])
        sides = list(dict.fromkeys(shape[2:] for shape in seen.values()))
        found: list[Layer] = []
        for side in sides[::-1]:
            if len(found) == LAYERS:
                break
            for name in (name for name, shape in seen.items() if shape[2:] == side):
                layer = Layer(network, name, _values(network, name, x))
                if _follows(layer, answers):
                    found.insert(0, layer)
                    break
    return tuple(found)


def _values(network: Network, name: str, x: Any) -> Any:
    import torch

    kept: list[Any] = []
    with torch.no_grad(), put(network.module.get_submodule(name), kept.append):
        forward(network, x)
    return kept[0].float().contiguous(memory_format=torch.channels_last)


def _follows(layer: Layer, answers: Any) -> bool:
    """Whether the answers to the first pictures follow from the layer's output alone."""
    try:
        told = layer.said(layer.values[: len(answers)])
    except RuntimeError:  # something that goes past the layer has another number of pictures
        return False
    return bool(told.shape == answers.shape and (told - answers).abs().max() <= ALIKE * answers.abs().max())


@contextmanager
def put(module: Any, instead: Callable[[Any], Any]) -> Iterator[None]:
    """While open, what `instead` makes of the module's output takes its place; where that is None the output stays."""
    handle = module.register_forward_hook(lambda _module, _given, made: instead(made))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _watch(module: Any, seen: dict[str, tuple[int, ...]]) -> Iterator[None]:
    """While open, every inner module whose output is pictures is written to `seen` with their shape, in the order in which they end; one
    that is run more than once, or whose pictures have one pixel, is left out."""
    names: dict[str, int] = {}

    def note(name: str) -> Any:
        def hook(_module: Any, _given: Any, made: Any) -> None:
            names[name] = names.get(name, 0) + 1
            shape = tuple(getattr(made, "shape", ()))
            if names[name] > 1:
                seen.pop(name, None)
            elif len(shape) == 4 and shape[2] * shape[3] > 1:
                seen[name] = shape

        return hook

    handles = [part.register_forward_hook(note(name)) for name, part in module.named_modules() if name]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
