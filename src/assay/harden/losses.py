"""Losses that wrong labels pull less, a number for each row, so that any torch loop can weigh and average them as it likes.

All take scores (n, classes) before the softmax and class codes (n,), and give (n,). Bounded losses keep backdoors, whose rows agree with
one another and have small loss: they help against wrong labels alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.nn import functional as f

RowLoss = Callable[[Any, Any], Any]

POWER = 0.7  # of `generalised`: the paper's choice for CIFAR (Zhang & Sabuncu 2018, section 4)
STRAIGHT, REVERSE, NOTHING = 0.1, 1.0, -4.0  # of `symmetric`: its weights for CIFAR-10 and log 0 (Wang et al. 2019, sections 4 and 5)


def cross_entropy(scores: Any, y: Any) -> Any:
    """What is commonly used; without bound, so a few wrong labels can pull as hard as many right ones."""
    return f.cross_entropy(scores, y, reduction="none")


def generalised(scores: Any, y: Any) -> Any:
    """Generalised cross-entropy, (1 - p^q) / q: between cross-entropy (q to 0) and the share of errors (q = 1); at most 1 / q.

    >>> import torch
    >>> round(float(generalised(torch.tensor([[0.0, 60.0]]), torch.tensor([0]))[0]), 3)
    1.429
    """
    chosen = scores.softmax(1).gather(1, y[:, None])[:, 0].clamp_min(1e-7)
    return (1 - chosen**POWER) / POWER


def symmetric(scores: Any, y: Any) -> Any:
    """Symmetric cross-entropy: a little of the usual one, and the reverse, -sum p log q with log 0 held at -4, which is bounded.

    >>> import torch
    >>> bool(symmetric(torch.tensor([[9.0, 0.0]]), torch.tensor([0])) < symmetric(torch.tensor([[0.0, 9.0]]), torch.tensor([0])))
    True
    """
    wrong = 1 - scores.softmax(1).gather(1, y[:, None])[:, 0]
    return STRAIGHT * cross_entropy(scores, y) - REVERSE * NOTHING * wrong


LOSSES: dict[str, RowLoss] = {"cross-entropy": cross_entropy, "generalised": generalised, "symmetric": symmetric}
