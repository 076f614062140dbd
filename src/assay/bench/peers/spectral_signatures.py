"""Spectral Signatures: Tran, Li, Madry, 2018.

Each class's features are centred; rows are scored by their squared projection on the top singular vector; the paper removes 1.5 times
the upper bound on the poisoned share. The toolbox's default bound is .33 in every class, which removes half of each class.
"""

from __future__ import annotations

import numpy as np

from assay.bench.case import Case
from assay.bench.defence import Flags, top
from assay.bench.peers.latent import features_by_class

MARGIN = 1.5  # the paper's
DEFAULT_SHARE = 0.33  # adversarial-robustness-toolbox's expected_pp_poison


def by_default(case: Case) -> Flags:
    """1.5 x .33 of every class is removed."""
    score = _scores(case)
    removed = np.zeros(len(score), bool)
    for label in range(len(case.data.classes)):
        rows = np.flatnonzero(case.data.y == label)
        removed[rows[top(score[rows], int(MARGIN * DEFAULT_SHARE * len(rows)))]] = True
    return Flags(removed, score)


def told_rate_and_target(case: Case) -> Flags:
    """1.5 times the true number of poisoned rows is removed from the true target class."""
    score = _scores(case)
    removed = np.zeros(len(score), bool)
    if case.target is not None:
        rows = np.flatnonzero(case.data.y == case.target)
        count = int((case.poisoned & (case.data.y == case.target)).sum())
        removed[rows[top(score[rows], int(MARGIN * count))]] = True
    return Flags(removed, score)


def _scores(case: Case) -> np.ndarray:
    score = np.zeros(len(case.data))
    for _, rows, features in features_by_class(case):
        centred = features - features.mean(0)
        direction = np.linalg.svd(centred, full_matrices=False)[2][0]
        score[rows] = (centred @ direction) ** 2
    return score
