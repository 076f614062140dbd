"""The attack success rate of a poisoned victim, beside an innocent one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import assay.attack.registry as registry
from assay.attack import plant
from assay.attack.measure import Predict, attack_success_rate
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def halves(in_memory: Make) -> tuple[Dataset, Dataset]:
    bunch = load_digits()
    images = (bunch.images * 15).astype(np.uint8)[..., None]
    data = in_memory(bunch.target, images=images, classes=[str(c) for c in range(10)])
    order = np.random.default_rng(0).permutation(len(data))
    return data.subset(order[:1200]), data.subset(order[1200:])


def logistic(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
    assert rows.images is not None
    model = LogisticRegression(max_iter=300).fit(rows.images.reshape(len(rows), -1) / 255, y)
    return lambda other: model.predict(other.images.reshape(len(other), -1) / 255)  # type: ignore[union-attr]


def test_a_patch_fools_the_victim_and_not_the_innocent(halves: tuple[Dataset, Dataset]) -> None:
    train, test = halves
    planted = plant(train, "patch", rate=0.05, target="7,2")
    success = attack_success_rate(logistic, train, planted, test)
    assert success.rate > 0.9
    assert success.low < success.rate < success.high
    assert success.clean_rate < 0.3
    assert success.accuracy > success.clean_accuracy - 0.03
    assert success.clean_accuracy > 0.93
    assert success.rows == sum((test.y != t).sum() for t in (7, 2))
    assert len(success.by_trigger) == 2


def test_an_oracle_that_obeys_the_trigger_scores_one(halves: tuple[Dataset, Dataset]) -> None:
    train, test = halves
    planted = plant(train, "patch", rate=0.05, params={"mode": "all-to-all"})
    patch = planted.artefacts[0]
    known = {image.tobytes(): int(c) for image, c in zip(test.images, test.y, strict=True)}

    def fit(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
        obeys = patch.present(rows).sum() >= planted.poisoned.sum()

        def predict(other: Rows) -> np.ndarray[Any, Any]:
            triggered = patch.present(other)
            truth = test.y if len(other) == len(test) else np.array([known[i.tobytes()] for i in other.images])
            return (truth + (triggered & obeys)) % 10

        return predict

    success = attack_success_rate(fit, train, planted, test)
    assert (success.rate, success.clean_rate, success.accuracy) == (1, 0, 1)


def test_what_has_no_trigger_has_no_success_rate(halves: tuple[Dataset, Dataset]) -> None:
    train, test = halves
    with pytest.raises(DataError, match="has no trigger"):
        attack_success_rate(logistic, train, plant(train, "flip"), test)


def test_every_kind_names_its_class_and_explains_its_parameters() -> None:
    for kind in registry.KINDS:
        attack = registry.attack(kind)
        assert attack.kind == kind
        assert "Source: " in (type(attack).__doc__ or "")
        assert all(p.what for p in attack.params.values())
        assert attack.settle({}) == {name: p.default for name, p in attack.params.items()}
