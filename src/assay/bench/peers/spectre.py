"""SPECTRE: Hayase, Kong, Somani, Oh, 2021, "Defending Against Backdoor Attacks Using Robust Statistics".

In the target class: features on their top k directions, whitened by a robust mean and covariance, scored by quantum entropy (QUE)
between the plain spectral score and the norm; 1.5 times the bound is removed. k is the one whose whitened scores stand out most, as in
the paper. It is told the number of poisoned rows and the target. The robust covariance here is iterative trimming of the farthest rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.bench.case import Case
from assay.bench.defence import Flags, top
from assay.bench.peers.latent import features_by_class

Floats = NDArray[np.float64]

DIRECTIONS = (2, 4, 8, 16, 32)
ALPHA = 4.0  # of the quantum entropy, the paper's
MARGIN = 1.5
ROUNDS = 5


def told_rate_and_target(case: Case) -> Flags:
    """1.5 times the true number of poisoned rows is removed from the true target class."""
    removed, score = np.zeros(len(case.data), bool), np.zeros(len(case.data))
    for label, rows, features in features_by_class(case):
        count = int((case.poisoned & (case.data.y == label)).sum())
        share = min(0.4, MARGIN * count / len(rows)) if label == case.target else 0.05
        score[rows] = _score(features, share)
        if label == case.target:
            removed[rows[top(score[rows], int(MARGIN * count))]] = True
    return Flags(removed, score)


def _score(x: Floats, share: float) -> Floats:
    centred = x - x.mean(0)
    directions = np.linalg.svd(centred, full_matrices=False)[2]
    found = []
    for k in sorted({min(k, len(directions)) for k in DIRECTIONS}):
        scores = _entropy(_whitened(centred @ directions[:k].T, share))
        found.append((float(np.mean(np.sort(scores)[-max(1, int(share * len(scores))) :])), scores))
    return max(found, key=lambda pair: pair[0])[1]


def _whitened(x: Floats, share: float) -> Floats:
    """By mean and covariance of the rows that are left when the farthest are trimmed, again and again."""
    kept = np.ones(len(x), bool)
    for _ in range(ROUNDS):
        mean = x[kept].mean(0)
        covariance = np.atleast_2d(np.cov(x[kept].T)) + 1e-9 * np.eye(x.shape[1])
        half = np.linalg.inv(np.linalg.cholesky(covariance))
        distance = (((x - mean) @ half.T) ** 2).sum(1)
        kept = ~top(distance, int(share * len(x)))
    return np.asarray((x - mean) @ half.T)


def _entropy(h: Floats) -> Floats:
    covariance = np.atleast_2d(h.T @ h / len(h))
    value, vector = np.linalg.eigh(covariance)
    scaled = ALPHA * (value - 1) / max(value.max() - 1, 1e-9)
    weight = np.exp(scaled - scaled.max())
    return np.asarray(((h @ vector) ** 2 @ weight) / weight.sum())
