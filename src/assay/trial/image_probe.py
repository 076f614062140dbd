"""The probe that picture families ask: by depth, and by what is installed."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import Check
from assay.learn import images_net
from assay.learn.images import CrossFit, cross_fit
from assay.learn.images_linear import LinearLearner
from assay.trial.family import Depth

NETWORK = "image network"
FEWEST = 1_000  # pictures a network is fitted to: from some hundreds it learns less than the linear model does
DIMENSIONS = 64  # random directions keep distances to a tenth or so (Johnson & Lindenstrauss 1984); components cost 10 s


def image_probe(data: Dataset, depth: Depth, rng: np.random.Generator) -> tuple[CrossFit, NDArray[np.float32] | None, tuple[Check, ...]]:
    """A cross-fitted probe of the pictures, label-free features of them (see `label_free`), and checks to list.

    Fast: a linear model. Full: a small network beside it, and whichever foresees the labels better out of fold.
    """
    assert data.images is not None
    linear = cross_fit(data.images, data.y, len(data.classes), LinearLearner.of(data.images, rng), rng)
    features = label_free(linear)
    if depth == "fast":
        return linear, features, ()
    if not images_net.installed():
        return linear, features, (Check(NETWORK, "not_installed", "install torch: pip install 'assay[torch]'"),)
    if len(data) < FEWEST:
        why = f"under {FEWEST:,} pictures a network learns less than the linear model, which was asked in its place"
        return linear, features, (Check(NETWORK, "not_applicable", why),)
    began = time.perf_counter()
    learner = images_net.NetLearner.of(rng)
    network = cross_fit(data.images, data.y, len(data.classes), learner, rng, like=linear)
    ours, theirs = network.loss(data.y), linear.loss(data.y)
    better = ours < theirs
    asked = "network" if better else "linear model"
    said = f"on {learner.device}; log loss {ours:.2f}, of the linear model {theirs:.2f}: the {asked} is asked"
    check = Check(NETWORK, "ran", said, time.perf_counter() - began)
    return (network if better else linear), features, (check,)


def label_free(probe: CrossFit) -> NDArray[np.float32] | None:
    """(n, 64) random projections of the standardised patch features; None where those were not held (many rows)."""
    if probe.inputs is None or probe.inputs.ndim != 2:
        return None
    x = probe.inputs
    scaled = np.random.default_rng(0).standard_normal((x.shape[1], DIMENSIONS), np.float32) / np.sqrt(DIMENSIONS)
    scaled /= (x.std(0) + 1e-6)[:, None]
    return np.asarray(x @ scaled - x.mean(0) @ scaled, np.float32)
