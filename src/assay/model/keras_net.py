"""A Keras network put together again in torch, so that the checks of behaviour can be made; Keras itself is not needed, and not run.

Keras keeps channels last unless told otherwise, and pads "same" by as much as the stride leaves over, more of it behind than in front: both
are kept to, so that the answers are Keras's own to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as f

from assay.dataset.errors import DataError
from assay.model.keras_config import Layer
from assay.model.keras_graph import MERGED, Graph, Merged
from assay.model.keras_weights import KerasModel, read_keras
from assay.model.networks import Network, finite, frozen
from assay.model.weights import Array

MOST_SIDE = 1024  # pixels: the checks hold a few pictures a class at once
BYTES = 1 / 16  # a first rescaling below this takes pixels as 0 .. 255: those for 0 .. 1 stretch, by 2 as a rule
ENDS = ("softmax", "sigmoid")  # at the end they change no order of classes, and are left off: the checks read logits

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: x, "relu": torch.relu, "relu6": f.relu6, "elu": f.elu, "selu": f.selu, "gelu": f.gelu, "sigmoid": torch.sigmoid,
    "tanh": torch.tanh, "softmax": lambda x: x.softmax(1), "softplus": f.softplus, "softsign": f.softsign, "silu": f.silu, "swish": f.silu,
    "leaky_relu": lambda x: f.leaky_relu(x, 0.2), "mish": f.mish,
}  # fmt: skip


def keras_network(path: Path) -> Network:
    """The network in a `.keras` or `.h5` file. DataError for layers that are not known, for weights that do not fit it, and for
    files that cannot be read (`read_keras`)."""
    return built(read_keras(path), path)


def built(model: KerasModel, path: Path | None = None) -> Network:
    """The network of these layers and weights, in evaluation mode, with pixels in 0 .. 1. DataError as `keras_network`."""
    try:
        maker = _Maker(model)
        module = frozen(maker.module())
        finite({name: value.numpy() for name, value in module.state_dict().items()})
        with torch.inference_mode():
            shape = tuple(module(torch.zeros(1, maker.channels, maker.side, maker.side)).shape)
    except DataError as error:
        raise DataError(str(error), path=path) from error
    except (RuntimeError, ValueError, IndexError) as error:
        raise DataError(f"the layers do not fit one another ({error})", path=path) from error
    if len(shape) != 2 or shape[1] < 2:
        raise DataError(f"it gives {shape} for one picture, and a row of two scores or more is needed", path=path)
    depth = sum(layer.kind in ("Conv2D", "Dense") for layer in model.layers)
    form = "chain" if maker.row else "network with branches"
    return Network(module, f"Keras {form} of {depth} layers with weights", maker.channels, maker.side, shape[1], tuple(maker.notes))


class _Called(nn.Module):
    """A function as a module."""

    def __init__(self, called: Callable[[Any], Any]) -> None:
        super().__init__()
        self.called = called

    def forward(self, x: Any) -> Any:
        return self.called(x)


@dataclass(frozen=True)
class _Padded:
    """What stands before a window (kernel, stride, dilation) so that it gives ceil(n / stride) places, as TensorFlow pads."""

    window: tuple[int, int]
    stride: tuple[int, int]
    filled: float = 0.0

    def __call__(self, x: Any) -> Any:
        sides: list[int] = []
        for length, window, stride in zip(reversed(x.shape[2:]), reversed(self.window), reversed(self.stride), strict=True):
            whole = max((-(-length // stride) - 1) * stride + window - length, 0)
            sides += [whole // 2, whole - whole // 2]
        return f.pad(x, sides, value=self.filled) if any(sides) else x


@dataclass(frozen=True)
class _Mean:
    """Average pooling that leaves padding out of the mean."""

    size: tuple[int, int]
    stride: tuple[int, int]

    def __call__(self, x: Any) -> Any:
        pad = _Padded(self.size, self.stride)
        there = f.avg_pool2d(pad(torch.ones_like(x[:1, :1])), self.size, self.stride)
        return f.avg_pool2d(pad(x), self.size, self.stride) / there


class _Maker:
    """Goes through the layers, and remembers where the channels stand. `row`: whether each reads the one before it alone."""

    def __init__(self, model: KerasModel) -> None:
        self.arrays = model.arrays
        self.notes: list[str] = []
        self.made: list[Any] = []
        layers = [layer for layer in model.layers if layer.kind != "InputLayer"]
        if not layers:
            raise DataError("it has no layers")
        height, width, self.channels = self._input(model.layers)
        if height != width:
            raise DataError(f"it takes pictures of {height}x{width}, and square ones are asked about")
        self.side = height
        given = next((layer.name for layer in model.layers if layer.kind == "InputLayer"), "")
        places = {given: 0} | {layer.name: place for place, layer in enumerate(layers, 1)}
        self.steps: list[tuple[tuple[int, ...], Any]] = []
        flat = [False]
        for place, layer in enumerate(layers):
            read = tuple(places[name] for name in layer.before) or (0,)
            if len({flat[i] for i in read}) > 1:
                raise DataError(f"layer {layer.name[:60]!r} ({layer.kind}) reads pictures and rows of values at once")
            self.flat = flat[read[0]]
            self.ends = place == len(layers) - 1
            self.begins = read == (0,)
            start = len(self.made)
            WAYS[layer.kind](self, layer)
            self.steps.append((read, nn.Sequential(*self.made[start:]) if len(self.made) - start != 1 else self.made[start]))
            flat.append(self.flat)
        self.row = all(read == (place,) for place, (read, _) in enumerate(self.steps))

    def module(self) -> Any:
        """What was made: one behind the other where it is a chain."""
        return nn.Sequential(*self.made) if self.row else Graph(self.steps)

    def _input(self, layers: Sequence[Layer]) -> tuple[int, int, int]:
        first = layers[0]
        shape = first.given.get("batch_shape", first.given.get("batch_input_shape"))
        if shape is None and len(layers) > 1 and first.kind == "InputLayer":
            shape = layers[1].given.get("batch_shape", layers[1].given.get("batch_input_shape"))
        ordered = next((layer.given["data_format"] for layer in layers if "data_format" in layer.given), "channels_last")
        if ordered not in ("channels_last", "channels_first"):
            raise DataError(f"data_format {str(ordered)[:40]!r} is not known")
        self.last = ordered == "channels_last"
        if not isinstance(shape, list) or len(shape) != 4 or any(isinstance(n, bool) or not isinstance(n, int) for n in shape[1:]):
            raise DataError(f"it takes {str(shape)[:60]}, and pictures of a fixed height, width and number of channels are asked about")
        height, width, channels = shape[1:] if self.last else (shape[2], shape[3], shape[1])
        if not (1 <= height <= MOST_SIDE and 1 <= width <= MOST_SIDE and channels in (1, 3, 4)):
            raise DataError(
                f"it takes pictures of {height}x{width}x{channels}; at most {MOST_SIDE} pixels a side, 1, 3 or 4 channels are read"
            )
        return height, width, channels

    def weights(self, layer: Layer, shapes: Sequence[tuple[int | None, ...]]) -> list[Array]:
        """Its tensors, of these shapes (None: any number). DataError where they are others."""
        found = self.arrays.get(layer.name, [])
        fits = len(found) == len(shapes) and all(
            array.ndim == len(shape) and all(want in (None, n) for n, want in zip(array.shape, shape, strict=True))
            for array, shape in zip(found, shapes, strict=True)
        )
        if not fits:
            have = ", ".join(str(array.shape) for array in found) or "nothing"
            raise DataError(f"layer {layer.name[:60]!r} ({layer.kind}) has weights {have[:80]}, which do not fit its configuration")
        return found

    def add(self, called: Callable[[Any], Any]) -> None:
        self.made.append(called if isinstance(called, nn.Module) else _Called(called))

    def pictures(self, layer: Layer) -> None:
        ordered = layer.given.get("data_format", "channels_last")
        if self.flat or ordered != ("channels_last" if self.last else "channels_first"):
            raise DataError(f"layer {layer.name[:60]!r} ({layer.kind}) does not get pictures with the channels where it wants them")

    def activation(self, layer: Layer) -> None:
        named = layer.given.get("activation", "linear")
        if named is None:
            return
        if isinstance(named, dict) and named.get("class_name") == "function":
            named = named.get("config")
        if not isinstance(named, str) or named not in ACTIVATIONS:
            what = named.get("class_name") if isinstance(named, dict) else named
            raise DataError(f"layer {layer.name[:60]!r} has the activation {str(what)[:60]!r}, which is not known here")
        if self.ends and named in ENDS:
            self.notes.append(f"the {named} at the end is left off: logits are compared")
        elif named != "linear":
            self.add(ACTIVATIONS[named])

    def padding(self, layer: Layer) -> bool:
        """Whether it is "same"."""
        padding = layer.given.get("padding", "valid")
        if padding not in ("same", "valid"):
            raise layer.odd("padding")
        return bool(padding == "same")


def _conv(maker: _Maker, layer: Layer) -> None:
    maker.pictures(layer)
    kernel, stride, dilation = layer.pair("kernel_size"), layer.pair("strides", 1), layer.pair("dilation_rate", 1)
    made, groups, biased = layer.whole("filters"), layer.whole("groups", 1), bool(layer.given.get("use_bias", True))
    kernel_of, *bias = maker.weights(layer, [(*kernel, None, made), *([(made,)] if biased else [])])
    if maker.padding(layer):
        maker.add(_Padded((dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1), stride))
    given = kernel_of.shape[2] * groups
    if not given or made % groups:
        raise layer.odd("groups")
    conv = nn.Conv2d(given, made, kernel, stride, 0, dilation, groups, bias=biased)
    _fill(conv, weight=kernel_of.transpose(3, 2, 0, 1), **({"bias": bias[0]} if biased else {}))
    maker.add(conv)
    maker.activation(layer)


def _dense(maker: _Maker, layer: Layer) -> None:
    if not maker.flat:
        raise DataError(f"layer {layer.name[:60]!r} (Dense) gets pictures: only behind Flatten or a global pool is it rebuilt")
    made, biased = layer.whole("units"), bool(layer.given.get("use_bias", True))
    kernel, *bias = maker.weights(layer, [(None, made), *([(made,)] if biased else [])])
    linear = nn.Linear(kernel.shape[0], made, bias=biased)
    _fill(linear, weight=kernel.T, **({"bias": bias[0]} if biased else {}))
    maker.add(linear)
    maker.activation(layer)


def _norm(maker: _Maker, layer: Layer) -> None:
    axis = layer.given.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    wanted = (-1, 1) if maker.flat else (-1, 3) if maker.last else (1, -3)
    if axis not in wanted:
        raise layer.odd("axis")
    kinds = [name for name in ("scale", "center") if layer.given.get(name, True)]
    found = maker.weights(layer, [(None,)] * (len(kinds) + 2))
    width = len(found[-1])
    if any(len(array) != width for array in found):
        raise DataError(f"layer {layer.name[:60]!r} has statistics of different lengths")
    by_kind = dict(zip(kinds, found, strict=False))
    kind = nn.BatchNorm1d if maker.flat else nn.BatchNorm2d
    norm = kind(width, layer.number("epsilon", 1e-3))
    gamma, beta = by_kind.get("scale", np.ones(width, np.float32)), by_kind.get("center", np.zeros(width, np.float32))
    _fill(norm, weight=gamma, bias=beta, running_mean=found[-2], running_var=found[-1])
    maker.add(norm)


def _fill(module: Any, **values: Array) -> None:
    state = {name: torch.from_numpy(np.array(value, np.float32)) for name, value in values.items()}
    module.load_state_dict(state, strict=False)


def _max_pool(maker: _Maker, layer: Layer) -> None:
    maker.pictures(layer)
    size = layer.pair("pool_size", 2)
    stride = size if layer.given.get("strides") is None else layer.pair("strides")
    if maker.padding(layer):
        maker.add(_Padded(size, stride, float("-inf")))
    maker.add(nn.MaxPool2d(size, stride))


def _mean_pool(maker: _Maker, layer: Layer) -> None:
    maker.pictures(layer)
    size = layer.pair("pool_size", 2)
    stride = size if layer.given.get("strides") is None else layer.pair("strides")
    maker.add(_Mean(size, stride) if maker.padding(layer) else nn.AvgPool2d(size, stride))


def _global(maker: _Maker, layer: Layer) -> None:
    maker.pictures(layer)
    if layer.given.get("keepdims", False):
        raise layer.odd("keepdims")
    maker.add((lambda x: x.mean((2, 3))) if layer.kind == "GlobalAveragePooling2D" else (lambda x: x.amax((2, 3))))
    maker.flat = True


def _flatten(maker: _Maker, layer: Layer) -> None:
    if not maker.flat and maker.last:
        maker.add(lambda x: x.permute(0, 2, 3, 1).flatten(1))
    elif not maker.flat:
        maker.add(nn.Flatten())
    maker.flat = True


def _nothing(maker: _Maker, layer: Layer) -> None:
    """What does nothing once trained."""


def _activate(maker: _Maker, layer: Layer) -> None:
    maker.activation(layer)


def _relu(maker: _Maker, layer: Layer) -> None:
    key = "max_value"
    most = float("inf") if layer.given.get(key) is None else layer.number(key, 0.0)
    slope, threshold = layer.number("negative_slope", 0.0), layer.number("threshold", 0.0)
    maker.add(lambda x: torch.where(x >= threshold, x.clamp(max=most), slope * (x - threshold)))


def _leaky(maker: _Maker, layer: Layer) -> None:
    slope = layer.number("negative_slope", layer.number("alpha", 0.3))
    maker.add(nn.LeakyReLU(slope))


def _elu(maker: _Maker, layer: Layer) -> None:
    maker.add(nn.ELU(layer.number("alpha", 1.0)))


def _softmax(maker: _Maker, layer: Layer) -> None:
    if not maker.flat or layer.given.get("axis", -1) not in (-1, 1):
        raise layer.odd("axis")
    maker.activation(Layer(layer.kind, layer.name, {"activation": "softmax"}))


def _rescale(maker: _Maker, layer: Layer) -> None:
    scale, offset = layer.number("scale", 1.0), layer.number("offset", 0.0)
    if maker.begins and 0 < abs(scale) < BYTES:
        maker.notes.append("its first rescaling takes pixels as 0 .. 255")
        scale *= 255
    maker.add(lambda x: x * scale + offset)


def _frame(maker: _Maker, layer: Layer) -> None:
    maker.pictures(layer)
    value = layer.given.get("padding", 1)
    down, right = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    sides = [side if isinstance(side, list | tuple) and len(side) == 2 else (side, side) for side in (right, down)]
    whole = [n for side in sides for n in side]
    if any(isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= MOST_SIDE for n in whole):
        raise layer.odd("padding")
    maker.add(lambda x: f.pad(x, whole))


def _merge(maker: _Maker, layer: Layer) -> None:
    axis = layer.given.get("axis", -1)
    if layer.kind == "Concatenate" and axis not in ((-1, 1) if maker.flat else (-1, 3) if maker.last else (1, -3)):
        raise layer.odd("axis")
    maker.add(Merged(layer.kind))


WAYS: dict[str, Callable[[_Maker, Layer], None]] = {
    "Conv2D": _conv, "Dense": _dense, "BatchNormalization": _norm, "MaxPooling2D": _max_pool, "AveragePooling2D": _mean_pool,
    "GlobalAveragePooling2D": _global, "GlobalMaxPooling2D": _global, "Flatten": _flatten,
    "Dropout": _nothing, "SpatialDropout2D": _nothing, "GaussianNoise": _nothing,
    "Activation": _activate, "ReLU": _relu, "LeakyReLU": _leaky, "ELU": _elu, "Softmax": _softmax, "Rescaling": _rescale,
    "ZeroPadding2D": _frame, **dict.fromkeys(MERGED, _merge),
}  # fmt: skip
