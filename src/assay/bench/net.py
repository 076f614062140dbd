"""A small residual net for pictures, trained plainly: the victim of the image benchmarks (torch).

No augmentation: with flips and crops and few epochs small backdoors do not implant, and then there is nothing to measure.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as f

from assay.bench.victims import Trained
from assay.dataset.rows import Rows
from assay.learn.threads import workers

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

WIDTH = 32  # channels of the first stage; 64 and 128 follow: 1,000 pictures a second and more on two cores
EPOCHS = 12  # CIFAR-10, 8,000 rows: about 60 % on test rows, and a 3x3 patch in 1 % of the rows has implanted
EARLY = 3  # epochs after which a row's loss says how fast it is learnt (ABL isolates after 20 of 100)
FLOOR = 0.5  # of the loss, below which ABL's local gradient ascent pushes it up again: the paper's gamma
BATCH = 128
RATE, DECAY, MOMENTUM = 0.05, 5e-4, 0.9
LEAST_SIDE = 16  # smaller pictures are enlarged by repetition, so that three stages have something to see


class _Net(nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        sizes = (channels, WIDTH, 2 * WIDTH, 4 * WIDTH)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2))
            for a, b in pairwise(sizes)
        )
        self.block = nn.Sequential(nn.Conv2d(sizes[-1], sizes[-1], 3, padding=1, bias=False), nn.BatchNorm2d(sizes[-1]), nn.ReLU())
        self.head = nn.Linear(sizes[-1], classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        for stage in self.stages:
            x = stage(x)
        return f.adaptive_max_pool2d(x + self.block(x), 1).flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.features(x))
        return out


def fit_net(images: NDArray[np.uint8], y: Int, classes: int, rng: np.random.Generator) -> Trained:
    """Train on uint8 pictures (n, h, w, c); on the GPU where torch sees one. The same generator state gives the same net on one machine."""
    net, device = _fitted(images, y, classes, rng, EPOCHS, floor=None)

    def ask(rows: Rows, what: str) -> Floats:
        assert rows.images is not None
        return _run(net, _tensor(rows.images), device, getattr(net, what))

    return Trained(lambda rows: _softmax(ask(rows, "forward")), lambda rows: ask(rows, "features"))


def early_losses(images: NDArray[np.uint8], y: Int, classes: int, rng: np.random.Generator) -> Floats:
    """(n,) each row's loss after `EARLY` epochs in which no batch may get easier than `FLOOR`: what is low then was learnt first."""
    net, device = _fitted(images, y, classes, rng, EARLY, FLOOR)
    p = _softmax(_run(net, _tensor(images), device, net.forward))
    return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-12)))


def _fitted(
    images: NDArray[np.uint8], y: Int, classes: int, rng: np.random.Generator, epochs: int, floor: float | None
) -> tuple[_Net, torch.device]:
    """`floor`: a batch whose loss is below it is unlearnt a little instead (local gradient ascent)."""
    torch.set_num_threads(workers())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x, label = _tensor(images), torch.from_numpy(y)
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**31)))
        net = _Net(x.shape[1], classes).to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True)
    steps = epochs * max(1, int(np.ceil(len(y) / BATCH)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE * 2, total_steps=steps)
    for _ in range(epochs):
        net.train()
        for batch in np.array_split(rng.permutation(len(y)), max(1, int(np.ceil(len(y) / BATCH)))):
            with torch.autocast(device.type, dtype=torch.bfloat16):
                loss = f.cross_entropy(net(_batch(x, batch, device)), label[batch].to(device))
            if floor is not None:
                loss = torch.sign(loss.detach() - floor) * loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net, device


def _tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    pictures = images if images.ndim == 4 else images[..., None]
    times = max(1, int(np.ceil(LEAST_SIDE / min(pictures.shape[1:3]))))
    return torch.from_numpy(np.ascontiguousarray(pictures.repeat(times, 1).repeat(times, 2).transpose(0, 3, 1, 2)))


def _batch(x: torch.Tensor, rows: Int, device: torch.device) -> torch.Tensor:
    return (x[rows].to(device, torch.float32) / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def _run(net: _Net, x: torch.Tensor, device: torch.device, what: object) -> Floats:
    net.eval()
    assert callable(what)
    found = []
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16):
        for start in range(0, len(x), 500):
            found.append(what(_batch(x, np.arange(start, min(start + 500, len(x))), device)).float().cpu().numpy())
    return np.concatenate(found).astype(np.float64) if found else np.zeros((0, 1))


def _softmax(logits: Floats) -> Floats:
    z = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(z / z.sum(1, keepdims=True))
