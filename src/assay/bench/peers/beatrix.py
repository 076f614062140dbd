"""Beatrix: Ma, Wang, Sun, Xu, Wu, 2023, "The Beatrix Resurrections: Robust Backdoor Detection via Gram Matrices".

Gram matrices of the features, of clean rows of the class, give each entry a median and a deviation; a row's score is how far its own
entries lie outside. The features here have no places in the picture left, so that the paper's higher orders say nothing further. An entry
that is all but constant in ten clean rows has no scale of its own and takes the mean one. It is told a few clean rows a class; a row
above the 95th percentile of clean rows' scores is removed, the paper's false-positive budget.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.bench.case import Case
from assay.bench.defence import Flags
from assay.bench.peers.latent import features_by_class

Floats = NDArray[np.float64]

WIDTH = 10.0  # deviations that an entry may lie from its median
BUDGET = 0.95
DIRECTIONS = 32  # features with most variance: Gram matrices grow with their square


def told_clean_rows(case: Case) -> Flags:
    """Rows whose Gram entries lie outside what the class's clean rows allow."""
    removed, score = np.zeros(len(case.data), bool), np.zeros(len(case.data))
    trusted = case.victim.features(case.trusted.rows)
    kept = np.argsort(-trusted.var(0), kind="stable")[:DIRECTIONS]
    for label, rows, features in features_by_class(case):
        clean = _grams(trusted[case.trusted.y == label][:, kept])
        if len(clean) < 3:
            continue
        middle = np.median(clean, 0)
        width = np.median(np.abs(clean - middle), 0)
        width = np.maximum(width, width.mean())
        score[rows] = _outside(_grams(features[:, kept]), middle, width)
        removed[rows] = score[rows] > np.quantile(_outside(clean, middle, width), BUDGET) + 1e-9
    return Flags(removed, score)


def _grams(features: Floats) -> Floats:
    """(m, entries) upper triangles of the Gram matrices."""
    first, second = np.triu_indices(features.shape[1])
    return features[:, first] * features[:, second]


def _outside(grams: Floats, middle: Floats, width: Floats) -> Floats:
    low, high = middle - WIDTH * width, middle + WIDTH * width
    scale = np.abs(middle).mean() + 1e-12
    over = np.maximum(grams - high, 0) / (np.abs(high) + scale) + np.maximum(low - grams, 0) / (np.abs(low) + scale)
    return np.asarray(over.mean(1))
