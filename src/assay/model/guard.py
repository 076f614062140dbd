"""A guard beside a deployed model, made from what an inspection or a scan found: each input is let through, or held with a reason.

Two looks. The artefact: is it there (`artefact.present`)? Consistency: does the model still say the same when the whole picture is
amplified? A backdoored input keeps its class where a clean one loses it (Guo, Li, Chen, Guo, Sun & Liu, SCALE-UP, 2023). **Of clean inputs
exchangeable with those that it was set on, at most `level` are held by the consistency look, on average** (split conformal). Inputs that
the artefact's own `present` accuses are held as well; that look promises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.artefact.base import Artefact, Unanswerable
from assay.dataset.errors import DataError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Predict = Callable[[UInt8], Int]

FACTORS = (2, 3, 4, 5, 6)  # the pixels are multiplied by these, as the authors of SCALE-UP do up to 11: small nets lose all at 6
LEVEL = 0.02  # share of clean inputs held


@dataclass(frozen=True)
class Held:
    """`held` (n,); `by_artefact` (n,) it is there; `by_consistency` (n,) its class survives amplification too well."""

    held: Bools
    by_artefact: Bools
    by_consistency: Bools


@dataclass(frozen=True)
class Guard:
    """`threshold`: share of amplified copies that keep the class, above which an input is held; 1 or more: none is."""

    predict: Predict
    artefacts: tuple[Artefact, ...]
    threshold: float
    unanswerable: tuple[str, ...] = ()  # artefacts that cannot say whether they are there

    def look(self, images: UInt8) -> Held:
        """Which of these pictures (n, h, w, c) are held back."""
        there = np.zeros(len(images), bool)
        for artefact in self.artefacts:
            if artefact.kind not in self.unanswerable:
                there |= artefact.present(images)
        steady = consistency(self.predict, images) > self.threshold
        return Held(there | steady, there, steady)


def guard_of(predict: Predict, artefacts: Sequence[Artefact], clean: UInt8, level: float = LEVEL) -> Guard:
    """A guard set on clean pictures (n, h, w, c). DataError where there are too few for the level: 1 / level - 1 at least."""
    if len(clean) < 1 / level - 1:
        raise DataError(f"{len(clean)} clean pictures; a level of {level} needs {int(np.ceil(1 / level - 1))}", remedy="give more")
    unanswerable = []
    for artefact in artefacts:
        try:
            artefact.present(clean[:1])
        except Unanswerable:
            unanswerable.append(artefact.kind)
    scores = np.sort(consistency(predict, clean))
    rank = int(np.ceil((1 - level) * (len(clean) + 1)))  # the conformal quantile
    return Guard(predict, tuple(artefacts), float(scores[rank - 1]), tuple(dict.fromkeys(unanswerable)))


def consistency(predict: Predict, images: UInt8) -> Floats:
    """(n,) share of amplified copies that keep the class that the picture itself is given.

    >>> consistency(lambda x: (x.mean((1, 2, 3)) > 100).astype(int), np.full((1, 2, 2, 1), 60, np.uint8)).tolist()
    [0.0]
    """
    said = predict(images)
    kept = np.zeros(len(images))
    for factor in FACTORS:
        kept += predict(np.minimum(images.astype(np.int64) * factor, 255).astype(np.uint8)) == said
    return np.asarray(kept / len(FACTORS))
