"""What a defence is in the benchmark: it sees the rows and their labels, and says which to remove.

A peer that needs more than a user has (the true rate, the target, clean rows) is given it, and `oracle` says so in every table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assay.artefact.base import Artefact
from assay.bench.case import Case
from assay.dataset.data import Modality
from assay.finding import Sensitivity

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Int = NDArray[np.int64]
Oracle = Literal["rate", "target", "clean rows", "truth"]


@dataclass(frozen=True)
class Flags:
    """`removed` (n,) rows to leave out; `score` (n,) higher is more suspicious; `artefacts` named, strongest first."""

    removed: Bools
    score: Floats
    artefacts: tuple[Artefact, ...] = ()
    suspected: Bools | None = None  # (n,) rows under a finding that is not acted on
    confirmed: tuple[Int, ...] = ()  # positions of each confirmed artefact
    claimed: float | None = None  # the false discovery rate claimed over confirmed artefacts; None: nothing is claimed
    predicted: tuple[Sensitivity, ...] = ()  # what canaries say would be caught


@dataclass(frozen=True)
class Defence:
    """A name, what it does, and the modalities it can be run on."""

    name: str
    flag: Callable[[Case], Flags]
    modalities: tuple[Modality, ...] = ("image", "text", "table")
    oracle: tuple[Oracle, ...] = ()
    needs: tuple[str, ...] = ()  # packages
    source: str = ""


def top(score: Floats, count: int) -> Bools:
    """(n,) the `count` highest scores; ties in the order of rows.

    >>> top(np.array([0.1, 3.0, 2.0]), 2).tolist()
    [False, True, True]
    """
    chosen = np.zeros(len(score), bool)
    chosen[np.argsort(-score, kind="stable")[: max(0, count)]] = True
    return chosen
