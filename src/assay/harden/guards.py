"""Which rows a network goes on learning from, judged while it learns: for any torch loop, by a line in it and a line after each epoch.

    watch = SmallLoss(share=0.1).begin(len(y), classes)
    for epoch in range(epochs):
        for rows, x, y in batches:
            loss = (watch.weight[rows] * cross_entropy(net(x), y)).sum() / watch.weight[rows].sum()
        watch.look(epoch, scores, y)   # scores (n, classes) of all rows, as the network now gives them

Wrong labels are learnt late and have large loss (small-loss training: Han et al. 2018). Backdoors are learnt *early* and have small loss
(ABL: Li et al. 2021). So `SmallLoss` cuts at both ends where it is asked to. `GradientGroups` drops rows whose gradient no other row of
their class shares (EPIC: Yang, Liu & Mirzasoleiman 2022), which are those that targeted, clean-label poison is made of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as f

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

WARM_UP = 3  # epochs in which every row counts: before, loss says nothing of rows
MEDOIDS = 0.2  # of a class's rows: as the paper (EPIC, section 5.1: 10 to 30 %)
LARGEST = 1_000  # rows of a class among which groups are looked for at a time: distances are quadratic


class Watch(Protocol):
    """`weight` (n,) what each row counts now; `look` is called after each epoch with every row's scores and class."""

    weight: Any

    def look(self, epoch: int, scores: Any, y: Any) -> None: ...


class Guard(Protocol):
    """Settings of a watch: `begin` makes one for n rows."""

    def begin(self, rows: int, classes: int) -> Watch: ...


@dataclass(frozen=True)
class SmallLoss:
    """After `warm_up` epochs leaves out, anew after each, the `share` of rows with the largest loss; and once and for all the share `early`
    of those with the smallest loss at the end of the warm-up (0: none), which is where backdoors are.
    """

    share: float = 0.1
    early: float = 0.0
    warm_up: int = WARM_UP

    def begin(self, rows: int, classes: int) -> Watch:
        return _SmallLoss(self, torch.ones(rows), torch.ones(rows))


@dataclass
class _SmallLoss:
    how: SmallLoss
    weight: Any
    trusted: Any  # (n,) 0 for the rows that were learnt first

    def look(self, epoch: int, scores: Any, y: Any) -> None:
        if epoch + 1 < self.how.warm_up:
            return
        loss = f.cross_entropy(scores.float(), y, reduction="none").cpu()
        if epoch + 1 == self.how.warm_up:
            self.trusted[torch.argsort(loss, stable=True)[: int(self.how.early * len(loss))]] = 0
        self.weight = self.trusted.clone()
        self.weight[torch.argsort(loss, descending=True, stable=True)[: int(self.how.share * len(loss))]] = 0


@dataclass(frozen=True)
class GradientGroups:
    """After `warm_up` epochs, and every `every` after, drops rows that stand alone in gradient space; what is dropped stays out.

    The gradient of a row is taken at the last layer's scores (softmax less label), which bounds that of the weights; a class's rows are
    grouped about `medoids` times their number of medoids, found greedily (facility location), and a group of one is dropped.
    """

    medoids: float = MEDOIDS
    warm_up: int = WARM_UP
    every: int = 2
    last: int = 1_000_000  # epoch from which on nothing more is dropped
    seed: int = 0

    def begin(self, rows: int, classes: int) -> Watch:
        return _Groups(self, torch.ones(rows))


@dataclass
class _Groups:
    how: GradientGroups
    weight: Any
    dropped: list[int] = field(default_factory=list)  # by look

    def look(self, epoch: int, scores: Any, y: Any) -> None:
        if epoch + 1 < self.how.warm_up or (epoch + 1 - self.how.warm_up) % self.how.every or epoch >= self.how.last:
            return
        gradient = scores.float().softmax(1).cpu()
        codes = y.cpu()
        gradient[torch.arange(len(codes)), codes] -= 1
        values, labels = gradient.double().numpy(), codes.numpy()
        kept = self.weight.numpy() > 0
        rng = np.random.default_rng([self.how.seed, epoch])
        lonely: list[int] = []
        for code in np.unique(labels):
            own = rng.permutation(np.flatnonzero(kept & (labels == code)))
            for part in np.array_split(own, max(1, -(-len(own) // LARGEST))):
                lonely += part[alone(values[part], self.how.medoids)].tolist()
        self.weight[torch.tensor(sorted(lonely), dtype=torch.int64)] = 0
        self.dropped.append(len(lonely))


def alone(points: Floats, share: float) -> Int:
    """Positions of points (n, d) that are the only one of their group, of `share` times n groups about greedily chosen medoids.

    >>> alone(np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [9.0]]), 0.5).tolist()
    [5]
    """
    n = len(points)
    count = max(1, round(share * n))
    if n < 3 or count >= n:
        return np.zeros(0, np.int64)
    square = (points**2).sum(1)
    distance = np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * points @ points.T, 0))
    nearest = np.full(n, distance.max() + 1)
    medoids: list[int] = []
    for _ in range(count):
        gain = np.maximum(nearest[:, None] - distance, 0).sum(0)
        gain[medoids] = -1
        chosen = int(gain.argmax())
        if gain[chosen] <= 0:
            break  # every point lies on a medoid
        medoids.append(chosen)
        nearest = np.minimum(nearest, distance[:, chosen])
    group = distance[:, medoids].argmin(1)
    size = np.bincount(group, minlength=len(medoids))
    return np.asarray(np.flatnonzero(size[group] == 1), np.int64)
