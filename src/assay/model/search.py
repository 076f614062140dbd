"""With a few clean pictures: the smallest change that turns them all into what a backdoor would, for every class at once.

A class behind which a trigger was planted needs a far smaller change than the others (Wang, Yao, Shan, Li, Viswanath, Zheng & Zhao,
Neural Cleanse, 2019). Three changes are searched: a patch (mask and pattern), an overlay (added to every pixel), a warp (a smooth bend of
the whole picture, Nguyen & Tran, WaNet, 2021). A change may lead into one class, or every class y to y + k (all-to-all).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.model.networks import Network, as_input, forward

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

BATCH = 10  # pictures a step and search
STEPS = 70  # of two or three milliseconds a search: minutes a model would buy sizes a few percent smaller
MOMENTA = (0.5, 0.9)  # the authors': the price of the size moves, and what came long ago misleads
HARSHER, MILDER = 1.1, 1.15  # what the price is multiplied or divided by after a step above or below ENOUGH
ENOUGH = 0.9  # success that counts as turning the pictures
LEAST = 0.05  # success that a search is taken to have had at least
FORGET = 0.5  # of the running success a step: the last two or three batches count


class Change(ABC):
    """A change of pictures, one for each of `searches`, with parameters that gradients reach."""

    name: ClassVar[str]
    rate: ClassVar[float]  # of Adam
    price: ClassVar[float]  # of its size beside the cross-entropy, at the start
    parameters: list[Any]

    @abstractmethod
    def __init__(self, searches: int, network: Network, rng: np.random.Generator) -> None: ...

    @abstractmethod
    def apply(self, x: Any) -> Any:
        """(searches, batch, c, h, w) pictures in 0 .. 1, changed."""

    @abstractmethod
    def size(self) -> Any:
        """(searches,) how large each change is."""

    def kept(self) -> list[Any]:
        return [p.detach().clone() for p in self.parameters]


class Patched(Change):
    """Size: opacity summed over pixels."""

    name = "patch"
    rate = 0.2  # on logits
    price = 1e-2  # the authors'
    START: ClassVar[float] = -1.0  # logit of the mask everywhere: 27 % opaque, so that every pixel may be tried

    def __init__(self, searches: int, network: Network, rng: np.random.Generator) -> None:
        import torch

        side = network.size
        self.mask = torch.full((searches, 1, 1, side, side), self.START, requires_grad=True)
        drawn = rng.normal(0, 0.5, (searches, 1, network.channels, side, side)).astype(np.float32)
        self.pattern = torch.from_numpy(drawn).requires_grad_()
        self.parameters = [self.mask, self.pattern]

    def apply(self, x: Any) -> Any:
        m = self.mask.sigmoid()
        return (1 - m) * x + m * self.pattern.sigmoid()

    def size(self) -> Any:
        return self.mask.sigmoid().sum((1, 2, 3, 4))


class Overlaid(Change):
    """Size: root mean square of what is added, of 1."""

    name = "overlay"
    rate = 0.01  # of the range of a pixel
    price = 10.0  # sizes are a few hundredths
    START: ClassVar[float] = 0.02

    def __init__(self, searches: int, network: Network, rng: np.random.Generator) -> None:
        import torch

        drawn = rng.normal(0, self.START, (searches, 1, network.channels, network.size, network.size)).astype(np.float32)
        self.added = torch.from_numpy(drawn).requires_grad_()
        self.parameters = [self.added]

    def apply(self, x: Any) -> Any:
        return (x + self.added).clamp(0, 1)

    def size(self) -> Any:
        return (self.added**2).mean((1, 2, 3, 4)).sqrt()


class Warped(Change):
    """Size: root mean square of how far pixels move, in pixels."""

    name = "warp"
    rate = 0.1  # pixels
    price = 0.5
    POINTS: ClassVar[int] = 6  # control points a side: the published warp has 4
    START: ClassVar[float] = 0.3  # pixels

    def __init__(self, searches: int, network: Network, rng: np.random.Generator) -> None:
        import torch

        self.side = network.size
        drawn = rng.normal(0, self.START, (searches, 2, self.POINTS, self.POINTS)).astype(np.float32)
        self.flow = torch.from_numpy(drawn).requires_grad_()
        self.parameters = [self.flow]
        steps = torch.linspace(-1, 1, self.side)
        self.still = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)

    def field(self) -> Any:
        """(searches, h, w, 2) right and down, in pixels."""
        from torch.nn import functional as f

        smooth = f.interpolate(self.flow, (self.side, self.side), mode="bicubic", align_corners=True)
        return smooth.permute(0, 2, 3, 1)

    def apply(self, x: Any) -> Any:
        from torch.nn import functional as f

        searches, batch = x.shape[:2]
        # What is no number leads a vectorised lookup out of memory: a network that overflows must not bring the process down.
        grid = (self.still + self.field() * 2 / (self.side - 1)).nan_to_num()
        flat = x.reshape(searches, batch * x.shape[2], *x.shape[3:])
        moved = f.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return moved.reshape(x.shape)

    def size(self) -> Any:
        return (self.flow**2).mean((1, 2, 3)).sqrt()


@dataclass(frozen=True)
class Searched:
    """`sizes` (searches,) of the smallest change that turned the pictures; `turned` (searches,) whether any did. Where none did, the last
    one's size, more by as much as its success fell short. `best`: the change with the parameters of the smallest, search by search."""

    sizes: Floats
    turned: NDArray[np.bool_]
    best: Change


