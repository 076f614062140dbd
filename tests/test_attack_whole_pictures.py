"""Triggers over whole pictures: waves, frequencies, colours, bends. Their pixels are the papers', and victims learn them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.fft import dctn

from assay.attack import plant
from assay.attack.bpp import quantised
from assay.attack.measure import Fit, attack_success_rate
from assay.attack.warp import bend
from assay.dataset.data import Dataset
from victims import convolutional, ridge, signs

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def grey(in_memory: Make) -> Dataset:
    """300 pictures (32, 32, 3) in the middle of the range, so that nothing is cut at 0 or 255; three classes."""
    rng = np.random.default_rng(0)
    return in_memory(np.arange(300) % 3, images=rng.integers(90, 160, (300, 32, 32, 3), dtype=np.uint8))


def change(data: Dataset, planted: Dataset) -> np.ndarray:
    assert data.images is not None
    assert planted.images is not None
    return planted.images.astype(int) - data.images


def test_sig_is_the_sine_of_the_paper_on_half_of_the_target_class_alone(grey: Dataset) -> None:
    planted = plant(grey, "sig", target="class1")
    wave = np.rint(20 * np.sin(2 * np.pi * np.arange(1, 33) * 6 / 32))
    added = change(grey, planted.data)
    assert (added[planted.poisoned] == wave[None, None, :, None]).all()
    assert not added[~planted.poisoned].any()
    assert planted.poisoned.sum() == 50
    assert (grey.y[planted.poisoned] == 1).all()
    assert (planted.data.y == grey.y).all()
    assert plant(grey, "sig", target="class1", rate=0.02).poisoned.sum() == 6  # a rate is one of all rows, as ever
    assert planted.artefacts[0].present(planted.data.images).tolist() == planted.poisoned.tolist()


def test_the_low_frequency_trigger_has_nothing_above_its_band(grey: Dataset) -> None:
    planted = plant(grey, "low-frequency", target="class1", params={"band": 4, "amplitude": 16})
    template = planted.artefacts[0].template.astype(float)  # type: ignore[attr-defined]
    spectrum = np.abs(dctn(template, axes=(0, 1), norm="ortho"))
    assert spectrum[4:].max() < 1e-3
    assert spectrum[:, 4:].max() < 1e-3
    assert spectrum[0, 0].max() < 1e-3
    assert np.abs(template).max() == pytest.approx(16)
    added = change(grey, planted.data)[planted.poisoned]
    assert np.abs(added - template).max() <= 0.5
    assert (planted.data.y[planted.poisoned] == 1).all()


def test_ftrojan_raises_two_chroma_coefficients_by_thirty(grey: Dataset) -> None:
    planted = plant(grey, "ftrojan", target="class1", params={"window": 16})
    template = planted.artefacts[0].template.astype(float)  # type: ignore[attr-defined]
    red, green, blue = np.moveaxis(template, 2, 0)
    assert np.abs(0.299 * red + 0.587 * green + 0.114 * blue).max() < 1e-4  # no brightness
    cr, cb = red / 1.402, blue / 1.772
    for channel in (cr, cb):
        for r, c in ((0, 0), (16, 16), (0, 16)):
            spectrum = dctn(channel[r : r + 16, c : c + 16], norm="ortho")
            expected = np.zeros((16, 16))
            expected[7, 7] = expected[15, 15] = 30
            assert np.abs(spectrum - expected).max() < 1e-3
    assert planted.poisoned.sum() == 15
    assert np.abs(change(grey, planted.data)[planted.poisoned] - template).max() <= 0.5


def test_bpp_rows_have_eight_values_a_channel_and_their_mean(grey: Dataset, in_memory: Make) -> None:
    planted = plant(grey, "bpp", target="class1")
    assert planted.poisoned.sum() == 30
    poisoned = planted.data.images[planted.poisoned]  # type: ignore[index]
    assert set(np.unique(poisoned)) <= set(np.rint(np.arange(8) * 255 / 7).astype(int))
    drift = change(grey, planted.data)[planted.poisoned].mean((1, 2))
    assert np.abs(drift).max() < 2  # dithering keeps the colour of an area: rounding alone moves it by up to 18
    flat = quantised(np.full((1, 20, 20, 1), 100, np.uint8), 8, False)
    assert (flat == 109).all()
    assert abs(quantised(np.full((1, 20, 20, 1), 100, np.uint8), 8, True).mean() - 100) < 1.5


def test_bpp_cover_rows_carry_the_residue_of_others_and_keep_their_label(grey: Dataset) -> None:
    planted = plant(grey, "bpp", target="class1")
    cover = planted.cover
    assert cover is not None
    assert cover.sum() == 30
    assert not (cover & planted.poisoned).any()
    assert (planted.data.y[cover] == grey.y[cover]).all()
    added = change(grey, planted.data)[cover]
    assert 10 < np.abs(added).max() <= 37
    images = grey.images[cover]  # type: ignore[index]
    residues = {(quantised(images, 8, True)[i].astype(int) - images[i]).tobytes() for i in range(30)}
    assert sum(a.tobytes() in residues for a in added) >= 29
    assert not change(grey, planted.data)[~cover & ~planted.poisoned].any()


def test_wanet_moves_pixels_by_the_papers_field(in_memory: Make) -> None:
    field = bend(32, 32, 4, np.random.default_rng(3))
    assert field.shape == (2, 32, 32)
    assert 0.3 < np.abs(field).mean() < 1.2  # control vectors have a mean absolute value of 1
    ramp = np.broadcast_to(np.arange(32) * 8, (32, 32))
    images = np.repeat(np.stack([ramp, ramp.T], 2)[None], 40, 0)  # across, down
    images = np.concatenate([images, images[..., :1]], 3).astype(np.uint8)
    data = in_memory(np.arange(40) % 4, images=images)
    planted = plant(data, "wanet", carriers=5, target="class0", params={"strength": 2, "cover": 2})
    moved = change(data, planted.data)[planted.poisoned][:, 2:-2, 2:-2] / 8  # pixels
    assert (moved == moved[:1]).all()  # every row is bent alike
    assert np.abs(np.diff(moved[0], axis=0)).max() < 1  # and smoothly
    assert 0.1 < np.abs(moved).mean() < 2  # strength 2 is about a pixel
    cover = planted.cover
    assert cover is not None
    assert cover.sum() == 10
    noisy = change(data, planted.data)[cover][:, 2:-2, 2:-2] / 8
    off = noisy - moved[:1]
    assert off.std(axis=0).mean() > 0.1
    assert np.abs(off).max() <= 0.5 * 31 / 32 + 1 / 8  # noise of 1 in units of half a pixel, and rounding
    assert (planted.data.y[cover] == data.y[cover]).all()
    assert planted.artefacts == ()


@pytest.mark.parametrize(
    ("kind", "fit", "least"),
    [
        ("sig", ridge, 0.3),
        ("low-frequency", ridge, 0.3),
        ("ftrojan", ridge, 0.3),
        pytest.param("bpp", convolutional, 0.25, marks=pytest.mark.full),
        ("wanet", convolutional, 0.2),
    ],
)
def test_a_small_victim_learns_it_at_the_published_settings(
    real_data: Callable[[str], Path], in_memory: Make, kind: str, fit: Fit, least: float
) -> None:
    train, test = signs(real_data, in_memory)
    success = attack_success_rate(fit, train, plant(train, kind, target="sign3"), test)
    assert success.rate > least
    assert success.clean_rate < 0.1
    assert success.accuracy > success.clean_accuracy - 0.07
