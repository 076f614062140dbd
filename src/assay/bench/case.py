"""One cell of a benchmark: a data set, an attack with a budget, a seed; and everything that a defence may ask of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.attack.base import Planted
from assay.attack.planting import plant
from assay.bench.natural import varied
from assay.bench.victims import Trained, fit
from assay.dataset.data import Dataset

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]

TEST_ROWS = 1_000  # untouched rows on which victims are judged
TRUSTED_ROWS = 10  # clean rows a class for peers that need some: AGPD's and Beatrix's custom


@dataclass(frozen=True)
class Cell:
    """What is run. `attack` "" is the clean control. Exactly one of `rate` and `carriers` is given, or neither (the published rate)."""

    set: str
    rows: int
    attack: str = ""
    rate: float | None = None
    carriers: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    variant: str = ""  # a natural oddity (`assay.bench.natural`) of a clean control

    @property
    def id(self) -> str:
        """A stable name.

        >>> Cell("sms", 2000, "phrase", carriers=20, seed=3).id
        'sms:2000/phrase/20 carriers/3'
        """
        settings = "" if not self.params else " " + json.dumps(dict(self.params), sort_keys=True)
        variant = f" {self.variant}" if self.variant else ""
        return f"{self.set}:{self.rows}/{self.attack or 'clean'}{variant}{settings}/{self.budget}/{self.seed}"

    @property
    def budget(self) -> str:
        if not self.attack:
            return "-"
        if self.carriers is not None:
            return f"{self.carriers} carriers"
        return "as published" if self.rate is None else f"{self.rate:.2%}"


@dataclass(eq=False)
class Case:
    """A cell made real. Victims are trained once, when first asked for, and shared by all defences."""

    cell: Cell
    clean: Dataset  # the rows before the attack
    test: Dataset
    planted: Planted | None
    canaries: bool = False  # ours plants canaries too, where they are like the attack (`assay.bench.claims`)
    retrained: dict[bytes, tuple[float | None, float]] = field(default_factory=dict)  # what came of each set of removed rows

    @property
    def data(self) -> Dataset:
        """The rows that defences see."""
        return self.clean if self.planted is None else self.planted.data

    @property
    def poisoned(self) -> Bools:
        """(n,) the truth."""
        return np.zeros(len(self.clean), bool) if self.planted is None else self.planted.poisoned

    @cached_property
    def victim(self) -> Trained:
        """A plain model trained on the rows as they are."""
        return fit(self.data, self.rng(1))

    @cached_property
    def innocent(self) -> Trained:
        """The same model trained on the rows before the attack."""
        return self.victim if self.planted is None else fit(self.clean, self.rng(1))

    @cached_property
    def trusted(self) -> Dataset:
        """`TRUSTED_ROWS` clean rows a class, from the test rows: an oracle, for peers that need it."""
        y = self.test.y
        picked = [np.flatnonzero(y == c)[:TRUSTED_ROWS] for c in range(len(self.test.classes))]
        return self.test.subset(np.sort(np.concatenate(picked)))

    @property
    def target(self) -> int | None:
        """The class that most poisoned rows are labelled: an oracle, for peers that need it."""
        y = self.data.y[self.poisoned]
        return None if not len(y) else int(np.bincount(y).argmax())

    def rng(self, use: int) -> np.random.Generator:
        """A generator of its own for each use."""
        return np.random.default_rng([self.cell.seed, 7, use])


def make_case(cell: Cell, whole: Dataset, canaries: bool = False) -> Case:
    """Draw the rows and the test rows of a set by the cell's seed, and plant its attack in a target drawn by the seed."""
    order = np.random.default_rng([cell.seed, 5]).permutation(len(whole))
    held = min(TEST_ROWS, len(whole) // 4)
    test, clean = whole.subset(np.sort(order[:held])), whole.subset(np.sort(order[held : held + cell.rows]))
    if cell.variant:
        clean = varied(clean, cell.variant, np.random.default_rng([cell.seed, 6]))
    if not cell.attack:
        return Case(cell, clean, test, None, canaries)
    planted = plant(clean, cell.attack, rate=cell.rate, carriers=cell.carriers, seed=cell.seed, params=cell.params)
    return Case(cell, clean, test, planted, canaries)
