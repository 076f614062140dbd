"""Faint patterns laid over whole labels: told by what a simple model sees of them, natural pictures left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_sample_images

from assay.attack import plant
from assay.bench.sets import cifar
from assay.dataset.data import Dataset
from assay.learn.class_patterns import ClassPatterns
from assay.trial.family import silent
from assay.trial.overlays import OverlayFamily
from assay.trial.unlearnable import unlearnable
from assay.trial.verdicts import findings_of, judge_all
from picture_sets import pictures


@pytest.fixture(scope="module")
def crops() -> Dataset:
    """1,200 pieces of two photographs. The photograph and the half that a piece is of give half of them their label, the rest a draw:
    so hard to read are pictures whose labels a pattern can take over."""
    rng = np.random.default_rng(0)
    found, y = [], []
    for number, photo in enumerate(load_sample_images().images):
        height, width, _ = photo.shape
        while len(found) < 600 * (number + 1):
            row, col = int(rng.integers(height - 32)), int(rng.integers(width - 32))
            piece = photo[row : row + 32, col : col + 32]
            if piece.std() < 40:
                continue  # the sky: 8 levels are no faint pattern there
            found.append(piece[:, ::-1] if rng.random() < 0.5 else piece)
            y.append(2 * number + int(col > width / 2) if rng.random() < 0.5 else int(rng.integers(4)))
    return pictures(np.stack(found), np.array(y))


def named(data: Dataset, seed: int = 0) -> dict[int, np.ndarray]:
    found = unlearnable(data, None, np.random.default_rng(seed))
    return {t.target: t.candidate.carriers for t in found if t.target is not None}


@pytest.mark.parametrize(("amplitude", "share"), [(8, 0.95), (4, 0.85)])
def test_every_label_and_most_of_its_rows_are_named(crops: Dataset, amplitude: int, share: float) -> None:
    planted = plant(crops, "unlearnable", seed=1, params={"amplitude": amplitude})
    found = named(planted.data)
    assert sorted(found) == [0, 1, 2, 3]
    assert sum(map(len, found.values())) > share * len(crops)


def test_where_half_of_the_rows_carry_a_pattern_those_are_named(crops: Dataset) -> None:
    planted = plant(crops, "unlearnable", seed=2, params={"share": 0.5})
    rows = np.concatenate(list(named(planted.data).values()))
    assert planted.poisoned[rows].mean() > 0.9
    assert planted.poisoned[rows].sum() > 0.5 * planted.poisoned.sum()


def test_the_family_of_overlays_suspects_them_and_no_more(crops: Dataset) -> None:
    planted = plant(crops, "unlearnable", seed=1)
    examined = OverlayFamily().examine(planted.data, "fast", np.random.default_rng(0), silent)
    judged = judge_all({"overlay": examined}, 0.01)
    found = [f for f in findings_of({"overlay": planted.data}, judged) if "reads the label of these from it" in f.explanation]
    assert sorted(str(f.target) for f in found) == ["0", "1", "2", "3"]
    assert {f.status for f in found} == {"suspected"}


def test_natural_pieces_and_digits_are_left_alone(crops: Dataset) -> None:
    digits = load_digits()
    assert not named(crops)
    assert not named(pictures(np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None].repeat(2, 1).repeat(2, 2), digits.target))


def test_few_rows_and_one_half_without_any_are_not_asked(crops: Dataset) -> None:
    planted = plant(crops, "unlearnable", seed=1).data
    assert not named(planted.subset(np.arange(300)))
    assert not named(planted.subset(np.flatnonzero(planted.y == 0)))


def test_a_model_is_sure_of_what_it_was_not_taught_only_by_the_other_half(crops: Dataset) -> None:
    y = np.random.default_rng(0).permutation(crops.y)  # nothing is foretold
    assert crops.images is not None
    seen = ClassPatterns.learn(crops.images, y, 4, np.arange(len(y)) % 2)
    assert not seen.told()[1].any()
    assert abs((seen.told()[0] == y).mean() - 0.25) < 0.06


def test_real_pictures(real_data: Callable[[str], Path]) -> None:
    real_data("cifar10")
    x, y = cifar("train", 3_000)
    data = pictures(np.asarray(x, np.uint8), np.asarray(y))
    planted = plant(data, "unlearnable", seed=3, params={"share": 0.3})
    found = named(planted.data)
    rows = np.concatenate(list(found.values()))
    assert len(found) == 10
    assert planted.poisoned[rows].mean() > 0.95
    assert planted.poisoned[rows].sum() > 0.85 * planted.poisoned.sum()
    assert not named(data)
