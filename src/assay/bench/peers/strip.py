"""STRIP: Gao, Xu, Wang, Chen, Ranasinghe, Nepal, 2019. A picture that keeps its class whatever is laid over it holds a trigger.

Each row is blended with clean pictures; the mean entropy of the victim's answers is its score, low is suspicious. The threshold is the
entropy under which 1 % of clean rows lie (the paper's false rejection rate). It is told clean rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.bench.case import Case
from assay.bench.defence import Flags
from assay.dataset.rows import Rows

Floats = NDArray[np.float64]

OVERLAYS = 10  # pictures laid over each row; the paper uses 100, later work 10 to 64
REJECTED = 0.01


def told_clean_rows(case: Case) -> Flags:
    """Rows whose entropy under superimposition is below that of 99 % of clean rows."""
    assert case.data.images is not None
    assert case.test.images is not None
    rng = case.rng(12)
    over = case.trusted.images
    assert over is not None
    entropy = _entropy(case, case.data.images, over, rng)
    usual = _entropy(case, case.test.images, over, rng)
    return Flags(entropy < np.quantile(usual, REJECTED), -entropy)


def _entropy(case: Case, pictures: NDArray[np.uint8], over: NDArray[np.uint8], rng: np.random.Generator) -> Floats:
    total = np.zeros(len(pictures))
    empty = case.data.rows.table.slice(0, 0)
    for _ in range(OVERLAYS):
        other = over[rng.integers(0, len(over), len(pictures))]
        mixed = np.minimum(pictures.astype(np.int32) + other, 255).astype(np.uint8)
        p = np.maximum(case.victim.probabilities(Rows(empty, mixed)), 1e-12)
        total -= (p * np.log2(p)).sum(1)
    return total / OVERLAYS
