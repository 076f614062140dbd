"""CUBE-like: after Cui, Yuan, He, Chen, Liu, Sun, 2022, "A Unified Evaluation of Textual Backdoor Learning: Frameworks and Benchmarks".

Rows are clustered by density (HDBSCAN: Campello, Moulavi, Sander 2013) in a few dimensions of what a victim trained on them sees, and each
label keeps its largest cluster; smaller ones, and the rows of none, are removed if they are under half of the label. The paper fine-tunes
RoBERTa and reduces by UMAP to two dimensions; here the victim is the one that all peers share, and principal components reduce: that is why
it is called CUBE-like.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA

from assay.bench.case import Case
from assay.bench.defence import Flags

DIMENSIONS = 2  # as published
NEIGHBOURS = 100  # `min_samples`, as published
SMALLEST = 5  # rows of a cluster: the usual default, which the authors leave as it is
HALF = 0.5  # of its label, above which a group that is not the largest stays


def flag(case: Case) -> Flags:
    """Rows outside the largest cluster of their label; their score is how small a part of their label their group is."""
    features = case.victim.features(case.data.rows)
    reduced = PCA(min(DIMENSIONS, features.shape[1]), random_state=case.cell.seed).fit_transform(features)
    found = HDBSCAN(min_cluster_size=SMALLEST, min_samples=min(NEIGHBOURS, len(features) // 2), copy=True).fit_predict(reduced)
    return smaller_groups(np.asarray(found, np.int64), case.data.y, len(case.data.classes))


def smaller_groups(group: NDArray[np.int64], y: NDArray[np.int64], k: int) -> Flags:
    """What is removed, given each row's cluster (-1: of none).

    >>> flags = smaller_groups(np.array([0, 0, 0, 1, -1, 1, 1]), np.array([0, 0, 0, 0, 1, 1, 1]), 2)
    >>> flags.removed.tolist()
    [False, False, False, True, True, False, False]
    """
    removed, score = np.zeros(len(y), bool), np.zeros(len(y))
    for label in range(k):
        rows = np.flatnonzero(y == label)
        names, which, size = np.unique(group[rows], return_inverse=True, return_counts=True)
        small = (np.arange(len(names)) != (size.argmax() if len(size) else 0)) & (size < HALF * len(rows))
        removed[rows], score[rows] = small[which], 1 - size[which] / max(len(rows), 1)
    return Flags(removed, score)
