"""A Keras network whose layers feed more than one other: in torch, every layer once, in an order in which what it reads is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
from torch import nn

MERGED: dict[str, Callable[[Sequence[Any]], Any]] = {
    "Add": lambda xs: reduce(torch.add, xs),
    "Average": lambda xs: reduce(torch.add, xs) / len(xs),
    "Maximum": lambda xs: reduce(torch.maximum, xs),
    "Multiply": lambda xs: reduce(torch.mul, xs),
    "Concatenate": lambda xs: torch.cat(list(xs), 1),
}
"""Layers that read several others, by Keras's name; channels stand behind the pictures' number, and so do values in a row."""


class Merged(nn.Module):
    """Several inputs made one. ValueError where their shapes do not agree: nothing is stretched, as Keras would."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, *given: Any) -> Any:
        shapes = [tuple(x.shape) for x in given]
        if self.kind == "Concatenate":
            shapes = [(shape[0], *shape[2:]) for shape in shapes]
        if len(set(shapes)) != 1:
            raise ValueError(f"{self.kind} of shapes {', '.join(str(tuple(x.shape)) for x in given)}")
        return MERGED[self.kind](given)


class Graph(nn.Module):
    """`steps`: the places of what each part reads (0: the pictures, i + 1: what step i gave), and the part; the last one gives the answer.

    >>> one = Graph([((0,), nn.Identity()), ((0, 1), Merged("Add"))])
    >>> one(torch.ones(1, 2)).tolist()
    [[2.0, 2.0]]
    """

    def __init__(self, steps: Sequence[tuple[tuple[int, ...], nn.Module]]) -> None:
        super().__init__()
        self.read = [read for read, _ in steps]
        self.parts = nn.ModuleList(part for _, part in steps)
        self.last = {place: step for step, places in enumerate(self.read) for place in places}

    def forward(self, x: Any) -> Any:
        values = {0: x}
        for step, (read, part) in enumerate(zip(self.read, self.parts, strict=True)):
            given = [values[place] for place in read]
            for place in {p for p in read if self.last[p] == step}:  # nobody reads it again
                del values[place]
            values[step + 1] = part(*given)
        return values[len(self.parts)]
