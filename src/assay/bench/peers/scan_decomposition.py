"""SCAn: Tang, Wang, Tang, Zhang, 2021, "Demon in the Variant".

A feature is its class's identity plus a variation whose covariance all classes share. For each class the likelihood of two identities is
held against that of one; a class whose statistic stands out among all classes (J* > e^2, by median and MAD) is taken to be infected, and
the part further from the other classes' variation, the smaller one, is removed. The paper estimates the shared covariance from clean
rows; here it comes from the rows themselves, which is what users have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.bench.case import Case
from assay.bench.defence import Flags
from assay.bench.peers.latent import features_by_class

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Int = NDArray[np.int64]

INFECTED = np.exp(2)  # the paper's threshold on the anomaly index
ROUNDS = 50
ROWS_A_DIRECTION = 10  # of the smallest class; the paper has 512 directions and 5,000 rows a class
RIDGE = 1e-3  # of the mean variance, so that the covariance can be inverted


def flag(case: Case) -> Flags:
    """The smaller part of every infected class is removed."""
    classes = list(features_by_class(case))
    removed, score = np.zeros(len(case.data), bool), np.zeros(len(case.data))
    if not classes:
        return Flags(removed, score)
    classes = _reduced(classes)
    within = np.concatenate([x - x.mean(0) for _, _, x in classes])
    covariance = within.T @ within / len(within)
    precision = np.linalg.inv(covariance + RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))
    splits = [_split(x, precision) for _, _, x in classes]
    statistic = np.array([s for _, s in splits])
    spread = 1.4826 * np.median(np.abs(statistic - np.median(statistic))) + 1e-12
    index = (statistic - np.median(statistic)) / spread
    for (_, rows, _), (smaller, _), odd in zip(classes, splits, index, strict=True):
        score[rows] = np.where(smaller, odd, 0.0)
        removed[rows] = smaller & (odd > INFECTED)
    return Flags(removed, score)


def _reduced(classes: list[tuple[int, Int, Floats]]) -> list[tuple[int, Int, Floats]]:
    """On the leading directions of the variation: with as many directions as rows any split looks likely."""
    within = np.concatenate([x - x.mean(0) for _, _, x in classes])
    count = max(2, min(len(rows) for _, rows, _ in classes) // ROWS_A_DIRECTION)
    directions = np.linalg.svd(within, full_matrices=False)[2][:count]
    return [(label, rows, x @ directions.T) for label, rows, x in classes]


def _split(x: Floats, precision: Floats) -> tuple[Bools, float]:
    """(the smaller part, the log likelihood ratio a row of two identities against one)."""
    centred = x - x.mean(0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    part = along > np.median(along)
    for _ in range(ROUNDS):
        if part.all() or not part.any():
            break
        one, two = x[part].mean(0), x[~part].mean(0)
        weight = precision @ (one - two)
        cut = 0.5 * (one + two) @ weight + np.log(max((~part).sum(), 1) / max(part.sum(), 1))
        renewed = x @ weight > cut
        if (renewed == part).all():
            break
        part = renewed
    smaller = part if part.sum() * 2 <= len(part) else ~part
    if not smaller.any():
        return smaller, 0.0
    identity = np.where(smaller[:, None], x[smaller].mean(0), x[~smaller].mean(0))
    alone, split = centred, x - identity
    ratio = np.einsum("ij,jk,ik->i", alone, precision, alone) - np.einsum("ij,jk,ik->i", split, precision, split)
    return smaller, float(ratio.mean())
