"""Clean twins made on the spot: the same network trained anew, from random weights, on rows that somebody vouches for.

They are worth as much as the rows: far fewer than the model itself was trained on make twins that stray from it in every class, and then
hardly any class stands out (`assay.model.twins`).
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.model.networks import Network, as_input, frozen

Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

LEAST_A_CLASS = 10  # clean rows: with fewer the twin knows a class by a handful of pictures
STEPS, BATCH = 500, 64  # some 30 passes over 1,000 rows: the nets of this size then know their rows by heart
RATE = 3e-3  # of Adam, at its highest: it suits nets with and without normalisation


def retrained(network: Network, images: UInt8, y: Int, rng: np.random.Generator, steps: int = STEPS) -> Network:
    """A twin of the network from clean pictures (n, h, w, c) of classes `y` (n,). Deterministic given `rng`, on one machine.

    DataError where a class has too few rows, or the network has weights that cannot be drawn anew.
    """
    import torch
    from torch.nn import functional as f

    count = np.bincount(y, minlength=network.classes)
    if count.min() < LEAST_A_CLASS:
        raise DataError(
            f"class {int(count.argmin())} has {int(count.min())} clean rows, and a twin needs {LEAST_A_CLASS} of each",
            remedy="give more rows, or clean models as twins",
        )
    module = copy.deepcopy(network.module)
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**31)))
        _drawn_anew(module)
    module.train()
    for parameter in module.parameters():
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(module.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    x, label = as_input(images), torch.from_numpy(np.asarray(y))
    for _ in range(steps):
        rows = rng.choice(len(y), min(BATCH, len(y)), replace=False)
        optimizer.zero_grad()
        f.cross_entropy(module(x[rows]), label[rows]).backward()
        optimizer.step()
        schedule.step()
    return replace(network, module=frozen(module), family=f"{network.family}, a twin")


def _drawn_anew(module: object) -> None:
    parts = [part for part in module.modules() if list(part.parameters(recurse=False))]  # type: ignore[attr-defined]
    for part in parts:
        if not hasattr(part, "reset_parameters"):
            raise DataError(f"{type(part).__name__} cannot be drawn anew", remedy="give clean models as twins")
        part.reset_parameters()
