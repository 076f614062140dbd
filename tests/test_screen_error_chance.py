"""The chance that a label is wrong: calibrated where noise is even, and the share of wrong labels within two points."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from assay.screen.error_chance import error_chance


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.2])
def test_share_and_reliability_on_digits(rate: float) -> None:
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    bad = rng.random(len(y)) < rate
    told = np.where(bad, (y + rng.integers(1, 10, len(y))) % 10, y)
    p = cross_val_predict(LogisticRegression(C=0.01, max_iter=200), x / 16, told, cv=3, method="predict_proba")
    found = error_chance(p, told)
    assert abs(found.share - bad.mean()) < 0.02
    assert np.mean((found.wrong - bad) ** 2) <= np.mean((1 - p[np.arange(len(y)), told] - bad) ** 2)


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_calibrated_where_the_model_is_true_but_too_sure_or_too_shy(sharpness: float) -> None:
    """Three classes, 8 % even noise; the probabilities are the truth's own to a power. Reliability within .08 in five bins."""
    rng = np.random.default_rng(1)
    logits = rng.normal(scale=3, size=(20_000, 3))
    clean = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.array([rng.choice(3, p=p) for p in clean])
    noisy = rng.random(len(y)) < 0.12
    told = np.where(noisy, rng.integers(0, 3, len(y)), y)
    shown = clean**sharpness / (clean**sharpness).sum(axis=1, keepdims=True)
    found = error_chance(shown, told)
    bad = told != y
    assert abs(found.share - bad.mean()) < 0.02
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        inside = (found.wrong >= low) & (found.wrong < low + 0.2)
        if inside.sum() > 300:
            assert abs(found.wrong[inside].mean() - bad[inside].mean()) < 0.08


def test_single_precision_gives_the_same_answer() -> None:
    rng = np.random.default_rng(2)
    p = rng.dirichlet([0.2] * 4, 1_000)
    y = p.argmax(axis=1)
    y[:100] = (y[:100] + 1) % 4
    assert error_chance(p.astype(np.float32), y).share == pytest.approx(error_chance(p, y).share, abs=0.005)
