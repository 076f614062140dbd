"""What a linear model of whitened pictures sees of their labels: next to nothing in photographs, all of a pattern laid over a whole label.

Pictures are seen by `assay.artefact.overlay_view`, where what they have in common is evened out. Two ridge regressions, each taught by one
half of the rows, judge the rows of the other (of 3,000 of CIFAR-10 17 % right; with a pattern of 8 levels for each label 100 %).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.artefact.overlay_view import View
from assay.dataset.rows import UInt8

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]

RIDGE = 0.3  # of the mean eigenvalue of the rows' products
RIGHT = 0.95  # of the rows of which a model is sure
FEWEST = 20  # such rows, from which a half says how sure a model must be of the other's
CHUNK = 500  # pictures at once


@dataclass(frozen=True, eq=False)
class ClassPatterns:
    """Two linear models, `weights` (2, d, k) and `usual` (2, k); model h was taught by the rows of the other half.

    `scores` (n, k) of the rows they come from, `half` (n,) 0 or 1; `sure` (2,) by how much the best score must lead the second for RIGHT of
    the rows of a half to be right, told by the other half (infinite: never).
    """

    view: View
    weights: Float32
    usual: Floats
    half: Int
    scores: Floats
    sure: Floats

    @classmethod
    def learn(cls, images: UInt8, y: Int, classes: int, half: Int) -> ClassPatterns:
        """From pictures (n, h, w, c) that all have a label `y` (n,)."""
        view = View.learn(images)
        seen = view(images)
        products, truth = seen @ seen.T, np.eye(classes)[y]
        scores, weights, usual = np.zeros((len(y), classes)), [], []
        for h in (0, 1):
            taught, judged = np.flatnonzero(half != h), np.flatnonzero(half == h)
            among = products[np.ix_(taught, taught)].astype(np.float64)
            among[np.diag_indices(len(taught))] += RIDGE * np.trace(among) / len(taught)
            mean = truth[taught].mean(0)
            weight = np.linalg.solve(among, truth[taught] - mean)
            scores[judged] = products[np.ix_(judged, taught)] @ weight + mean
            weights.append((seen[taught].T @ weight).astype(np.float32))
            usual.append(mean)
        sure = np.array([_sure(scores[half != h], y[half != h]) for h in (0, 1)])
        return cls(view, np.stack(weights), np.stack(usual), half, scores, sure)

    def told(self) -> tuple[Int, Bools]:
        """(n,) the label that each of the rows is given by the model of the other half, and whether that is sure of it."""
        return self.scores.argmax(1), lead(self.scores) >= self.sure[self.half]

    def tell(self, images: UInt8, rows: Int) -> tuple[Int, Bools]:
        """The same of other rows of `images`, by the mean of both models."""
        weights = self.weights.mean(0)
        parts = [self.view(images[rows[i : i + CHUNK]]) @ weights for i in range(0, len(rows), CHUNK)]
        scores = np.concatenate([np.zeros((0, len(weights[0])), np.float32), *parts]) + self.usual.mean(0)
        return scores.argmax(1), lead(scores) >= self.sure.max()


def lead(scores: Floats) -> Floats:
    """(n,) by how much the best of each row's scores (n, k) leads the second."""
    best = np.partition(scores, -2, axis=1)[:, -2:]
    return np.asarray(best[:, 1] - best[:, 0])


def _sure(scores: Floats, y: Int) -> float:
    """The least lead from which RIGHT of the rows are given their own label; infinite where fewer than FEWEST are."""
    leads = lead(scores)
    order = np.argsort(-leads, kind="stable")
    share = np.cumsum(scores.argmax(1)[order] == y[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(share >= RIGHT)
    return float(leads[order[enough[-1]]]) if len(enough) and enough[-1] + 1 >= FEWEST else np.inf
