"""A family: one kind of artefact, from mining to evidence.

A family knows how to enumerate its artefacts in a data set, how to take them out of rows and ask a cross-fitted probe what is
left, and which canaries show what it can see. The pipeline knows none of that: it runs the families, pools their e-values and
concludes. A new family is one file here and a line in `assay.trial.registry`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import Check, Effect, Status, TrialResult
from assay.learn.images_linear import LinearLearner
from assay.mine.candidate import Candidate

Depth = Literal["fast", "full"]
# progress(done, total, what): called now and then with work done so far; cheap
Progress = Callable[[float, float, str], None]


def silent(done: float, total: float, what: str) -> None:
    """A `Progress` that says nothing."""


@dataclass(frozen=True)
class Tried:
    """A candidate after its trials.

    `log_e` is the natural log of the e-value that goes into e-BH: the least over the trials that confirmation needs (surprise and
    contradiction), averaged over targets. `missing` says which needed trial could not be run: then the finding is at most
    suspected. `nominated` means surprise alone would reject (a shortcut, if nothing more).
    """

    candidate: Candidate
    target: int | None  # class code the carriers are drawn to; None: untargeted or all-to-all
    log_e: float
    p_value: float
    trials: tuple[TrialResult, ...]
    missing: tuple[str, ...] = ()
    nominated: bool = False
    effect: Effect | None = None
    family_key: str | None = None  # siblings share it (one column, one natural family): they may merge into one shortcut
    planted_without_relabelling: str | None = None  # evidence of clean-label planting, in words: suspected at most
    accused: NDArray[np.int64] | None = None  # carriers judged planted; None: all of the target's label
    odd: NDArray[np.int64] | None = (
        None  # carriers that are strangers in their label, where most belong to it and it was tried all the same
    )
    natural: str | None = None  # why this looks like a natural attribute, in words: it is a shortcut, never confirmed
    words: str | None = None  # what was found, where "taken out, the rest speaks against the label" is not what was tried


@dataclass(frozen=True)
class Examined:
    """What a family found: tried candidates (strongest first), how many were enumerated, and by-products others can use."""

    tried: tuple[Tried, ...]
    enumerated: int
    probabilities: NDArray[np.float64] | None = None  # (n, k) out-of-fold class probabilities, for the label screen
    features: NDArray[np.float32] | None = None  # (n, d) label-free features, for neighbours and outliers
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    fold: NDArray[np.int64] | None = None  # (n,) which model each row's probabilities are of, where models differ in what they mean by one


@dataclass(frozen=True)
class Planting:
    """A known artefact put into a copy: which rows now carry it, and a rule that says whether a tried candidate is it."""

    kind: str
    size: str  # in words: "one rare word", "3x3 patch"
    carriers: NDArray[np.int64]
    enough: Status = "confirmed"  # the status that counts as caught: "suspected" where the family can give no more


@dataclass(frozen=True)
class CanaryCopy:
    """A copy of the data with several canaries in it, and how many more it had no room for beside them, that another copy would hold."""

    data: Dataset
    plantings: tuple[Planting, ...] = field(default=())
    left: int = 0


class Family(Protocol):
    """One kind of artefact. Instances are stateless; all randomness comes in as `rng`."""

    name: str  # "phrase", "patch", "overlay", "cells", "group"

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        """state "ran" if `examine` should be called, else why not (not_applicable, not_planned, not_installed)."""
        ...

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined: ...

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """Canaries at several numbers of carriers, each with its own trigger, rows and target; None if it has none.

        Asked again, with another generator, for a copy that holds what this one left.
        """
        ...


@dataclass(frozen=True)
class Heard:
    """What a family may be told before it examines rows. Whoever does not listen finds the same, later."""

    probabilities: NDArray[np.float64] | None = None  # (n, k) out-of-fold, of the rows as they are: another family's by-product
    pictures: Callable[[], LinearLearner] | None = None  # the scan's own way to read pictures, which remembers those it has met
    fold: NDArray[np.int64] | None = None  # (n,) which model each row's probabilities are of, where that matters
    accused: NDArray[np.int64] | None = None  # rows that families before it would see convicted, were they alone
    canaries: bool = False  # a copy with canaries: what is caught matters, and nobody reads effects or features


NOTHING = Heard()


@runtime_checkable
class Listener(Protocol):
    """A family that can use what others learnt, or leave out what nobody reads."""

    def told(self, heard: Heard) -> Self:
        """The same family, which now need not do that work again."""
        ...


@runtime_checkable
class Leader(Listener, Protocol):
    """A listener that makes no use of others' probabilities, and so may be examined before they are done."""

    leads: ClassVar[bool]
