"""Features of CIFAR-10 pictures by a network that never saw them: EfficientNet-Lite0 as trained on ImageNet, weights frozen.

    python benchmarks/frozen_features.py --weights $ASSAY_DATA/models/efficientnet_lite0.pth --out out/features

Writes chunks of 500 pictures (float16, 1,280 numbers each: the last layer's input), so that a run that stops goes on where it was. The
network is Tan & Le (2019) without squeeze-and-excitation and with ReLU6 (EfficientNet-Lite, 2020).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as f

from assay.bench.sets import cifar

SIDE = 128  # pixels: a third of the work of the 224 that it was trained at; 32 become 128 by bicubic interpolation
CHUNK, BATCH = 500, 50
MOMENTS = (127.0, 128.0)  # mean and deviation of the pixels that EfficientNet-Lite was trained with
EPSILON = 1e-3  # of its batch normalisation
FIRST_OF_STAGE = {1, 3, 5, 11}  # blocks that halve the picture


class Frozen:
    """The network as a function; batch normalisation is folded into the convolution before it."""

    def __init__(self, path: Path) -> None:
        self.state = torch.load(path, weights_only=True)
        self.blocks = 1 + max(int(name.split(".")[1]) for name in self.state if name.startswith("_blocks"))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = f.relu6(self._conv(x, "_conv_stem", "_bn0", stride=2))
        for number in range(self.blocks):
            stem, inner = f"_blocks.{number}.", x
            if f"{stem}_expand_conv.weight" in self.state:
                inner = f.relu6(self._conv(inner, f"{stem}_expand_conv", f"{stem}_bn0"))
            stride = 2 if number in FIRST_OF_STAGE else 1
            inner = f.relu6(self._conv(inner, f"{stem}_depthwise_conv", f"{stem}_bn1", stride, inner.shape[1]))
            inner = self._conv(inner, f"{stem}_project_conv", f"{stem}_bn2")
            x = inner + x if inner.shape == x.shape else inner
        return f.relu6(self._conv(x, "_conv_head", "_bn1")).mean((2, 3))

    def _conv(self, x: torch.Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> torch.Tensor:
        s = self.state
        factor = s[f"{norm}.weight"] / torch.sqrt(s[f"{norm}.running_var"] + EPSILON)
        weight = s[f"{conv}.weight"] * factor[:, None, None, None]
        bias = s[f"{norm}.bias"] - s[f"{norm}.running_mean"] * factor
        return f.conv2d(_padded(x, weight.shape[2], stride), weight, bias, stride, groups=groups)


def _padded(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """As TensorFlow pads, where the network was trained: what is over goes to the right and below."""
    both = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[:1:-1]]
    return f.pad(x, [part for total in both for part in (total // 2, total - total // 2)])


def features(network: Frozen, images: np.ndarray) -> np.ndarray:
    """(n, 1280) float16 of pictures (n, 32, 32, 3)."""
    made = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(images), BATCH):
            x = (torch.from_numpy(images[start : start + BATCH]).permute(0, 3, 1, 2).float() - MOMENTS[0]) / MOMENTS[1]
            x = f.interpolate(x, size=(SIDE, SIDE), mode="bicubic", align_corners=False)
            made.append(network(x.contiguous(memory_format=torch.channels_last)).float().numpy().astype(np.float16))
    return np.concatenate(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=50_000)
    parser.add_argument("--test", type=int, default=2_000)
    chosen = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    network = Frozen(chosen.weights)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for part, rows in (("test", chosen.test), ("train", chosen.train)):
        images, y = cifar(part, rows)
        np.save(chosen.out / f"{part}-y.npy", y)
        for start in range(0, rows, CHUNK):
            file = chosen.out / f"{part}-{start:05d}.npy"
            if file.exists():
                continue
            began = time.perf_counter()
            made = features(network, images[start : start + CHUNK])
            with file.with_suffix(".part").open("wb") as sink:
                np.save(sink, made)
            os.replace(file.with_suffix(".part"), file)
            print(f"{file.name}: {time.perf_counter() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
