"""What a picture says about its label, by a model that never saw the row it judges.

Rows are dealt to folds (two, or five where rows are few), near-duplicates together; each is judged by a model that was fitted
on the others. Two learners:
`images_linear`, random convolution patches and a linear model (no torch needed), and `images_net`, a small convolutional
network. Both are calibrated by a temperature that is fitted on the fold that they do not judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from assay.dataset.data import MISSING
from assay.dataset.rows import UInt8
from assay.learn.images_features import shrink
from assay.learn.images_groups import near_duplicates
from assay.learn.threads import in_parallel

Int = NDArray[np.int64]
Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]

FOLDS = 2  # each costs a fit; a row is judged by the one fit that did not see it
FOLDS_OF_FEW = 5  # of ten faces a person, four or five are too few to learn from: 62 % right with two folds, 77 % with five
FEW = 1_000  # rows
TRAIN_AT_MOST = 50_000  # rows a model is fitted on: features of 50,000 rows take 0.45 GiB
HELD = 30_000  # rows whose inputs are held: 2,304 features of 30,000 rows take 0.26 GiB
CHUNK = 2_000  # rows judged at once
TEMPERATURES = (-1.5, 1.5)  # natural logs of the hottest and coldest considered


class Model(Protocol):
    """A fitted classifier."""

    def scores(self, inputs: NDArray[Any]) -> Float32:
        """(m, k) scores, before the softmax."""
        ...


class Fitter(Protocol):
    """A way to learn a label from inputs."""

    def fit(self, inputs: NDArray[Any], y: Int, classes: int) -> Model:
        """A model of rows that all have a label."""
        ...


class Learner(Fitter, Protocol):
    """A way to learn a label from pictures."""

    side_by_side: ClassVar[bool]  # whether folds may be fitted in threads of their own; else the fit uses all cores itself

    def prepare(self, images: UInt8) -> NDArray[Any]:
        """What the model reads, (m, ...), of pictures (m, h, w, c) already shrunk; labels play no part."""
        ...

    def prepare_altered(self, images: UInt8, originals: UInt8, inputs: NDArray[Any]) -> NDArray[Any]:
        """The same of pictures that differ from `originals`, of which the model reads `inputs`, in some of their pixels."""
        ...


@dataclass(frozen=True)
class CrossFit:
    """One model per fold; `fold` (n,) says which fold a row is in, and the model of that name judges it, fitted without it."""

    learner: Learner
    models: tuple[Model, ...]
    temperature: tuple[float, ...]  # fitted on rows outside the fold
    fold: Int
    groups: Int  # (n,) near-duplicates share one
    probabilities: Floats  # (n, k) of the rows as they are
    inputs: NDArray[Any] | None  # of all rows, where they are few enough to hold

    @property
    def classes(self) -> int:
        return self.probabilities.shape[1]

    def loss(self, y: Int) -> float:
        """Mean log loss of the labels `y` (n,) under the out-of-fold probabilities; a probability is at least 1e-6."""
        known = np.flatnonzero(y != MISSING)
        return float(-np.log(np.maximum(self.probabilities[known, y[known]], 1e-6)).mean())

    def predict(self, images: UInt8, fold: Int) -> Floats:
        """(m, k) probabilities of pictures that stand in for rows of these folds (m,)."""
        return self._judged(fold, lambda chunk: self.learner.prepare(shrink(images[chunk])))

    def predict_altered(self, images: UInt8, rows: Int, whole: UInt8) -> Floats:
        """The same of pictures that stand in for `rows` (m,) of `whole` (n, h, w, c), the pictures fitted to: only what differs is read."""
        if self.inputs is None:
            return self.predict(images, self.fold[rows])
        held = self.inputs

        def prepared(chunk: slice) -> NDArray[Any]:
            mine = rows[chunk]
            return self.learner.prepare_altered(shrink(images[chunk]), shrink(whole[mine]), held[mine])

        return self._judged(self.fold[rows], prepared)

    def _judged(self, fold: Int, prepared: Callable[[slice], NDArray[Any]]) -> Floats:
        result = np.zeros((len(fold), self.classes))
        for start in range(0, len(fold), CHUNK):
            chunk = slice(start, start + CHUNK)
            inputs = prepared(chunk)
            for f, (model, temperature) in enumerate(zip(self.models, self.temperature, strict=True)):
                mine = np.flatnonzero(fold[chunk] == f)
                if len(mine):
                    result[start + mine] = tempered(model.scores(inputs[mine]), temperature)
        return result


def cross_fit(
    images: UInt8,
    y: Int,
    classes: int,
    learner: Learner,
    rng: np.random.Generator,
    like: CrossFit | None = None,
    given: NDArray[Any] | None = None,
    groups: Int | None = None,
) -> CrossFit:
    """Fit on the other folds and judge each. `y` (n,) codes, MISSING rows are judged but not learnt from.

    `like`: take the folds and near-duplicates of an earlier fit of the same pictures. `given` (n, ...): inputs in place of those that the
    learner would prepare; pictures then only say which rows are near-duplicates. `groups` (n,): these, where they are known.

    Raises ValueError with fewer than two classes, or a fold without a labelled row.
    """
    if classes < 2:
        raise ValueError(f"a probe needs two classes at least; got {classes}")
    folds = FOLDS_OF_FEW if len(y) <= FEW else FOLDS
    if groups is None:
        groups = near_duplicates(images) if like is None else like.groups
    fold = deal(groups, folds, rng) if like is None else like.fold
    small = shrink(images)
    held = given if given is not None else learner.prepare(small) if len(y) <= HELD else None

    def inputs(rows: Int) -> NDArray[Any]:
        return held[rows] if held is not None else learner.prepare(small[rows])

    def fitted(f: int) -> Model:
        train = np.flatnonzero((fold != f) & (y != MISSING))
        if not len(train):
            raise ValueError(f"too few labelled rows for {folds} folds")
        if len(train) > TRAIN_AT_MOST:
            train = train[np.linspace(0, len(train) - 1, TRAIN_AT_MOST).astype(np.int64)]
        return learner.fit(inputs(train), y[train], classes)

    models = in_parallel(fitted, range(folds)) if learner.side_by_side else [fitted(f) for f in range(folds)]
    scores = np.zeros((len(y), classes), np.float32)
    for f in range(folds):
        judged = np.flatnonzero(fold == f)
        for start in range(0, len(judged), CHUNK):
            some = judged[start : start + CHUNK]
            scores[some] = models[f].scores(inputs(some))
    warmth, p = [], np.zeros((len(y), classes))
    for f in range(folds):
        elsewhere = (fold != f) & (y != MISSING)
        warmth.append(temperature_of(scores[elsewhere], y[elsewhere]))
        p[fold == f] = tempered(scores[fold == f], warmth[f])
    return CrossFit(learner, tuple(models), tuple(warmth), fold, groups, p, held)


def deal(groups: Int, folds: int, rng: np.random.Generator) -> Int:
    """(n,) folds 0 .. folds - 1 of near-equal size; a group is never parted."""
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    loads, chosen = [0] * folds, np.zeros(len(names), np.int64)
    for g in order:
        f = int(np.argmin(loads))
        chosen[g] = f
        loads[f] += int(sizes[g])
    return chosen[inverse]


def tempered(scores: Float32, temperature: float) -> Floats:
    """(m, k) probabilities of scores at a temperature."""
    return np.asarray(np.exp(log_softmax(scores.astype(np.float64) / temperature, axis=1)))


def temperature_of(scores: Float32, y: Int) -> float:
    """The temperature under which these held-out scores foresee their labels best (Guo et al. 2017, section 4.2)."""
    if not len(y):
        return 1.0
    own = np.arange(len(y)), y

    def loss(log_t: float) -> float:
        return float(-log_softmax(scores.astype(np.float64) / np.exp(log_t), axis=1)[own].mean())

    return float(np.exp(minimize_scalar(loss, bounds=TEMPERATURES, method="bounded", options={"xatol": 0.01}).x))
