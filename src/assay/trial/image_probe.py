"""The probe that picture families ask: by depth, and by what is installed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import Check
from assay.learn.images import CrossFit, cross_fit
from assay.learn.images_linear import LinearLearner
from assay.trial.family import Depth

DIMENSIONS = 64  # principal components handed to neighbours and outliers
FITTED_ON = 1500  # rows the components are computed from


def image_probe(data: Dataset, depth: Depth, rng: np.random.Generator) -> tuple[CrossFit, tuple[Check, ...]]:
    """A cross-fitted probe of the pictures."""
    assert data.images is not None
    learner = LinearLearner.of(data.images, rng)
    return cross_fit(data.images, data.y, len(data.classes), learner, rng), ()


def label_free(probe: CrossFit, data: Dataset) -> NDArray[np.float32] | None:
    """(n, 64) principal components of the random patch features; None where they were not held (many rows)."""
    if probe.inputs is None or probe.inputs.ndim != 2:
        return None
    x = probe.inputs
    some = x[np.unique(np.linspace(0, len(x) - 1, FITTED_ON).astype(np.int64))]
    centre, spread = some.mean(0), some.std(0) + 1e-6
    _, _, axes = np.linalg.svd((some - centre) / spread, full_matrices=False)
    return np.asarray(((x - centre) / spread) @ axes[:DIMENSIONS].T, np.float32)
