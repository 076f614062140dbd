"""Adversarial examples: the worst that a small change of the input can do to a torch network, and how many rows withstand it.

Inputs are in 0 .. 1 and stay there; `reach` is the largest change in the norm asked for ("inf": of any one number; "2": Euclidean, of the
row). A row that an attack cannot turn is no proof that none can: these are upper bounds on robust accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn import functional as f

from assay.stats.interval import clopper_pearson

Norm = Literal["inf", "2"]
AT_ONCE = 256  # rows
REACH = 8 / 255  # the field's usual bound for pictures of 32 pixels (Madry et al. 2018)
STEPS = 20  # of PGD, each 2.5 reach / steps long, so that it can cross the ball and come back (Madry et al. 2018, appendix)
OVERSHOOT = 2.5


def fgsm(net: Any, x: Any, y: Any, reach: float = REACH) -> Any:
    """Inputs (n, ...) after one step of length `reach` along the sign of the gradient (Goodfellow, Shlens & Szegedy 2015)."""
    return (x + reach * _gradient(net, x, y).sign()).clamp(0, 1)


def pgd(
    net: Any, x: Any, y: Any, reach: float = REACH, steps: int = STEPS, norm: Norm = "inf", generator: torch.Generator | None = None
) -> Any:
    """Inputs after `steps` of projected gradient ascent on the loss (Madry et al. 2018), from a point drawn in the ball with `generator`,
    from the input itself without one.
    """
    step, start = OVERSHOOT * reach / steps, x
    if generator is not None:
        start = x + _held(torch.rand(x.shape, generator=generator).to(x) * 2 - 1, norm, reach)
    moved = start.clamp(0, 1)
    for _ in range(steps):
        slope = _gradient(net, moved, y)
        ahead = slope.sign() if norm == "inf" else slope / _length(slope).clamp_min(1e-12)
        moved = (x + _within(moved + step * ahead - x, norm, reach)).clamp(0, 1)
    return moved


@dataclass(frozen=True)
class Robustness:
    """Shares of rows told right: untouched, after FGSM, after PGD; 95 % intervals over rows."""

    clean: tuple[float, float, float]
    fgsm: tuple[float, float, float]
    pgd: tuple[float, float, float]
    rows: int
    reach: float
    norm: str

    def to_json(self) -> dict[str, Any]:
        told = {name: dict(zip(("share", "low", "high"), getattr(self, name), strict=True)) for name in ("clean", "fgsm", "pgd")}
        return {**told, "rows": self.rows, "reach": self.reach, "norm": self.norm}


def robustness(
    net: Any,
    x: Any,
    y: Any,
    reach: float = REACH,
    steps: int = STEPS,
    norm: Norm = "inf",
    seed: int = 0,
    say: Callable[[float, float, str], None] = lambda *_: None,
) -> Robustness:
    """How a network (put into eval mode here, and back after) fares on rows x (n, ...) in 0 .. 1 of classes y (n,)."""
    right = torch.zeros(3, dtype=torch.int64)
    generator = torch.Generator().manual_seed(seed)
    with judging(net):
        for start in range(0, len(x), AT_ONCE):
            rows, truth = x[start : start + AT_ONCE], y[start : start + AT_ONCE]
            plain = net(rows).argmax(1) == truth
            one = plain & (net(fgsm(net, rows, truth, reach)).argmax(1) == truth)
            many = plain & (net(pgd(net, rows, truth, reach, steps, norm, generator)).argmax(1) == truth)
            right += torch.stack([plain.sum(), one.sum(), many.sum()]).cpu()
            say(min(start + AT_ONCE, len(x)), len(x), "adversarial examples")
    shares = [(int(k) / len(x), *clopper_pearson(int(k), len(x))) for k in right]
    return Robustness(shares[0], shares[1], shares[2], len(x), reach, norm)


@contextmanager
def judging(net: Any) -> Any:
    """Eval mode, in which no gradient reaches the weights; what was before, after."""
    before, asked = net.training, [p.requires_grad for p in net.parameters()]
    net.eval().requires_grad_(False)
    try:
        yield net
    finally:
        net.train(before)
        for parameter, wanted in zip(net.parameters(), asked, strict=True):
            parameter.requires_grad_(wanted)


def _gradient(net: Any, x: Any, y: Any) -> Any:
    x = x.detach().requires_grad_(True)
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(f.cross_entropy(net(x).float(), y, reduction="sum"), x)
    return slope


def _length(change: Any) -> Any:
    return change.flatten(1).norm(dim=1).reshape(-1, *[1] * (change.ndim - 1))


def _held(drawn: Any, norm: str, reach: float) -> Any:
    """A point of the ball from one drawn in -1 .. 1 a number."""
    return reach * drawn if norm == "inf" else reach * drawn / _length(drawn).clamp_min(1e-12)


def _within(change: Any, norm: str, reach: float) -> Any:
    if norm == "inf":
        return change.clamp(-reach, reach)
    return change * (reach / _length(change).clamp_min(1e-12)).clamp(max=1.0)
