"""Rows under suspicion, taught as classes of their own, or not at all, by cross-fitted models of any inputs.

*Quarantined*: the suspects of each label are a class of their own, so that a model learns what sets them apart from the label's other rows
and from all other labels at once; which rows of the other fold it puts there is a sharper account of who belongs to the group.
*Left out*: a model that never saw the suspects says what their contents support.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from assay.learn.images import CHUNK, CrossFit, Fitter, Floats, Int, Model

Bools = NDArray[np.bool_]


def left_out(
    inputs: NDArray[Any],
    y: Int,
    classes: int,
    learner: Fitter,
    fold: Int,
    suspects: Bools,
    temperature: Sequence[float],
    wanted: Bools | None = None,
) -> Floats:
    """(n, k) probabilities of all rows, each by a model of the other folds' rows that are not `suspects` (n,).

    `y` -1 is not learnt from; `temperature` is that of each fold's model. Rows of a fold with none that is `wanted` (n,) have NaN, and no
    model is made for them.
    """
    result = np.full((len(y), classes), np.nan)
    for f in np.unique(fold if wanted is None else fold[wanted]):
        taught, judged = np.flatnonzero((fold != f) & (y >= 0) & ~suspects), np.flatnonzero(fold == f)
        result[judged] = _opinion(learner.fit(inputs[taught], y[taught], classes), inputs, judged, temperature[f])
    return result


def refitted(taught: CrossFit, y: Int) -> CrossFit:
    """The same folds and ways of learning, by models of the labels `y` (n,): those that are -1 were not learnt from."""
    assert taught.inputs is not None
    models: list[Model] = []
    probabilities = np.zeros_like(taught.probabilities)
    for f in range(len(taught.models)):
        learnt, judged = np.flatnonzero((taught.fold != f) & (y >= 0)), np.flatnonzero(taught.fold == f)
        models.append(taught.learner.fit(taught.inputs[learnt], y[learnt], taught.classes))
        probabilities[judged] = _opinion(models[-1], taught.inputs, judged, taught.temperature[f])
    return replace(taught, models=tuple(models), probabilities=probabilities)


def _opinion(model: Model, inputs: NDArray[Any], judged: Int, temperature: float) -> Floats:
    """(m, k) probabilities of the rows `judged` (m,)."""
    return np.asarray(softmax(_scores(model, inputs, judged).astype(np.float64) / temperature, axis=1))


def quarantined(inputs: NDArray[Any], y: Int, classes: int, learner: Fitter, fold: Int, suspects: Bools) -> Bools:
    """(n,) rows that models of the other folds put with the suspects of their label rather than with its other rows."""
    return set_apart(inputs, y, classes, learner, fold, suspects) > 0


def set_apart(
    inputs: NDArray[Any], y: Int, classes: int, learner: Fitter, fold: Int, suspects: Bools, untaught: Bools | None = None
) -> Floats:
    """(n,) by how much they do, in scores before the softmax; -inf where the label has no suspects elsewhere, or the row no label.

    Rows that are `untaught` (n,) are judged, and teach nothing.
    """
    apart = np.where(suspects & (y >= 0), y + classes, y)
    result = np.full(len(y), -np.inf)
    teaching = y >= 0 if untaught is None else (y >= 0) & ~untaught
    for f in np.unique(fold):
        taught = np.flatnonzero((fold != f) & teaching)
        model = learner.fit(inputs[taught], apart[taught], 2 * classes)
        judged = np.flatnonzero((fold == f) & (y >= 0))
        scores, own = _scores(model, inputs, judged), np.arange(len(judged))
        populated = np.bincount(apart[taught], minlength=2 * classes) > 0
        label = y[judged]
        result[judged] = np.where(populated[label + classes], scores[own, label + classes] - scores[own, label], -np.inf)
    return result


def _scores(model: Model, inputs: NDArray[Any], rows: Int) -> NDArray[np.float32]:
    return np.concatenate([model.scores(inputs[rows[i : i + CHUNK]]) for i in range(0, len(rows), CHUNK)])
