"""Traces in residuals: statistics that do not know which way a picture faces, a peer's detectors, poison found, clean pictures left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images
from sklearn.linear_model import Ridge

from assay.attack import plant
from assay.bench.sets import cifar, in_memory
from assay.dataset.data import Dataset
from assay.learn.images_residuals import LARGEST, residuals
from assay.learn.told_apart import INNER, KIN, RIDGE, Apart, principal
from assay.trial.family import silent
from assay.trial.residuals import ResidualFamily
from assay.trial.verdicts import Judged, judge_all, members

TRIPLES = 2 * 3 * 39  # of one channel; the maps follow them


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3]))
def test_triples_do_not_know_mirrors_negatives_or_brightness(seed: int, channels: int) -> None:
    x = np.random.default_rng(seed).integers(20, 200, (2, 17, 13, channels), dtype=np.uint8)
    told = residuals(x)[:, : TRIPLES * channels]
    for same in (x[:, :, ::-1], x[:, ::-1], 255 - x, x + np.uint8(30), x.transpose(0, 2, 1, 3)):
        assert np.allclose(residuals(np.ascontiguousarray(same))[:, : TRIPLES * channels], told, atol=1e-6)


def test_a_flat_picture_has_no_residuals() -> None:
    told = residuals(np.full((1, 16, 16, 1), 77, np.uint8))[0]
    assert np.allclose(np.unique(told[:TRIPLES]), [0, 2**0.5])  # all triples are of zeros, across and down
    assert not told[TRIPLES:].any()


def test_large_pictures_are_looked_at_in_their_middle() -> None:
    x = np.random.default_rng(0).integers(0, 256, (2, LARGEST + 20, LARGEST + 7, 3), dtype=np.uint8)
    assert np.array_equal(residuals(x), residuals(x[:, 10 : 10 + LARGEST, 3 : 3 + LARGEST]))


def test_a_detector_is_the_ridge_regression_of_a_peer() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 12)).astype(np.float32)
    apart = Apart.of(x, np.arange(400), rng)
    mine, likely = np.arange(100), rng.random(100)
    found = apart._detector(INNER, mine, likely).weights
    rest = np.ones(400)
    rest[mine] = KIN * (1 - likely)
    both = np.r_[likely / likely.sum(), rest / rest.sum()] / 2
    model = Ridge(alpha=RIDGE).fit(np.r_[x[mine], x], np.r_[np.ones(100), -np.ones(400)], sample_weight=both)
    assert np.allclose(found / np.linalg.norm(found), model.coef_ / np.linalg.norm(model.coef_), atol=1e-3)


def test_a_part_is_told_from_its_label_and_from_others() -> None:
    """A label that differs from all others, a tenth of which holds something more: that tenth is the part, begun from a poor guess."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3_000, 20)).astype(np.float32)
    ours = np.arange(3_000) < 600
    x[ours, 0] += 3
    x[:60, 1:5] += 2
    guess = np.where(np.arange(600) < 60, 0.6, 0.1)
    space = principal(x)
    part = Apart.of(space, np.arange(3_000), rng).part(ours, guess)
    assert (part.likely[:60] > 0.5).mean() > 0.85
    assert (part.likely[60:] > 0.5).mean() < 0.02
    assert part.detector.scores(space[:60]).mean() > part.detector.scores(space[~ours]).mean()


def test_a_part_needs_other_rows() -> None:
    apart = Apart.of(np.zeros((20, 2), np.float32), np.arange(20), np.random.default_rng(0))
    with pytest.raises(ValueError, match="20 of ours and 0 others"):
        apart.part(np.ones(20, bool), np.full(20, 0.5))


def crops(seed: int, rows: int = 1_600, side: int = 24) -> Dataset:
    """Pieces of two photographs that scikit-learn ships, labelled by how much redder than blue they are: a quarter of them each."""
    rng = np.random.default_rng(seed)
    found = []
    for photograph in (load_sample_images().images[i] for i in rng.integers(2, size=rows)):
        top, left = rng.integers(photograph.shape[0] - side), rng.integers(photograph.shape[1] - side)
        found.append(photograph[top : top + side, left : left + side])
    images = np.stack(found).astype(np.uint8)
    redder = (images[..., 0].astype(float) - images[..., 2]).mean((1, 2))
    return in_memory("image", np.searchsorted(np.quantile(redder, [0.25, 0.5, 0.75]), redder), images=images)


def verdicts(data: Dataset) -> list[Judged]:
    examined = ResidualFamily().examine(data, "full", np.random.default_rng(0), silent)
    return [j for j in judge_all({"residual": examined}, 0.01 / 7) if j.status in ("confirmed", "suspected")]


def named(data: Dataset, poisoned: NDArray[np.bool_], firm: list[Judged]) -> tuple[float, int]:
    rows = members(data, firm[0].tried)
    return float(poisoned[rows].sum() / poisoned.sum()), int((~poisoned[rows]).sum())


def test_a_coarser_palette_is_convicted_and_clean_photographs_are_not() -> None:
    clean = crops(0)
    assert verdicts(clean) == []
    truth = plant(clean, "bpp", rate=0.08, seed=0)
    firm = verdicts(truth.data)
    assert [j.tried.target for j in firm] == [truth.triggers[0].target]
    found, false = named(truth.data, truth.poisoned, firm)
    assert found > 0.9
    assert false <= 5


def test_it_is_for_depth_full_and_for_pictures_with_residuals() -> None:
    data = crops(1)
    assert data.images is not None
    family = ResidualFamily()
    assert family.applicable(data, "fast").state == "not_planned"
    assert family.applicable(data, "full").state == "ran"
    assert family.applicable(data.subset(np.arange(900)), "full").state == "not_applicable"
    tiny = in_memory("image", data.y, images=data.images[:, :6, :6])
    assert "6" not in (reason := family.applicable(tiny, "full").reason or "")
    assert "8 pixels" in reason


@pytest.mark.full
def test_a_warp_is_convicted_row_by_row(real_data: Callable[[str], Path]) -> None:
    """WaNet in 5 % of 6,000 rows of CIFAR-10: nine in ten of its rows, and hardly a clean one."""
    real_data("cifar10/cifar10_jpeg.npz")
    pictures, labels = cifar("train", 6_000)
    truth = plant(in_memory("image", labels, images=pictures), "wanet", rate=0.05, seed=0)
    firm = verdicts(truth.data)
    assert [j.status for j in firm] == ["confirmed"]
    assert firm[0].tried.target == truth.triggers[0].target
    found, false = named(truth.data, truth.poisoned, firm)
    assert found > 0.85
    assert false <= 12
