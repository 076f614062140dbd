"""Labels that a model which never saw the row does not believe: confident learning.

Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.finding import RowScore
from assay.screen.agreement import flag_excess, lead, relative_margin
from assay.screen.context import Context
from assay.screen.error_chance import Chance, error_chance

Float = NDArray[np.float64]
Int = NDArray[np.int64]


def thresholds(probabilities: Float, y: Int) -> Float:
    """(k,) a class's expected self-confidence: its mean probability over the rows that carry its label (eq. 2).

    A class without rows gets a threshold that no row reaches.
    """
    k = probabilities.shape[1]
    counts = np.bincount(y, minlength=k)
    sums = np.bincount(y, weights=probabilities[np.arange(len(y)), y], minlength=k)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def confident_class(probabilities: Float, y: Int) -> Int:
    """(n,) the class a row belongs to with confidence, or -1: the likeliest of the classes whose threshold it reaches
    (eq. 1).
    """
    # the mean of equal numbers may exceed them by rounding
    reached = probabilities >= thresholds(probabilities, y) - 1e-6
    best = np.where(reached, probabilities, -np.inf).argmax(axis=1)
    return np.where(reached.any(axis=1), best, -1).astype(np.int64)


def confident_joint(probabilities: Float, y: Int) -> Int:
    """(k, k) counts: rows labelled i that belong to class j with confidence (section 3.1).

    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9], [0.05, 0.95]])
    >>> confident_joint(p, np.array([0, 0, 1, 1, 0])).tolist()
    [[2, 1], [0, 1]]
    """
    k = probabilities.shape[1]
    found = confident_class(probabilities, y)
    sure = found >= 0
    return np.bincount(y[sure] * k + found[sure], minlength=k * k).reshape(k, k).astype(np.int64)


@dataclass(frozen=True)
class LabelErrors:
    """`score` (n,) higher is more suspicious, `flag` (n,), the estimated share of wrong labels whatever the content,
    of false ones among the flagged, (n,) the false-discovery bound of each row, and how likely each is to be wrong."""

    score: Float
    flag: NDArray[np.bool_]
    floor: float
    false_share: float
    bound: Float
    chance: Chance


def find_label_errors(probabilities: Float, y: Int) -> LabelErrors:
    """Score every label by its relative margin, and flag the ones the model is sure are wrong.

    A row is disputed where confident learning puts it off the diagonal of the confident joint. How many of the
    disputed are flagged is not a fixed share: see `assay.screen.agreement.flag_excess`. Assumes out-of-fold
    probabilities. Cannot see wrong labels that the model learnt to repeat: a backdoor's rows look cleaner than the
    average row.
    """
    score = relative_margin(probabilities, y)
    found = confident_class(probabilities, y)
    disputed = (found >= 0) & (found != y) & (score > 0.5)
    chance = error_chance(probabilities, y)
    excess = flag_excess(found == y, disputed, lead(probabilities), share_wrong=chance.share)
    return LabelErrors(score, excess.flag, excess.floor, excess.false_share, excess.bound, chance)


def run(context: Context) -> RowScore:
    """The screen: unlabelled rows score 0."""
    assert context.probabilities is not None
    n, known = len(context.data), np.flatnonzero(context.labelled)
    found = find_label_errors(np.asarray(context.probabilities[known], np.float64), context.data.y[known])
    score, flag, bound = np.zeros(n), np.zeros(n, bool), np.ones(n)
    score[known], flag[known], bound[known] = found.score, found.flag, found.bound
    reason = "a model that never saw this row is sure of another label"
    if flag.any():
        reason += (
            f" (about {found.false_share:.0%} of the rows flagged so may be right after all; {found.chance.share:.1%} of all labels wrong)"
        )
    return RowScore("label_errors", score, flag, reason, bound)
