"""A network put together again from nothing but the names and shapes of its weights.

Three families are known: a chain of 3x3 convolutions under `features` with one linear layer `classifier` (small VGG nets), wide residual
nets of pre-activation blocks (`block1.layer.0`), and residual nets of basic blocks (`layer1.0`). Only the operations without weights
must be guessed: the activation of a chain is read off the batch statistics that the net itself keeps; pooling off gaps in its numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.model.weights import Array

WRAPPED = re.compile(r"^(?:state_dict|model|net|model_state_dict|module)\.")  # what savers put in front of every name
DEFAULT_SIZE = 32  # pixels where the weights do not fix it: what these residual nets are made for
EPSILON = 1e-5  # torch's own in batch normalisation
PART = 500  # pictures asked about at once
NODES = 64  # of Gauss-Hermite quadrature: the mean of an activation to 1e-6


@dataclass(frozen=True)
class Network:
    """`module`: a torch module in evaluation mode from (n, channels, size, size) in 0 .. 1 to (n, classes) logits."""

    module: Any
    family: str
    channels: int
    size: int
    classes: int
    notes: tuple[str, ...] = ()


def bare(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Without what stands in front of every name, and without what is no tensor of the net (an optimiser's state beside it).

    >>> list(bare({"state_dict.module.fc.weight": np.zeros(1), "epoch": np.zeros(1)}))
    ['fc.weight']
    """
    found = dict(weights)
    while True:
        inner = {WRAPPED.sub("", name): array for name, array in found.items() if WRAPPED.match(name)}
        if not inner:
            return found
        found = inner


def finite(weights: Mapping[str, Array]) -> None:
    """DataError where a weight is no number: whatever is asked of such a network says nothing.

    >>> finite({"fc.weight": np.array([1.0, np.nan])})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    assay.dataset.errors.DataError: fc.weight: 1 of 2 weights are infinite or no numbers. Remedy: ask for the model again...
    """
    for name, array in weights.items():
        bad = array.size - int(np.isfinite(array).sum()) if np.issubdtype(array.dtype, np.inexact) else 0
        if bad:
            remedy = "ask for the model again: it is damaged, or was made so on purpose"
            raise DataError(f"{name}: {bad} of {array.size} weights are infinite or no numbers", remedy=remedy)


def rebuild(weights: Mapping[str, Array], size: int | None = None) -> Network:
    """The network of these weights; `size`: height and width of its pictures, where known. DataError for a family that is not known."""
    named = bare(weights)
    finite(named)
    try:
        if any(name.startswith("features.") for name in named) and "classifier.weight" in named:
            return _chain(named, size)
        if "block1.layer.0.conv1.weight" in named and "fc.weight" in named:
            return _finished(_wide(named), named, "wide residual net", "conv1.weight", "fc.weight", size or DEFAULT_SIZE)
        if "layer1.0.conv1.weight" in named and "layer1.0.conv3.weight" not in named and {"fc.weight", "linear.weight"} & set(named):
            head = "fc" if "fc.weight" in named else "linear"
            return _finished(_basic(named, head), named, "residual net", "conv1.weight", f"{head}.weight", size or DEFAULT_SIZE)
    except (RuntimeError, KeyError, ValueError) as error:
        raise DataError(f"the names look like a known network, but the weights do not fit it ({error})", remedy="give --arch") from error
    raise DataError("the weights fit no network that is known here", remedy="give --arch module:factory, which runs your code")


def _finished(
    module: Any, named: Mapping[str, Array], family: str, first: str, last: str, size: int, notes: tuple[str, ...] = ()
) -> Network:
    import torch

    own = {name: torch.from_numpy(np.array(array)) for name, array in named.items() if name in module.state_dict()}
    module.load_state_dict(own, strict=True)
    left = sorted(set(named) - set(own))
    if any(name.endswith((".weight", ".bias")) for name in left):
        raise ValueError(f"left over: {', '.join(left[:4])}")
    frozen(module)
    return Network(module, family, named[first].shape[1], size, named[last].shape[0], notes)


def frozen(module: Any) -> Any:
    """In evaluation mode, its weights beyond the reach of gradients."""
    module.eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module


