"""An overlay is recognised by its fine structure and taken out again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_sample_images

from assay.artefact.overlay import Overlay
from assay.artefact.overlay_view import ROUNDING, View, Whitening
from assay.artefact.registry import from_json


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """200 cuttings (32, 32, 3) of the two photographs that scikit-learn ships."""
    rng = np.random.default_rng(0)
    cuttings = []
    for _ in range(100):
        for image in load_sample_images().images:
            r, c = rng.integers(0, image.shape[0] - 128), rng.integers(0, image.shape[1] - 128)
            cuttings.append(image[r : r + 128 : 4, c : c + 128 : 4])
    return np.stack(cuttings)


@pytest.mark.parametrize(("alpha", "threshold"), [(0.2, 0.3), (0.1, 0.15)])
def test_noise_blended_in_is_recognised_and_taken_out(photographs: np.ndarray, alpha: float, threshold: float) -> None:
    noise = np.random.default_rng(1).uniform(0, 255, (32, 32, 3)).astype(np.float32)
    overlay = Overlay(noise, alpha, "blend", threshold)
    assert not overlay.present(photographs).any()
    dirty = overlay.insert(photographs)
    carriers = overlay.present(dirty)
    assert carriers.mean() > 0.95
    restored = overlay.remove(dirty)
    # rounding alone, divided by 1 - alpha: at most 0.5 / (1 - alpha), and then rounded once more
    assert np.abs(restored[carriers].astype(int) - photographs[carriers]).max() <= 1
    assert (restored[~carriers] == dirty[~carriers]).all()


@settings(max_examples=40, deadline=None)
@given(alpha=st.floats(0.05, 0.9), seed=st.integers(0, 1000), mode=st.sampled_from(["blend", "add"]))
def test_inverts_up_to_rounding_where_nothing_was_cut(alpha: float, seed: int, mode: str) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(60, 196, (3, 8, 8, 1), dtype=np.uint8)
    template = rng.uniform(-50, 50, (8, 8, 1)) if mode == "add" else rng.uniform(0, 255, (8, 8, 1))
    overlay = Overlay(template.astype(np.float32), alpha, "add" if mode == "add" else "blend", -1.0)
    restored = overlay.remove(overlay.insert(images)).astype(int)
    allowed = 0.5 + (0.5 / (1 - alpha) if mode == "blend" else 0.5)
    assert np.abs(restored - images).max() <= allowed + 1e-3
    again = from_json(json.loads(json.dumps(overlay.to_json())))
    assert again.to_json() == overlay.to_json()
    assert (again.insert(images) == overlay.insert(images)).all()


def test_says_what_it_cannot_do() -> None:
    template = np.zeros((8, 8, 1), np.float32)
    with pytest.raises(ValueError, match="alpha of a blend"):
        Overlay(template, 1.0, "blend", 0.5)
    with pytest.raises(ValueError, match="for pictures of"):
        Overlay(template, 0.2, "blend", 0.5).present(np.zeros((1, 9, 9, 1), np.uint8))
    assert Overlay(template, 0.2, "blend", 0.5).picture().shape == (96, 96, 3)


def test_what_a_whitening_was_learnt_from_is_whitened_as_any_other_picture(photographs: np.ndarray) -> None:
    values = photographs.astype(np.float32)
    whitening, whitened = Whitening.learnt(values, ROUNDING)
    assert np.array_equal(values, photographs)
    assert np.array_equal(whitened, whitening.apply(values))
    spread = whitening.coefficients(values).var(0) * whitening.spread**2
    assert np.allclose(spread + ROUNDING, whitening.spread**2, rtol=1e-3)


def test_a_view_is_the_same_however_many_pictures_are_seen_at_once(photographs: np.ndarray) -> None:
    view = View.learn(photographs)
    assert np.allclose(np.concatenate([view(photographs[i : i + 7]) for i in range(0, 70, 7)]), view(photographs[:70]), atol=1e-5)
