"""Two parts of a class: rows that a space of features sets apart and whose contents look like other classes.

Within one label the features are a mixture of two normal laws of one shape, that of the variation within all classes; a row's
*belonging*, how far its content supports the label beside rows of other labels, follows the law of natural rows in one part and that of
strangers, uniform, in the other. Both speak for a row's part at once (expectation and maximisation): by the features alone the
largest natural split of a class is found in place of the planted one, by the content alone every hard row is.

It proposes; it convicts nobody. It cannot see a part that shares nothing in the space, or whose rows look like their label.
Source of the shared shape: Tang, Wang, Tang, Zhang, Demon in the Variant (SCAn), 2021, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]

DIRECTIONS = 128  # of the features that are looked at: 64, 128 and 256 differ by under a point of precision on WaNet
LEARNT_FROM = 2_000  # rows that the directions are taken from: a decomposition of 2,304 numbers in 3 s
RIDGE = 0.1  # of the mean variance, added to the shared shape
WITHIN = 10  # directions in which a class varies most, beside the shared shape: the planted one was among the first two
FEWEST = 30  # rows of a label that can be parted
TURNS = 60
BINS = 10  # of belonging, in which the law of natural rows is counted
SURE = 40.0  # log odds beyond which a row's part is certain
SHARE = (0.01, 0.9)  # of a class that the strange part may be
LEAST = 3.0  # rows, below which a part has died out


@dataclass(frozen=True)
class Rule:
    """Which rows of a label are in the strange part, by their features alone: those that score above 0."""

    weights: Floats  # (d,)
    offset: float

    def score(self, features: Floats) -> Floats:
        """(m,) log odds of features (m, d) that the strange part holds the row."""
        return np.asarray(features @ self.weights + self.offset)


def directions(inputs: Float32, rng: np.random.Generator) -> Floats:
    """(n, d) rows along the directions in which all rows vary most, each number first in units of its spread; labels are not read."""
    spread = inputs.std(0) + 1e-6
    centre = inputs.mean(0)
    some = np.sort(rng.permutation(len(inputs))[:LEARNT_FROM])
    axes = np.linalg.svd((inputs[some] - centre) / spread, full_matrices=False)[2][:DIRECTIONS]
    weights = (axes / spread).T
    return np.asarray(inputs @ weights - centre @ weights, np.float64)


def belonging_of(p: Floats, y: Int, rows: Int, among: Int) -> Floats:
    """(m,) share of the strangers in `among` that support a row's label less than the row does; `p` (n, k), `y` (n,).

    A row of another class under a wrong label has a uniform one, wherever its class stands.
    """
    result = np.ones(len(rows))
    for label in np.unique(y[rows]):
        strangers = np.sort(p[among[(y[among] != label) & (y[among] >= 0)], label])
        mine = y[rows] == label
        result[mine] = np.searchsorted(strangers, p[rows[mine], label]) / max(len(strangers), 1)
    return result


def belonging_in_folds(p: Floats, y: Int, fold: Int) -> Floats:
    """(n,) each row's belonging among the strangers of its own fold, which one model judged; 1 without a label."""
    result = np.ones(len(y))
    for f in np.unique(fold):
        here = np.flatnonzero((fold == f) & (y >= 0))
        result[here] = belonging_of(p, y, here, here)
    return result


def rules(features: Floats, y: Int, taught: Int, belonging: Floats, spared: Bools, classes: int) -> list[Rule | None]:
    """A rule for each label, learnt from the rows `taught` alone; None where there are too few, or nothing comes apart.

    `features` (n, d); `belonging` (n,) as in `belonging_of`; `spared` (n,): rows that do not count for the shared shape, suspects of an
    earlier round.
    """
    shape = shared_shape(features, y, taught[~spared[taught]], classes)
    white = features[taught] @ shape
    labels, content = y[taught], belonging[taught]
    bins = np.minimum((content * BINS).astype(np.int64), BINS - 1)
    found: list[Rule | None] = []
    for label in range(classes):
        mine = labels == label
        if mine.sum() < FEWEST:
            found.append(None)
            continue
        count = np.bincount(bins[~mine], minlength=BINS) + 1.0
        natural = count / count.sum() * BINS
        part = _parted(white[mine], content[mine], natural[bins[mine]])
        found.append(None if part is None else Rule(shape @ part.weights, part.offset))
    return found


def shared_shape(features: Floats, y: Int, rows: Int, classes: int) -> Floats:
    """(d, d) that turns the variation within classes into one of unit size in every direction."""
    x, labels = features[rows], y[rows]
    count = np.maximum(np.bincount(labels, minlength=classes), 1)
    means = np.stack([np.bincount(labels, column, classes) for column in x.T], 1) / count[:, None]
    within = x - means[labels]
    covariance = within.T @ within / max(len(x), 1)
    size = covariance.shape[0]
    values, axes = np.linalg.eigh(covariance + RIDGE * np.trace(covariance) / size * np.eye(size))
    return np.asarray(axes / np.sqrt(np.maximum(values, 1e-12)))


def _parted(white: Floats, belonging: Floats, natural: Floats) -> Rule | None:
    """The rule that parts these rows (m, d), whose variation is of unit size; `natural` (m,): density of each belonging by nature."""
    centre = white.mean(0)
    axes = np.linalg.svd(white - centre, full_matrices=False)[2][:WITHIN].T
    x = (white - centre) @ axes
    content = -np.log(natural)
    weight = np.clip(1 - belonging, 0.05, 0.95)
    difference, middle, prior = np.zeros(x.shape[1]), 0.0, 0.0
    for _ in range(TURNS):
        strange, rest = weight @ x / weight.sum(), (1 - weight) @ x / (1 - weight).sum()
        difference = strange - rest
        middle = 0.5 * float(strange @ strange - rest @ rest)
        share = float(np.clip(weight.mean(), *SHARE))
        prior = float(np.log(share / (1 - share)))
        odds = np.clip(x @ difference - middle + content + prior, -SURE, SURE)
        renewed = 1 / (1 + np.exp(-odds))
        settled = bool(np.abs(renewed - weight).max() < 1e-4)
        weight = renewed
        if weight.sum() < LEAST or (1 - weight).sum() < LEAST:
            return None
        if settled:
            break
    turned = axes @ difference
    return Rule(turned, float(prior - middle - centre @ turned))
