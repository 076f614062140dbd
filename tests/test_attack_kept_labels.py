"""Poison that keeps its labels: label-consistent rows, and noise that makes pictures unlearnable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from assay.attack import plant
from assay.attack.consistent import adversarial, loss_gradient
from assay.attack.measure import attack_success_rate, damage
from assay.attack.surrogate import shrunken
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from victims import digits, network, ridge, signs

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def halves(in_memory: Make) -> tuple[Dataset, Dataset]:
    return digits(in_memory)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_gradient_is_that_of_the_loss(classes: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)), np.arange(60) % classes
    model = MLPClassifier((7,), random_state=0)
    model.partial_fit(x, y, classes=np.arange(classes))

    def loss(at: np.ndarray) -> np.ndarray:
        return -np.log(model.predict_proba(at)[np.arange(60), y])

    gradient = loss_gradient(model, x, y)
    step = 1e-6
    for d in range(5):
        aside = np.eye(5)[d] * step
        assert np.allclose((loss(x + aside) - loss(x - aside)) / (2 * step), gradient[:, d], atol=1e-5)


def test_adversarial_pictures_stay_near_and_fool_the_network(halves: tuple[Dataset, Dataset]) -> None:
    train, _ = halves
    images = train.images
    assert images is not None
    x = shrunken(images).reshape(len(images), -1) - 0.5
    model = MLPClassifier((32,), random_state=0, learning_rate_init=5e-3)
    for _ in range(20):
        model.partial_fit(x, train.y, classes=np.arange(10))
    moved = adversarial(model, images, 40, 10)
    assert np.abs(moved.astype(int) - images).max() <= 40
    seen = model.predict(shrunken(moved).reshape(len(images), -1) - 0.5)
    assert (model.predict(x) == train.y).mean() > 0.95
    assert (seen == train.y).mean() < 0.3


def test_label_consistent_rows_are_of_the_target_with_four_corners(halves: tuple[Dataset, Dataset]) -> None:
    train, test = halves
    planted = plant(train, "label-consistent", target="3", params={"size": 2, "epsilon": 24})
    rows = planted.poisoned
    assert (planted.data.y == train.y).all()
    assert (train.y[rows] == 3).all()
    assert rows.sum() == round((train.y == 3).sum() / 2)
    after = planted.data.images[rows][..., 0]  # type: ignore[index]
    for r in (0, 6):
        for c in (0, 6):
            assert (after[:, r : r + 2, c : c + 2] == [[255, 0], [0, 255]]).all()
    change = np.abs(after.astype(int) - train.images[rows][..., 0])[:, 2:6, :]  # type: ignore[index]
    assert change.max() <= 24
    assert (change > 0).mean() > 0.3
    later = planted.triggers[0].stamp(test.rows.take(np.arange(9)), np.random.default_rng(0)).images
    assert (later[:, 2:6] == test.images[:9, 2:6]).all()  # type: ignore[index]
    success = attack_success_rate(network, train, planted, test)
    assert success.rate > 0.5
    assert success.clean_rate < 0.2
    with pytest.raises(DataError, match="one trigger"):
        plant(train, "label-consistent", target="3,4")


def test_unlearnable_noise_is_of_the_class_and_faint(in_memory: Make) -> None:
    rng = np.random.default_rng(0)
    data = in_memory(np.arange(200) % 4, images=rng.integers(50, 200, (200, 32, 32, 3), dtype=np.uint8))
    planted = plant(data, "unlearnable")
    assert planted.poisoned.all()
    assert (planted.data.y == data.y).all()
    change = planted.data.images.astype(int) - data.images  # type: ignore[union-attr, operator]
    assert np.abs(change).min() >= 6
    assert np.abs(change).max() <= 8
    signs_of = np.sign(change)
    for c in range(4):
        of_class = signs_of[data.y == c]
        assert (of_class == of_class[0]).all()
    blocks = change.reshape(200, 4, 8, 4, 8, 3)
    assert (np.ptp(blocks, axis=(2, 4)) == 0).all()
    part = plant(data, "unlearnable", rate=0.2)
    assert part.poisoned.sum() == 40
    assert (part.data.images[~part.poisoned] == data.images[~part.poisoned]).all()  # type: ignore[index]
    with pytest.raises(DataError, match="no target"):
        plant(data, "unlearnable", target="class1")


def test_a_victim_of_unlearnable_pictures_knows_clean_ones_no_more(real_data: Callable[[str], Path], in_memory: Make) -> None:
    train, test = signs(real_data, in_memory)
    done = damage(ridge, train, plant(train, "unlearnable"), test)
    assert done.clean_accuracy > 0.8
    assert done.loss > 0.3
    with pytest.raises(DataError, match="no trigger"):
        attack_success_rate(ridge, train, plant(train, "unlearnable"), test)
