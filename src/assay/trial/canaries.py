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
MOST_OF_OTHERS = 0.5  # and at most this share of the rows outside a target


@dataclass(frozen=True)
class Deal:
    """The rows that carry one canary, none of them of its target, which they are all given."""

    rows: Int
    target: int
    carriers: int


def some_pictures(data: Dataset, rng: np.random.Generator) -> Dataset:
    """At most `PICTURES` rows, drawn at random and in their order."""
    return data if len(data) <= PICTURES else data.subset(np.sort(rng.permutation(len(data))[:PICTURES]))


def deal_plantings(y: Int, k: int, carriers: Sequence[int], each: int, rng: np.random.Generator) -> list[Deal]:
    """Up to `each` canaries at each number of carriers, on disjoint rows, their targets drawn in proportion to the classes.

    Sizes that the data has no room for are left out, the largest first.
    """
    deals: list[Deal] = []
    free = np.flatnonzero(y >= 0)
    budget = MOST_OF_DATA * len(free)
    share = np.bincount(y[free], minlength=k) / max(len(free), 1)
    targets = np.flatnonzero(share > 0)
    taken = np.zeros(len(y), bool)
    for size in sorted(carriers):
        for _ in range(each):
            weight = np.sqrt(share[targets])
            target = int(rng.choice(targets, p=weight / weight.sum()))
            open_rows = free[(y[free] != target) & ~taken[free]]
            if size > budget or size > MOST_OF_OTHERS * len(open_rows):
                break
            rows = rng.choice(open_rows, size, replace=False)
            taken[rows] = True
            budget -= size
            deals.append(Deal(np.sort(rows), target, size))
    return deals


def canary_words(texts: Sequence[str | None], count: int, rng: np.random.Generator) -> list[str]:
    """`count` made-up words that stand in none of the texts."""
    known = set(" ".join(t or "" for t in texts).lower().split())
    words: list[str] = []
    while len(words) < count:
        word = "".join("bcdfghjklmnpqrstvwxz"[rng.integers(20)] + "aeiou"[rng.integers(5)] for _ in range(2))
        if word not in known and word not in words:
            words.append(word)
    return words
