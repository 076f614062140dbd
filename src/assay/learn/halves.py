"""Rows dealt to two halves, each judged by a model of the other: what trials that leave rows out start from, whatever the rows are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import MISSING
from assay.learn.images import CHUNK, FOLDS, Fitter, deal, temperature_of, tempered

Int = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Halves:
    """`inputs` (n, ...) what a model reads, `fold` (n,) the half each row is in, `temperature` that of each half's model, and what the
    models that never saw a row say of it, `probabilities` (n, k)."""

    inputs: Any
    fitter: Fitter
    temperature: tuple[float, ...]
    fold: Int
    probabilities: Floats

    @property
    def classes(self) -> int:
        return self.probabilities.shape[1]


def fit_halves(inputs: Any, y: Int, classes: int, fitter: Fitter, group: Int, rng: np.random.Generator) -> Halves:
    """Fit on one half and judge the other, both ways; rows of one `group` (n,) share a half. `inputs`: an array, or a sparse matrix in
    rows; rows without a label (MISSING) are judged and not learnt from.

    ValueError where a half has no labelled row.
    """
    fold = deal(group, FOLDS, rng)
    scores = np.zeros((len(y), classes), np.float32)
    for f in range(FOLDS):
        taught, judged = np.flatnonzero((fold != f) & (y != MISSING)), np.flatnonzero(fold == f)
        if not len(taught):
            raise ValueError("too few labelled rows for two halves")
        model = fitter.fit(inputs[taught], y[taught], classes)
        for start in range(0, len(judged), CHUNK):
            scores[judged[start : start + CHUNK]] = model.scores(inputs[judged[start : start + CHUNK]])
    warmth, p = [], np.zeros((len(y), classes))
    for f in range(FOLDS):
        elsewhere = (fold != f) & (y != MISSING)
        warmth.append(temperature_of(scores[elsewhere], y[elsewhere]))
        p[fold == f] = tempered(scores[fold == f], warmth[f])
    return Halves(inputs, fitter, tuple(warmth), fold, p)
