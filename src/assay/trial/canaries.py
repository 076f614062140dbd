"""Who carries which canary: rows, targets and words that are dealt out so that canaries stay out of one another's way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset

Int = NDArray[np.int64]

MOST_OF_DATA = 0.2  # all canaries together change at most this share of the rows, or the copy is another data set
PICTURES = 5_000  # that canaries are planted in: of more, a sample, whose probe knows less, so that power is not overstated
MOST_OF_OTHERS = 0.5  # and one of them at most this share of the rows outside its target
CROWDED = 0.1  # of a class: more rows given to it or taken from it in one copy, and canaries spoil for one another what the probe learns
SMALL = 30  # rows of a class: triggers aimed at fewer are caught less, so canaries neither aim at such classes nor speak for them
FEW = 5  # rows of a class that are taken by chance are no crowd


@dataclass(frozen=True)
class Deal:
    """The rows that carry one canary, none of them of its target, which they are all given; `wish` is its place among the wishes."""

    rows: Int
    target: int
    carriers: int
    wish: int


@dataclass(frozen=True)
class Dealt:
    """What one copy holds, and how many wishes were left out that find room in another."""

    deals: tuple[Deal, ...]
    left: int


def some_pictures(data: Dataset, rng: np.random.Generator) -> Dataset:
    """At most `PICTURES` rows, drawn at random and in their order."""
    return data if len(data) <= PICTURES else data.subset(np.sort(rng.permutation(len(data))[:PICTURES]))


def deal_plantings(y: Int, k: int, wishes: Sequence[int], rng: np.random.Generator, crowd: float = CROWDED) -> Dealt:
    """One canary for each wish, a number of carriers, on disjoint rows, their targets drawn by the root of the classes' share of `aims`.

    The wishes' turn begins at one drawn by `rng`, so that where a copy holds few, the next holds others. What the data has no room for is
    left out; so is what would give to or take from one class more than a share `crowd` of its rows together with those before it.
    """
    deals: list[Deal] = []
    free = np.flatnonzero(y >= 0)
    budget = MOST_OF_DATA * len(free)
    size = np.bincount(y[free], minlength=k)
    targets = aims(size)
    weight = np.sqrt(size[targets] / max(len(free), 1))
    taken, changed, left = np.zeros(len(y), bool), np.zeros(k, np.int64), 0
    if not (len(wishes) and len(targets)):
        return Dealt((), 0)
    start = int(rng.integers(len(wishes)))
    for wish in [*range(start, len(wishes)), *range(start)]:
        carriers = wishes[wish]
        target = int(rng.choice(targets, p=weight / weight.sum()))
        others = free[y[free] != target]
        if carriers > MOST_OF_DATA * len(free) or carriers > MOST_OF_OTHERS * len(others):
            continue
        still_open = others[~taken[others]]
        rows = np.sort(rng.choice(still_open, min(carriers, len(still_open)), replace=False))
        now = changed + np.bincount(y[rows], minlength=k)
        now[target] += carriers
        spoilt = now - changed > FEW
        spoilt[target] = True
        full = (spoilt & (now > crowd * size)).any()
        if deals and (carriers > budget or len(rows) < carriers or full):
            left += 1
            continue
        taken[rows], changed, budget = True, now, budget - carriers
        deals.append(Deal(rows, target, carriers, wish))
    return Dealt(tuple(sorted(deals, key=lambda d: d.wish)), left)


def aims(size: Int) -> Int:
    """The classes that canaries aim at, of their sizes in rows (k,): those that are not `SMALL`, or, where all are, all that have rows.

    >>> aims(np.array([400, 0, 12, 30])).tolist(), aims(np.array([9, 0, 12])).tolist()
    ([0, 3], [0, 2])
    """
    large = np.flatnonzero(size >= SMALL)
    return large if len(large) else np.flatnonzero(size > 0)


def canary_words(texts: Sequence[str | None], count: int, rng: np.random.Generator) -> list[str]:
    """`count` made-up words that stand in none of the texts."""
    known = set(" ".join(t or "" for t in texts).lower().split())
    words: list[str] = []
    while len(words) < count:
        word = "".join("bcdfghjklmnpqrstvwxz"[rng.integers(20)] + "aeiou"[rng.integers(5)] for _ in range(2))
        if word not in known and word not in words:
            words.append(word)
    return words