def reached(found: Searched, network: Network, images: UInt8, y: Int, wanted: Int) -> tuple[Int, Int]:
    """((searches,) hits, (searches,) tried): held-back pictures (n, h, w, c) of classes `y` that each change sends where it should."""
    import torch

    hits, tried = np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.int64)
    x = as_input(images)
    with torch.no_grad():
        for start in range(0, len(x), BATCH):
            part, own = x[start : start + BATCH], y[start : start + BATCH]
            changed = found.best.apply(part[None].expand(len(wanted), *part.shape))
            said = forward(network, changed.flatten(0, 1)).argmax(1).numpy().reshape(len(wanted), -1)
            others = wanted[:, own] != own
            hits += ((said == wanted[:, own]) & others).sum(1)
            tried += others.sum(1)
    return hits, tried


def into_classes(classes: int) -> Int:
    """(classes, classes): search t wants class t of every row.

    >>> into_classes(2).tolist()
    [[0, 0], [1, 1]]
    """
    return np.repeat(np.arange(classes)[:, None], classes, 1)


def shifts(classes: int) -> Int:
    """(classes - 1, classes): search k - 1 wants class y + k of a row of class y.

    >>> shifts(3).tolist()
    [[1, 2, 0], [2, 0, 1]]
    """
    return (np.arange(classes)[None] + np.arange(1, classes)[:, None]) % classes


def search(kind: type[Change], network: Network, images: UInt8, y: Int, wanted: Int, rng: np.random.Generator) -> Searched:
    """The smallest change of this kind for each row of `wanted` (searches, classes), from pictures (n, h, w, c) of classes `y` (n,).

    Deterministic given `rng`. DataError if no picture is of another class.
    """
    return smallest(kind(len(wanted), network, rng), as_input(images), partial(forward, network), y, wanted, rng)


def smallest(change: Change, x: Any, said: Callable[[Any], Any], y: Int, wanted: Int, rng: np.random.Generator) -> Searched:
    """The smallest change that sends inputs x (n, c, h, w) of classes `y` (n,) where `wanted` (searches, classes) says.

    `said` gives logits. Inputs that are of the wanted class already are not drawn for that search. Deterministic given `rng`. DataError if
    that leaves none.
    """
    import torch
    from torch.nn import functional as f

    searches = len(wanted)
    pools = [np.flatnonzero(w[y] != y) for w in wanted]
    if not all(map(len, pools)):
        alone = f"all {len(y)} pictures searched with are of class {y[0]} (or, without labels, are told so by the network)"
        raise DataError(f"{alone}, so that none can be turned into it", remedy="give clean pictures of several classes")
    optimizer = torch.optim.Adam(change.parameters, change.rate, MOMENTA)
    price = torch.full((searches,), change.price)
    seen, most, least = torch.zeros(searches), torch.full((searches,), LEAST), torch.full((searches,), torch.inf)
    best = change.kept()
    for _ in range(STEPS):
        rows = np.stack([rng.choice(pool, BATCH, replace=len(pool) < BATCH) for pool in pools])
        label = torch.from_numpy(np.take_along_axis(wanted, y[rows], 1))
        inputs = change.apply(x[rows.ravel()].reshape(searches, BATCH, *x.shape[1:]))
        logits = said(inputs.flatten(0, 1)).reshape(searches, BATCH, -1)
        turned = (logits.detach().argmax(2) == label).float().mean(1)
        seen = FORGET * seen + (1 - FORGET) * turned
        most = torch.maximum(most, seen)
        size = change.size()
        won = (torch.minimum(turned, seen) >= ENOUGH) & (size.detach() < least)
        least = torch.where(won, size.detach(), least)
        for kept, now in zip(best, change.parameters, strict=True):
            kept[won] = now.detach()[won]
        price = torch.where(turned >= ENOUGH, price * HARSHER, price / MILDER)
        loss = f.cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none").reshape(searches, BATCH).mean(1)
        optimizer.zero_grad()
        (loss + price * size).sum().backward()
        optimizer.step()
    found = torch.isfinite(least)
    sizes = torch.where(found, least, change.size().detach() * ENOUGH / most)
    with torch.no_grad():
        for kept, now in zip(best, change.parameters, strict=True):
            now[found] = kept[found]
    return Searched(sizes.double().numpy(), found.numpy(), change)
