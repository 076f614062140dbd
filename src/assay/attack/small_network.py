"""A small convolutional network for attackers who need gradients; PyTorch, imported only here and only when asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.attack.base import Int
from assay.dataset.errors import DataError
from assay.dataset.rows import UInt8

WIDTH = 16  # channels of the first layer, twice and four times that of the later ones: 40,000 weights, learnt in seconds
RATE, BATCH = 2e-3, 64  # of Adam: common values for networks of this size
SMALL = 16  # pixels a side below which the first step of two and the last pooling are left out


def torch() -> Any:
    """The module; DataError where PyTorch is not installed."""
    try:
        import torch as module
    except ImportError as error:
        raise DataError("this attack needs PyTorch, and it is not installed", remedy="pip install 'assay[torch]'") from error
    return module


def seeded(rng: np.random.Generator) -> Any:
    """A context in which PyTorch draws by a seed of `rng`, and after which its own state is as before."""
    t = torch()

    class Seeded:
        def __enter__(self) -> None:
            self.fork = t.random.fork_rng(devices=[])
            self.fork.__enter__()
            t.manual_seed(int(rng.integers(1 << 62)))

        def __exit__(self, *error: Any) -> None:
            self.fork.__exit__(*error)

    return Seeded()


def as_tensor(images: UInt8) -> Any:
    """Pictures (n, h, w, c) as (n, c, h, w) float32 in 0 .. 1."""
    return torch().from_numpy(images.transpose(0, 3, 1, 2).copy()).float() / 255


def as_pictures(tensor: Any) -> UInt8:
    """The inverse of `as_tensor`, rounded."""
    values = tensor.detach().clamp(0, 1).mul(255).round().byte().numpy()
    return np.ascontiguousarray(np.asarray(values, np.uint8).transpose(0, 2, 3, 1))


def small_network(images: UInt8, y: Int, classes: int, epochs: int, rng: np.random.Generator) -> Any:
    """A network (`body` gives features (n, 64), `head` scores) trained on these pictures and class codes; in eval mode."""
    t = torch()
    nn = t.nn
    wide, step = 4 * WIDTH, 2 if min(images.shape[1:3]) >= SMALL else 1
    with seeded(rng):
        body = nn.Sequential(
            nn.Conv2d(images.shape[3], WIDTH, 3, padding=1, stride=step), nn.ReLU(),
            nn.Conv2d(WIDTH, 2 * WIDTH, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(2 * WIDTH, wide, 3, padding=1), nn.ReLU(), nn.MaxPool2d(step),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * wide, wide), nn.ReLU(),
        )  # fmt: skip
        network = nn.Sequential()
        network.add_module("body", body)
        network.add_module("head", nn.Linear(wide, classes))
        optimiser = t.optim.Adam(network.parameters(), RATE)
        x, wanted = as_tensor(images), t.from_numpy(np.asarray(y, np.int64))
        for _ in range(epochs):
            for batch in t.randperm(len(x)).split(BATCH):
                optimiser.zero_grad()
                nn.functional.cross_entropy(network(x[batch]), wanted[batch]).backward()
                optimiser.step()
    network.eval()
    return network


def parameter_gradient(network: Any, x: Any, wanted: Any, create_graph: bool = False) -> Any:
    """(p,) the gradient of the mean cross-entropy by all weights."""
    t = torch()
    loss = t.nn.functional.cross_entropy(network(x), wanted)
    parts = t.autograd.grad(loss, list(network.parameters()), create_graph=create_graph)
    return t.cat([p.flatten() for p in parts])


def matched(network: Any, bases: UInt8, label: int, wanted: Any, epsilon: int, steps: int, start: Any, rng: np.random.Generator) -> Any:
    """(n, c, h, w) a perturbation of at most epsilon/255 under which the bases, labelled rightly, pull weights along `wanted` (p,).

    Signed Adam on 1 - cosine of the two gradients, from `start` (None: drawn), the step falling to nothing.
    """
    t = torch()
    reach, x = epsilon / 255, as_tensor(bases)
    labels = t.full((len(x),), label)
    with seeded(rng):
        delta = (t.rand_like(x) * 2 - 1) * reach if start is None else start.clone()
    delta.requires_grad_(True)
    optimiser = t.optim.Adam([delta], reach / 8)
    schedule = t.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        mine = parameter_gradient(network, (x + delta).clamp(0, 1), labels, create_graph=True)
        (1 - t.nn.functional.cosine_similarity(mine, wanted, dim=0)).backward()
        delta.grad.sign_()
        optimiser.step()
        schedule.step()
        with t.no_grad():
            delta.clamp_(-reach, reach)
    return delta.detach()
