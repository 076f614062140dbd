"""What an attack is: parameters with published defaults, and a way to poison a data set that keeps the truth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from assay.artefact.base import Artefact
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
Stamp = Callable[[Rows, np.random.Generator], Rows]
Needs = Literal["pictures", "texts", "cells", "labels", "corpus"]  # corpus: texts, labels or not


@dataclass(frozen=True)
class Param:
    """One parameter: its published default, what it means, how text is read, and what it may be."""

    default: Any
    what: str
    read: Callable[[str], Any] = str
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None

    def settle(self, name: str, value: Any) -> Any:
        """The value to use: text is read, then checked. DataError says what was expected."""
        if isinstance(value, str) and self.read is not str:
            try:
                value = self.read(value)
            except ValueError as error:
                raise DataError(f"parameter {name}={value!r} is not {_noun(self.read)}", remedy=self.what) from error
        if self.choices and value not in self.choices:
            raise DataError(f"parameter {name}={value!r}", remedy=f"choose {', '.join(map(str, self.choices))}")
        below = self.low is not None and value is not None and value < self.low
        if below or (self.high is not None and value is not None and value > self.high):
            allowed = f"{'' if self.low is None else self.low} .. {'' if self.high is None else self.high}"
            raise DataError(f"parameter {name}={value!r} is outside {allowed}", remedy=self.what)
        return value


@dataclass(frozen=True)
class Budget:
    """How many rows are poisoned: a share of all rows, or a number; neither: what the attack or its parameters say."""

    rate: float | None = None
    carriers: int | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and self.carriers is not None:
            raise DataError("both a rate and a number of carriers are given", remedy="give one of them")
        if self.rate is not None and not 0 < self.rate <= 1:
            raise DataError(f"a rate of {self.rate}", remedy="give a share of all rows between 0 and 1: 0.01 is 1 %")
        if self.carriers is not None and self.carriers < 1:
            raise DataError(f"{self.carriers} carriers", remedy="give at least 1")

    def count(self, rows: int, default_rate: float) -> int:
        """Of a data set of this many rows; at least 1."""
        if self.carriers is not None:
            return self.carriers
        return max(1, round((default_rate if self.rate is None else self.rate) * rows))


class Made(NamedTuple):
    """A trigger before it has a target: the artefact where there is a kind that can hold it, and how it is put in."""

    artefact: Artefact | None  # None: rows share something that no kind of artefact can say (a warp, a style)
    stamp: Stamp  # at test time, and into training rows where `train` is None
    train: Stamp | None = None  # into training rows: a weaker or partial trigger
    cover: Stamp | None = None  # into rows that keep their label (default: as into training rows)


@dataclass(frozen=True, eq=False)
class Trigger:
    """What is put into rows, and what for. `stamp` puts it in as the attacker does at test time."""

    artefact: Artefact | None
    stamp: Stamp
    target: int | None  # class code; None: all-to-all, class y goes to y + 1, or untargeted
    sources: tuple[int, ...] | None = None  # only rows of these classes are to go to the target; None: of all others
    untargeted: bool = False  # any class but the right one will do


@dataclass(frozen=True, eq=False)
class Planted:
    """A poisoned copy and the truth about it."""

    data: Dataset  # content and labels replaced; record numbers, keys and digests are still those of the original
    poisoned: Bools  # (n,)
    artefacts: tuple[Artefact, ...]  # what the rows share, one a trigger; none where no kind of artefact can say it
    name: str  # the kind of attack
    triggers: tuple[Trigger, ...] = ()  # none where only labels are corrupted
    which: Int | None = None  # (n,) the trigger a poisoned row carries, -1: none
    cover: Bools | None = None  # (n,) rows the attacker changed that keep their label; never poisoned ones; None: none

    def carriers(self, trigger: int) -> Int:
        """Positions of the rows that carry this trigger."""
        assert self.which is not None
        return np.flatnonzero(self.which == trigger)


class Attack(ABC):
    """One kind of poisoning. Subclasses give the paper in their docstring; instances hold nothing."""

    kind: ClassVar[str]
    needs: ClassVar[Needs]
    rate: ClassVar[float]  # the share of all rows that is poisoned where nobody says otherwise
    params: ClassVar[Mapping[str, Param]]

    @abstractmethod
    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        """Poison a copy; `params` are settled (see `settle`). `assay.attack.plant` saw that there are labels."""

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters: those given, read and checked, and the others' defaults. DataError lists the known ones."""
        unknown = [name for name in given if name not in self.params]
        if unknown:
            known = "; ".join(f"{name} ({p.what}; default {p.default})" for name, p in self.params.items())
            raise DataError(f"the attack {self.kind!r} has no parameter {unknown[0]!r}", remedy=f"use {known}")
        return {name: param.settle(name, given[name]) if name in given else param.default for name, param in self.params.items()}


def yes(text: str) -> bool:
    """Read a truth value.

    >>> yes("true"), yes("0")
    (True, False)
    """
    if text.lower() in ("1", "true", "yes"):
        return True
    if text.lower() in ("0", "false", "no"):
        return False
    raise ValueError(text)


def _noun(read: Callable[[str], Any]) -> str:
    return {int: "a whole number", float: "a number", yes: "true or false"}.get(read, "readable")
