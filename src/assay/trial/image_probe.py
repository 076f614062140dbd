"""The probe that picture families ask: by depth, and by what is installed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import Check
from assay.learn.images import CrossFit, cross_fit
from assay.learn.images_linear import LinearLearner
from assay.trial.family import Depth

DIMENSIONS = 64  # random directions keep distances to a tenth or so (Johnson & Lindenstrauss 1984); components cost 10 s


def image_probe(data: Dataset, depth: Depth, rng: np.random.Generator) -> tuple[CrossFit, tuple[Check, ...]]:
    """A cross-fitted probe of the pictures."""
    assert data.images is not None
    learner = LinearLearner.of(data.images, rng)
    return cross_fit(data.images, data.y, len(data.classes), learner, rng), ()


def label_free(probe: CrossFit) -> NDArray[np.float32] | None:
    """(n, 64) random projections of the standardised patch features; None where those were not held (many rows)."""
    if probe.inputs is None or probe.inputs.ndim != 2:
        return None
    x = probe.inputs
    scaled = np.random.default_rng(0).standard_normal((x.shape[1], DIMENSIONS), np.float32) / np.sqrt(DIMENSIONS)
    scaled /= (x.std(0) + 1e-6)[:, None]
    return np.asarray(x @ scaled - x.mean(0) @ scaled, np.float32)
