"""Overlays of a few frequencies are found without labels: their carriers, no other rows, and nothing where nothing was laid over."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

from assay.artefact.overlay import Matched, Overlay
from assay.artefact.registry import from_json
from assay.artefact.spectrum_view import Spectrum
from assay.attack.frequency import raised
from assay.attack.sinusoid import stripes
from assay.mine import spectra
from assay.mine.overlay_estimate import estimate
from assay.mine.spectra import shared_spectra

Pictures = np.ndarray


def textures(count: int, rng: np.random.Generator, channels: int = 3) -> Pictures:
    """(count, 24, 24, channels) smoothed noise, each with a smoothness and contrast of its own, as photographs have."""
    made = []
    for _ in range(count):
        field = gaussian_filter(rng.standard_normal((24, 24, channels)), (rng.uniform(0.5, 3), rng.uniform(0.5, 3), 0.5))
        made.append(np.clip(128 + rng.uniform(20, 50) * field / field.std(), 0, 255))
    return np.rint(np.stack(made)).astype(np.uint8)


def added(images: Pictures, template: Pictures, carriers: np.ndarray) -> Pictures:
    images = images.copy()
    images[carriers] = np.clip(np.rint(images[carriers] + template), 0, 255).astype(np.uint8)
    return images


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return textures(900, np.random.default_rng(0))


SINE = stripes(24, 24, 20, 6)
CHROMA = raised(24, 24, 3, 24, (11, 23), 30)


@pytest.mark.parametrize("template", [SINE, CHROMA], ids=["a sine wave", "two coefficients of the chroma"])
def test_carriers_are_found_and_no_other_row(pictures: Pictures, template: Pictures) -> None:
    carriers = np.sort(np.random.default_rng(3).choice(len(pictures), 40, replace=False))
    dirty = added(pictures, template, carriers)
    mined = shared_spectra(dirty, np.random.default_rng(0))
    best = max(mined.found, key=lambda t: len(np.intersect1d(t.carriers, carriers)))
    assert len(np.intersect1d(best.carriers, carriers)) >= 36
    assert len(np.setdiff1d(best.carriers, carriers)) <= 3
    overlay = estimate(dirty, best.carriers, Matched(mined.view, best.pattern), best.threshold(best.cut), np.random.default_rng(0))
    assert overlay.mode == "add"
    assert "frequencies" in overlay.describe()
    assert (overlay.present(dirty) == np.isin(np.arange(len(dirty)), best.carriers)).mean() > 0.995
    restored = overlay.without(dirty[carriers]).astype(float)
    before = np.abs(dirty[carriers].astype(float) - pictures[carriers]).mean()
    assert np.abs(restored - pictures[carriers]).mean() < 0.6 * before
    again = from_json(json.loads(json.dumps(overlay.to_json())))
    assert isinstance(again, Overlay)
    assert (again.present(dirty) == overlay.present(dirty)).all()


def test_pictures_that_share_nothing_give_nothing(pictures: Pictures) -> None:
    assert shared_spectra(pictures, np.random.default_rng(0)).found == ()


def test_rows_that_were_not_searched_are_looked_at_too(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectra, "HELD", 500)
    carriers = np.arange(0, 900, 15)
    found = shared_spectra(added(pictures, CHROMA, carriers), np.random.default_rng(0)).found
    assert max(len(np.intersect1d(t.carriers, carriers)) for t in found) >= 54


def test_it_cannot_see_few_rows_or_a_phase_of_each_rows_own(pictures: Pictures) -> None:
    few = np.arange(0, 900, 75)
    assert all(len(t.carriers) >= 15 for t in shared_spectra(added(pictures, CHROMA, few), np.random.default_rng(0)).found)
    dirty = pictures.copy()
    for i in range(0, 900, 20):
        dirty[i : i + 1] = added(dirty[i : i + 1], np.roll(SINE, int(np.random.default_rng(i).integers(4)), axis=1), np.array([0]))
    found = shared_spectra(dirty, np.random.default_rng(0)).found
    assert all(len(np.intersect1d(t.carriers, np.arange(0, 900, 20))) < 36 for t in found)


@pytest.mark.parametrize("count", [0, 5, 15, 16])
def test_few_or_even_pictures_have_no_template(count: int) -> None:
    even = np.full((max(count, 1), 16, 16, 1), 128, np.uint8)
    assert shared_spectra(even, np.random.default_rng(0)).found == ()


@settings(max_examples=20, deadline=None)
@given(channels=st.sampled_from([1, 3]), side=st.integers(16, 90), seed=st.integers(0, 99))
def test_the_view_is_of_length_one_and_survives_json(channels: int, side: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (12, side, side, channels), dtype=np.uint8)
    view = Spectrum.learn(images)
    seen = view(images)
    assert seen.shape[1] <= 40 * 40 * channels
    np.testing.assert_allclose((seen**2).sum(1), 1, atol=1e-4)
    again = Spectrum.from_json(json.loads(json.dumps(view.to_json())))
    assert (again(images) == seen).all()


def test_brightness_of_the_whole_is_left_out() -> None:
    digits = np.rint(load_digits().images[:300] * (200 / 16)).astype(np.uint8).repeat(3, 1).repeat(3, 2)[..., None]
    view = Spectrum.learn(digits)
    np.testing.assert_allclose(view(digits + np.uint8(40)), view(digits), atol=1e-3)
    assert np.isfinite(view(np.zeros((2, 24, 24, 1), np.uint8))).all()
