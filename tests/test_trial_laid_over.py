"""What was laid over rows at random has nothing else in common with them; what nature lays there comes with more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from assay.artefact.overlay import Matched
from assay.attack import plant
from assay.attack.sinusoid import stripes
from assay.bench.sets import cifar, in_memory
from assay.learn import images_net
from assay.learn.images_linear import LinearLearner
from assay.mine.spectra import shared_spectra
from assay.trial.family import silent
from assay.trial.image_court import Court
from assay.trial.laid_over import ALIKE, SURE, Laid, nothing_else, one_label, shift
from assay.trial.overlays import OverlayFamily
from assay.trial.verdicts import judge_all, members

SINE = stripes(24, 24, 20, 6)


def textures(roughness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, 24, 24, 3) smoothed noise; `roughness` (n,) is how many pixels it is smoothed over."""
    made = []
    for width in roughness:
        field = gaussian_filter(rng.standard_normal((24, 24, 3)), (width, width, 0.5))
        made.append(np.clip(128 + rng.uniform(20, 50) * field / field.std(), 0, 255))
    return np.stack(made)


def asked(roughness: np.ndarray, carriers: np.ndarray) -> Laid | None:
    rng = np.random.default_rng(1)
    images = textures(roughness, rng)
    images[carriers] = np.clip(images[carriers] + SINE, 0, 255)
    seen = np.rint(images).astype(np.uint8)
    mined = shared_spectra(seen, rng)
    best = max(mined.found, key=lambda t: len(np.intersect1d(t.carriers, carriers)))
    assert len(np.intersect1d(best.carriers, carriers)) > 40
    court = Court(seen, np.zeros(len(seen), np.int64), None, rng)  # type: ignore[arg-type]  # no probe is asked
    others = np.setdiff1d(np.arange(len(seen)), carriers)
    return nothing_else(court, carriers, others, Matched(mined.view, best.pattern), best.threshold(best.cut), LinearLearner.of(seen, rng))


def test_laid_over_rows_at_random_it_comes_alone() -> None:
    laid = asked(np.random.default_rng(0).uniform(0.5, 3, 500), np.arange(0, 500, 8))
    assert laid is not None
    assert laid.area + SURE * laid.error <= ALIKE


def test_what_smoother_pictures_have_by_nature_comes_with_more() -> None:
    """The same template on rows that are smoother than the others: as of one camera."""
    carriers = np.arange(0, 500, 8)
    roughness = np.random.default_rng(0).uniform(0.5, 1.5, 500)
    roughness[carriers] = np.random.default_rng(2).uniform(1.5, 3, len(carriers))
    laid = asked(roughness, carriers)
    assert laid is not None
    assert laid.area > 0.9


def test_a_label_is_named_only_where_it_has_nearly_all_carriers_beyond_chance() -> None:
    y = np.repeat([0, 1, 2, -1], 100)
    assert one_label(np.arange(100, 140), y, 10) == 1
    assert one_label(np.r_[np.arange(100, 140), 0, 1], y, 10) == 1
    assert one_label(np.r_[np.arange(100, 140), np.arange(10)], y, 10) is None
    assert one_label(np.arange(100, 104), y, 10) is None
    assert one_label(np.arange(300, 340), y, 10) is None


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), kept=st.floats(0.5, 1.0), channels=st.sampled_from([1, 3]))
def test_what_was_added_is_found_to_within_its_error_and_nothing_where_nothing_was(seed: int, kept: float, channels: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(80, 170, (240, 16, 16, channels)).astype(np.float32)
    pattern = np.repeat(stripes(16, 16, 20, 4), channels, axis=2)
    ours, theirs = np.rint(kept * images[:80] + pattern).astype(np.uint8), images[80:].astype(np.uint8)
    assert np.abs(shift(ours, theirs, kept) - pattern).mean() < 3
    assert np.abs(shift(theirs[:80], theirs[80:], 1.0)).mean() < 1.5


@pytest.mark.full
def test_a_sine_wave_over_rows_of_its_label_is_suspected(real_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    real_data("cifar10/cifar10_jpeg.npz")
    monkeypatch.setattr(images_net, "installed", lambda: False)
    pictures, labels = cifar("train", 5_000)
    whole = in_memory("image", labels, images=pictures)
    for data, poisoned in ((plant(whole, "sig", rate=0.02, seed=0).data, plant(whole, "sig", rate=0.02, seed=0).poisoned), (whole, None)):
        examined = OverlayFamily().examine(data, "full", np.random.default_rng(0), silent)
        named = [j for j in judge_all({"overlay": examined}, 0.01) if j.status in ("confirmed", "suspected")]
        if poisoned is None:
            assert named == []
            continue
        assert [j.status for j in named] == ["suspected"]
        rows = members(data, named[0].tried)
        assert poisoned[rows].sum() >= 0.9 * poisoned.sum()
        assert (~poisoned[rows]).sum() <= 5