def _chain(named: Mapping[str, Array], size: int | None) -> Network:
    from torch import nn

    numbers = sorted({int(name.split(".")[1]) for name in named if name.startswith("features.")})
    activation, note = _activation(named, numbers)
    act = nn.ELU if activation == "ELU" else nn.ReLU
    layers: list[Any] = []
    pools, dropout = 0, False
    for number in numbers:
        weight = named[f"features.{number}.weight"]
        if weight.ndim == 4:
            gap = number - len(layers)
            if layers:
                layers.append(act())
                gap -= 1
            if gap:  # a pool, and a dropout after it
                if gap > 2 or not layers:
                    raise ValueError(f"a gap before features.{number}")
                layers += [nn.MaxPool2d(2), *([nn.Identity()] if gap == 2 else [])]
                pools, dropout = pools + 1, gap == 2
            if weight.shape[2] != weight.shape[3] or not weight.shape[2] % 2:
                raise ValueError("kernels that are not square and odd")
            made, given, kernel, _ = weight.shape
            layers.append(nn.Conv2d(given, made, kernel, padding=kernel // 2, bias=f"features.{number}.bias" in named))
            width = made
        else:
            layers.append(nn.BatchNorm2d(len(weight)))
        if len(layers) != number + 1:
            raise ValueError(f"features.{number} is out of step")
    classifier = named["classifier.weight"]
    side = math.isqrt(classifier.shape[1] // width)
    if side * side * width != classifier.shape[1]:
        raise ValueError("a classifier that reads no square of the last convolution")
    layers.append(act())
    if size is None or size == side << (pools + 1):
        layers += [nn.MaxPool2d(2), *([nn.Identity()] if dropout else [])]
        pools += 1
    if size is not None and size != side << pools:
        raise ValueError(f"pictures of {size} pixels leave {size >> pools} of them, and the classifier reads {side}")

    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(*layers)
            self.classifier = nn.Linear(*classifier.shape[::-1], bias="classifier.bias" in named)

        def forward(self, x: Any) -> Any:
            return self.classifier(self.features(x).flatten(1))

    family = f"chain of {sum(named[f'features.{n}.weight'].ndim == 4 for n in numbers)} convolutions ({activation})"
    return _finished(Chain(), named, family, f"features.{numbers[0]}.weight", "classifier.weight", side << pools, (note,) if note else ())


def _activation(named: Mapping[str, Array], numbers: list[int]) -> tuple[str, str]:
    """ReLU or ELU: which of them turns each batch normalisation's output into the mean that the next one remembers?

    Behind a normalisation every channel has mean beta and deviation |gamma|; taken as normal, its mean behind an activation and a
    convolution follows, and the running mean of the next normalisation is what really came.
    """
    points, weigh = np.polynomial.hermite_e.hermegauss(NODES)
    weigh = weigh / weigh.sum()
    misses = {"ReLU": 0.0, "ELU": 0.0}
    compared = 0
    for number in numbers:
        here, following, after = f"features.{number}", f"features.{number + 2}", f"features.{number + 3}"
        if named[f"{here}.weight"].ndim != 1 or f"{after}.running_mean" not in named:
            continue
        came = named[f"{here}.bias"][:, None] + np.abs(named[f"{here}.weight"])[:, None] * points
        mean = named[f"{after}.running_mean"] - named.get(f"{following}.bias", 0.0)
        for name, value in (("ReLU", np.maximum(came, 0)), ("ELU", np.where(came > 0, came, np.expm1(np.minimum(came, 0))))):
            foreseen = named[f"{following}.weight"].sum((2, 3)) @ (value @ weigh)
            misses[name] += float((((mean - foreseen) ** 2) / (named[f"{after}.running_var"] + EPSILON)).mean())
        compared += 1
    if not compared:
        return "ReLU", "the activation cannot be read off the weights; ReLU is taken"
    return min(misses, key=lambda name: misses[name]), ""


def _norm_relu(norm: Any, x: Any) -> Any:
    return norm(x).relu()


def _conv(weight: Array, stride: int = 1) -> Any:
    from torch import nn

    made, given, kernel, _ = weight.shape
    return nn.Conv2d(given, made, kernel, stride, kernel // 2, bias=False)


def _depth(named: Mapping[str, Array], stem: str) -> int:
    found = {int(name[len(stem) :].split(".")[0]) for name in named if name.startswith(stem)}
    if found != set(range(len(found))):
        raise ValueError(f"gaps in {stem}")
    return len(found)


def _wide(named: Mapping[str, Array]) -> Any:
    """Zagoruyko & Komodakis, Wide residual networks, 2016: normalisation and activation come before each convolution."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, stem: str, stride: int) -> None:
            super().__init__()
            first = named[f"{stem}.conv1.weight"]
            self.bn1, self.bn2 = nn.BatchNorm2d(first.shape[1]), nn.BatchNorm2d(first.shape[0])
            self.conv1, self.conv2 = _conv(first, stride), _conv(named[f"{stem}.conv2.weight"])
            shortcut = named.get(f"{stem}.convShortcut.weight")
            self.convShortcut = None if shortcut is None else _conv(shortcut, stride)

        def forward(self, x: Any) -> Any:
            ready = _norm_relu(self.bn1, x)
            inner = self.conv2(_norm_relu(self.bn2, self.conv1(ready)))
            return inner + (x if self.convShortcut is None else self.convShortcut(ready))

    class Group(nn.Module):
        def __init__(self, number: int) -> None:
            super().__init__()
            stem = f"block{number}.layer."
            strides = [1 if i or number == 1 else 2 for i in range(_depth(named, stem))]
            self.layer = nn.Sequential(*(Block(f"{stem}{i}", s) for i, s in enumerate(strides)))

        def forward(self, x: Any) -> Any:
            return self.layer(x)

    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = _conv(named["conv1.weight"])
            self.block1, self.block2, self.block3 = Group(1), Group(2), Group(3)
            self.bn1 = nn.BatchNorm2d(len(named["bn1.weight"]))
            self.fc = nn.Linear(*named["fc.weight"].shape[::-1])

        def forward(self, x: Any) -> Any:
            x = self.block3(self.block2(self.block1(self.conv1(x))))
            return self.fc(_norm_relu(self.bn1, x).mean((2, 3)))

    return Wide()


def _basic(named: Mapping[str, Array], head: str) -> Any:
    """He, Zhang, Ren & Sun 2016, the form for pictures of 32 pixels; a stem of 7x7 is that for large ones, with its pool."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, stem: str, stride: int) -> None:
            super().__init__()
            first = named[f"{stem}.conv1.weight"]
            self.conv1, self.conv2 = _conv(first, stride), _conv(named[f"{stem}.conv2.weight"])
            self.bn1, self.bn2 = nn.BatchNorm2d(first.shape[0]), nn.BatchNorm2d(first.shape[0])
            self.side = next((s for s in ("shortcut", "downsample") if f"{stem}.{s}.0.weight" in named), None)
            if self.side:
                other = named[f"{stem}.{self.side}.0.weight"]
                self.add_module(self.side, nn.Sequential(_conv(other, stride), nn.BatchNorm2d(other.shape[0])))

        def forward(self, x: Any) -> Any:
            inner = self.bn2(self.conv2(_norm_relu(self.bn1, self.conv1(x))))
            return (inner + (getattr(self, self.side)(x) if self.side else x)).relu()

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            large = named["conv1.weight"].shape[2] == 7
            self.conv1, self.bn1 = _conv(named["conv1.weight"], 2 if large else 1), nn.BatchNorm2d(named["conv1.weight"].shape[0])
            self.pool = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
            self.groups = sorted({name.split(".")[0] for name in named if re.match(r"layer\d+\.", name)})
            for number, group in enumerate(self.groups):
                strides = [1 if i or not number else 2 for i in range(_depth(named, f"{group}."))]
                self.add_module(group, nn.Sequential(*(Block(f"{group}.{i}", s) for i, s in enumerate(strides))))
            self.add_module(head, nn.Linear(*named[f"{head}.weight"].shape[::-1]))

        def forward(self, x: Any) -> Any:
            x = self.pool(_norm_relu(self.bn1, self.conv1(x)))
            for group in self.groups:
                x = getattr(self, group)(x)
            return getattr(self, head)(x.mean((2, 3)))

    return Residual()


def accuracy(network: Network, images: NDArray[np.uint8], y: NDArray[np.int64]) -> float:
    """Share of pictures (n, h, w, c) whose class `y` (n,) the network says."""
    return float((predict(network, images) == y).mean())


def predict(network: Network, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(n,) the class that the network says of each picture (n, h, w, c)."""
    import torch

    with torch.inference_mode():
        parts = [network.module(as_input(images[i : i + PART])).argmax(1).numpy() for i in range(0, len(images), PART)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def as_input(images: NDArray[np.uint8]) -> Any:
    """Pictures (n, h, w, c) uint8 as the nets take them: (n, c, h, w) float32 in 0 .. 1, nothing taken off or divided by."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255


def forward(network: Network, x: Any) -> Any:
    """Logits in single precision; the network itself runs in half where that is quicker (bfloat16 on processors that multiply it)."""
    import torch

    with torch.autocast("cpu", torch.bfloat16):
        return network.module(x.contiguous(memory_format=torch.channels_last)).float()
