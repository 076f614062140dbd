"""Activation Clustering and Spectral Signatures as the adversarial-robustness-toolbox has them, its own classes at their own defaults.

Nicolae et al., 2018, "Adversarial Robustness Toolbox". They stand beside our implementations of the papers, on the same features of the
same victim, so that neither is judged by the other. The toolbox asks a classifier for activations of its last layer; what it is handed
here answers with those features.

Where they differ (version 1.20.1): the toolbox takes principal components where the paper takes independent ones, and its k-means is not
seeded; its spectral scores project a row itself on the singular vector, where the paper (Tran, Li, Madry, 2018, algorithm 1) projects what
is left of it without its class's mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.bench.case import Case
from assay.bench.defence import Flags

LAYERS = ["features"]


class _Features:
    """As much of a classifier as the two classes ask for: what its last layer makes of rows, which are named by their position."""

    layer_names = LAYERS

    def __init__(self, features: NDArray[np.float64], classes: int) -> None:
        self._features, self.nb_classes = features, classes

    def get_activations(self, x: NDArray[Any], layer: int, batch_size: int) -> NDArray[np.float64]:
        return self._features[np.asarray(x, np.int64).ravel()]


def activation_clustering(case: Case) -> Flags:
    """`ActivationDefence().detect_poison()`: the smaller cluster of every class; a row's score is that it is in it."""
    from art.defences.detector.poison import ActivationDefence

    classifier, x, y = _given(case)
    return _flags(ActivationDefence(classifier, x, y).detect_poison())


def spectral_signatures(case: Case) -> Flags:
    """`SpectralSignatureDefense().detect_poison()`: the 1.5 x 33 % of every class with the highest scores."""
    from art.defences.detector.poison import SpectralSignatureDefense

    classifier, x, y = _given(case)
    report, clean = SpectralSignatureDefense(classifier, x, y).detect_poison()
    flags = _flags((report, clean))
    score = np.zeros(len(clean))
    score[[int(row) for row in report]] = [float(s) for s in report.values()]
    return Flags(flags.removed, score)


def _given(case: Case) -> tuple[_Features, NDArray[np.int64], NDArray[Any]]:
    """The classifier, rows as their positions, and labels as the toolbox takes them: codes of two classes, else one column a class."""
    data, k = case.data, len(case.data.classes)
    labels = np.eye(k)[data.y] if k > 2 else data.y
    return _Features(case.victim.features(data.rows), k), np.arange(len(data))[:, None], labels


def _flags(found: tuple[Any, list[int]]) -> Flags:
    removed = np.asarray(found[1], np.int64) == 0
    return Flags(removed, removed.astype(np.float64))
