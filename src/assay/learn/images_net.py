"""The probe where torch is installed: a small convolutional network.

Six 3x3 convolutions of width 16, 32 and 64, twelve epochs: 68 % of CIFAR-10 from 5,000 rows in half a minute on two
cores. No flips and no crops: with them a small trigger is not learnt, and what the probe cannot learn no insertion can
measure. Uses a GPU where torch sees one, bfloat16 where the processor has it.

It averages over the picture in the end. `peaks` takes the largest answer instead, as the networks that attackers aim at do: a mark of few
pixels then stands out in what the last layer reads (label-consistent poison of CIFAR-10, 2 %: area .92 by averages, 1.0 by peaks, both
told the truth), at half the time and two points less accuracy.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.dataset.rows import UInt8
from assay.learn.threads import workers

Int = NDArray[np.int64]
Float32 = NDArray[np.float32]

WIDTH = 16  # channels of the first block: 78,000 parameters in all; 32 costs 2.5 times as much for 2 points
EPOCHS = 12
LEAST_STEPS = 300  # small sets are gone through more often
MOST_EPOCHS = 40
BATCH = 128
RATE = 0.1  # peak of the one-cycle schedule (Smith & Topin 2018), with Nesterov momentum
MOMENTUM = 0.9
DECAY = 5e-4
HIDDEN = 64
JUDGED_AT_ONCE = 512


def installed() -> bool:
    """Whether torch can be imported."""
    return importlib.util.find_spec("torch") is not None


@dataclass(frozen=True)
class NetLearner:
    """Reads pictures as they are; `device` is "cuda" or "cpu"."""

    seed: int
    device: str
    peaks: bool = False
    side_by_side: ClassVar[bool] = False  # the library spreads one fit over all cores

    @classmethod
    def of(cls, rng: np.random.Generator, peaks: bool = False) -> NetLearner:
        import torch

        return cls(int(rng.integers(2**31)), "cuda" if torch.cuda.is_available() else "cpu", peaks)

    def prepare(self, images: UInt8) -> UInt8:
        return images

    def prepare_altered(self, images: UInt8, originals: UInt8, inputs: NDArray[Any]) -> UInt8:
        return images

    def fit(self, inputs: NDArray[Any], y: Int, classes: int) -> Net:
        import torch
        from torch.nn.functional import cross_entropy

        with _quiet(self.seed):
            model = (_of_peaks if self.peaks else _network)(inputs.shape[3], classes).to(self.device, memory_format=torch.channels_last)
            images = torch.from_numpy(np.ascontiguousarray(inputs)).to(self.device)
            labels = torch.from_numpy(y).to(self.device)
            n, batch = len(y), min(BATCH, max(1, len(y) // 4))
            per_epoch = max(1, n // batch)
            epochs = int(np.clip(-(-LEAST_STEPS // per_epoch), EPOCHS, MOST_EPOCHS))
            optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, weight_decay=DECAY, nesterov=True)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * per_epoch)
            model.train()
            for _ in range(epochs):
                order = torch.randperm(n).to(self.device)
                for step in range(per_epoch):
                    rows = order[step * batch : (step + 1) * batch]
                    with _half(self.device):
                        scores = model(_as_input(images[rows]))
                    loss = cross_entropy(scores.float(), labels[rows])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
            return Net(model.eval(), self.device)


@dataclass(frozen=True, eq=False)
class Net:
    """A fitted network."""

    model: Any
    device: str

    def scores(self, inputs: NDArray[Any]) -> Float32:
        """(m, k) before the softmax."""
        return self._through(self.model, inputs)

    def hidden(self, inputs: NDArray[Any]) -> Float32:
        """(m, HIDDEN) what the last layer reads."""
        return self._through(self.model[:-1], inputs)

    def _through(self, model: Any, inputs: NDArray[Any]) -> Float32:
        import torch

        parts = []
        with torch.inference_mode(), _threads(), _half(self.device):
            for start in range(0, len(inputs), JUDGED_AT_ONCE):
                chunk = np.ascontiguousarray(inputs[start : start + JUDGED_AT_ONCE])
                parts.append(model(_as_input(torch.from_numpy(chunk).to(self.device))).float().cpu().numpy())
        return np.concatenate(parts)


def _network(channels: int, classes: int) -> Any:
    from torch import nn

    def block(given: int, made: int, stride: int) -> Any:
        return nn.Sequential(nn.Conv2d(given, made, 3, stride, 1, bias=False), nn.BatchNorm2d(made), nn.ReLU())

    w = WIDTH
    return nn.Sequential(
        block(channels, w, 1), block(w, w, 1),
        block(w, 2 * w, 2), block(2 * w, 2 * w, 1),
        block(2 * w, 4 * w, 2), block(4 * w, 4 * w, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4 * w, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes),
    )  # fmt: skip


def _of_peaks(channels: int, classes: int) -> Any:
    """Three convolutions that each keep the largest of four answers, one more beside what it is given, and the largest answers of all."""
    from torch import nn

    class Beside(nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            return x + self.inner(x)

    def block(given: int, made: int) -> Any:
        return nn.Sequential(nn.Conv2d(given, made, 3, 1, 1, bias=False), nn.BatchNorm2d(made), nn.ReLU())

    w = WIDTH
    stages = [nn.Sequential(block(a, b), nn.MaxPool2d(2)) for a, b in ((channels, w), (w, 2 * w), (2 * w, 4 * w))]
    return nn.Sequential(*stages, Beside(block(4 * w, 4 * w)), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4 * w, classes))


def _as_input(images: Any) -> Any:
    """(m, h, w, c) uint8 to (m, c, h, w) in 0 .. 1; the memory stays channels-last."""
    return images.permute(0, 3, 1, 2).float() / 255


def _half(device: str) -> Any:
    """bfloat16 where it is fast; full precision elsewhere."""
    import torch

    fast = device == "cuda" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast(device, torch.bfloat16, enabled=fast)


@contextmanager
def _threads() -> Iterator[None]:
    """All the cores that this process may use, and afterwards what was set before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(workers())
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _quiet(seed: int) -> Iterator[None]:
    """A random state of its own: torch draws first weights from a global one."""
    import torch

    with torch.random.fork_rng(devices=[]), _threads():
        torch.manual_seed(seed)
        yield
