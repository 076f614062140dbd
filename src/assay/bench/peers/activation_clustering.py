"""Activation Clustering: Chen, Carvalho, Baracaldo, Ludwig, Edwards, Lee, Molloy, Srivastava, 2018, "Detecting Backdoor Attacks on Deep
Neural Networks by Activation Clustering".

Each class's features are reduced to ten independent components and split in two by k-means. Which half is poison is decided by its size
(the adversarial-robustness-toolbox's default: always the smaller), or by how well apart the halves stand (silhouette, the paper's
section on analysing clusters; the toolbox's other setting).
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import silhouette_score

from assay.bench.case import Case
from assay.bench.defence import Flags
from assay.bench.peers.latent import features_by_class

Floats = NDArray[np.float64]

COMPONENTS = 10  # the paper's
SILHOUETTE = 0.10  # the toolbox's threshold: a class split better than this is poisoned, its smaller part removed


def by_size(case: Case) -> Flags:
    """The smaller half of every class is removed, poisoned or not."""
    return _flag(case, silhouette=None)


def by_silhouette(case: Case) -> Flags:
    """The smaller half of a class is removed where the two halves stand well apart."""
    return _flag(case, silhouette=SILHOUETTE)


def _flag(case: Case, silhouette: float | None) -> Flags:
    removed, score = np.zeros(len(case.data), bool), np.zeros(len(case.data))
    for label, rows, features in features_by_class(case):
        seed = case.cell.seed * 1_000 + label
        reduced = _independent(features, seed)
        halves = KMeans(2, n_init=10, random_state=seed).fit_predict(reduced)
        smaller = halves == np.bincount(halves, minlength=2).argmin()
        apart = float(silhouette_score(reduced, halves, sample_size=2_000, random_state=seed)) if 0 < smaller.sum() < len(rows) else 0.0
        score[rows] = smaller * (1 + apart)
        removed[rows] = smaller if silhouette is None or apart > silhouette else False
    return Flags(removed, score)


def _independent(features: Floats, seed: int) -> Floats:
    features = features[:, np.ptp(features, axis=0) > 0]  # what never varies cannot be whitened
    count = min(COMPONENTS, features.shape[1], len(features))
    if not count:
        return np.zeros((len(features), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(FastICA(count, max_iter=500, tol=0.005, random_state=seed).fit_transform(features))
