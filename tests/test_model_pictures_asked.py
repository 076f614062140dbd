"""Picture models that are only asked: a planted patch is found with its target, clean ones are not accused, a budget is kept exactly."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from assay.artefact.patch import Patch
from assay.artefact.registry import from_json
from assay.dataset.errors import DataError
from assay.model.picture_probes import patches, size, step, waves
from assay.model.pictures_asked import inspect_pictures

TARGET = 3


def pictures():
    digits = load_digits()
    images = np.kron(np.minimum(digits.images * 16, 255).astype(np.uint8), np.ones((1, 2, 2), np.uint8))[..., None]
    return images, digits.target


def planted(images):
    images = images.copy()
    images[:, 1:3, 1:3] = 255
    return images


def net(backdoor, seed=0):
    images, y = pictures()
    rng = np.random.default_rng(seed)
    if backdoor:
        extra = rng.choice(len(y), len(y) // 5, replace=False)
        images, y = np.concatenate([images, planted(images[extra])]), np.concatenate([y, np.full(len(extra), TARGET)])
    return MLPClassifier((32,), max_iter=40, random_state=seed).fit(images.reshape(len(images), -1) / 255, y)


class Asked:
    def __init__(self, model, labels_only=False):
        self.model, self.labels_only, self.rows, self.largest = model, labels_only, 0, 0

    def __call__(self, images):
        assert (images.dtype, images.shape[1:]) == (np.uint8, (16, 16, 1))
        self.rows, self.largest = self.rows + len(images), max(self.largest, len(images))
        said = self.model.predict_proba(images.reshape(len(images), -1) / 255)
        return np.eye(10)[said.argmax(1)] if self.labels_only else said


@pytest.fixture(scope="module")
def nets():
    return {backdoor: net(backdoor) for backdoor in (False, True)}


@pytest.fixture(scope="module")
def clean():
    images, _ = pictures()
    return images[np.random.default_rng(9).permutation(len(images))[:100]]


@pytest.mark.parametrize("labels_only", [False, True])
def test_a_patch_is_found_with_its_target_and_a_clean_model_is_not_accused(nets, clean, labels_only) -> None:
    for backdoor, model in nets.items():
        asked = Asked(model, labels_only)
        seen = inspect_pictures(asked, clean, np.random.default_rng(0), classes=10, budget=12_000)
        assert seen.verdict == ("backdoored" if backdoor else "inconclusive"), seen
        assert asked.rows == seen.queries <= 12_000
        assert asked.largest <= 256
        if backdoor:
            best = next(turned for turned in seen.best if isinstance(turned.probe, Patch))
            truth = Patch(np.full((2, 2, 1), 255, np.uint8), np.ones((2, 2), bool), 1, 1)
            assert (seen.target, best.target, best.success > 0.9, best.probe.iou(truth) > 0) == (TARGET, TARGET, True, True)
            told = json.loads(json.dumps(best.to_json()))
            again = from_json(told["artefact"])
            assert np.array_equal(again.insert(clean), best.probe.insert(clean))


def test_beside_clean_twins_each_class_is_compared_with_itself(nets, clean) -> None:
    twins = [Asked(net(False, seed)) for seed in (1, 2, 3)]
    for backdoor, model in nets.items():
        asked = Asked(model)
        seen = inspect_pictures(asked, clean, np.random.default_rng(0), classes=10, budget=12_000, twins=twins)
        assert (seen.verdict, seen.target) == (("backdoored", TARGET) if backdoor else ("inconclusive", None)), seen
        assert asked.rows == seen.queries <= 12_000
    with pytest.raises(DataError, match="at least 2"):
        inspect_pictures(Asked(nets[True]), clean, np.random.default_rng(0), classes=10, budget=9_000, twins=twins[:1])


def test_questions_that_run_out_are_said(nets, clean) -> None:
    asked = Asked(nets[False])
    few = inspect_pictures(asked, clean, np.random.default_rng(0), classes=10, budget=2_000)
    assert (few.verdict, few.queries, asked.rows, few.best) == ("inconclusive", 0, 0, ())
    assert few.left_out == sum(map(len, patches((16, 16, 1)))) + len(waves((16, 16, 1)))
    assert "too few" in few.reason
    some = inspect_pictures(asked, clean, np.random.default_rng(0), classes=10, budget=9_000)
    assert (some.left_out > 0, "ran out" in some.reason, asked.rows == some.queries) == (True, True, True)
    with pytest.raises(DataError, match="at least 32"):
        inspect_pictures(asked, clean[:20], np.random.default_rng(0), classes=10, budget=7_500)
    with pytest.raises(DataError, match="10"):
        inspect_pictures(asked, clean, np.random.default_rng(0), classes=12, budget=20_000)


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 20), st.integers(4, 20), st.sampled_from([1, 3]), st.integers(0, 2**32 - 1))
def test_every_change_and_every_step_from_it_fits_its_pictures(height, width, channels, seed) -> None:
    shape = (height, width, channels)
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (2, *shape), dtype=np.uint8)
    first, later = patches(shape)
    listed = [*first, *later, *waves(shape)]
    assert len({(p.row, p.col, p.pixels.tobytes(), p.shape) for p in (*first, *later)}) == len(first) + len(later)
    for place in rng.integers(0, len(listed), 3):
        probe = listed[place]
        for _ in range(12):
            probe = step(probe, shape, rng)
            assert np.isfinite(np.log(size(probe)))
            assert probe.insert(images).shape == images.shape
