"""Probes of pictures: they never see the row they judge, know what they do not know, and keep copies together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from assay.learn.images import CrossFit, cross_fit, deal
from assay.learn.images_features import PatchFeatures, shrink
from assay.learn.images_groups import near_duplicates, votes
from assay.learn.images_linear import LinearLearner, softmax_regression


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    return np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None], data.target.astype(np.int64)


def fitted(images: np.ndarray, y: np.ndarray, seed: int = 0) -> CrossFit:
    rng = np.random.default_rng(seed)
    return cross_fit(images, y, int(y.max()) + 1, LinearLearner.of(images, rng), rng)


def test_digits_are_told_apart_and_probabilities_are_calibrated(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, y = digits
    p = fitted(images, y).probabilities
    assert np.allclose(p.sum(1), 1)
    assert (p.argmax(1) == y).mean() > 0.95
    assert abs(p.max(1).mean() - (p.argmax(1) == y).mean()) < 0.03


def test_labels_drawn_at_random_cannot_be_foreseen_of_rows_that_were_not_seen(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    images, _ = digits
    y = np.random.default_rng(0).integers(0, 10, len(images))
    p = fitted(images, y).probabilities
    assert abs((p.argmax(1) == y).mean() - 0.1) < 4 * np.sqrt(0.09 / len(y))


def test_a_changed_label_does_not_change_what_is_said_of_its_own_row(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, y = digits
    before = fitted(images, y)
    other = y.copy()
    other[7] = (y[7] + 1) % 10
    after = fitted(images, other)
    judge = before.fold[7]
    model, again = before.models[judge], after.models[judge]
    assert before.inputs is not None
    assert np.array_equal(model.scores(before.inputs[7:8]), again.scores(before.inputs[7:8]))


def test_predict_agrees_with_the_rows_as_they_are(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, y = digits
    probe = fitted(images[:600], y[:600])
    assert np.allclose(probe.predict(images[:600], probe.fold), probe.probabilities, atol=1e-5)


def test_missing_labels_are_judged_and_not_learnt_from(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, y = digits
    some = y.copy()
    some[::4] = -1
    p = fitted(images, some).probabilities
    assert (p[::4].argmax(1) == y[::4]).mean() > 0.93
    with pytest.raises(ValueError, match="two classes"):
        cross_fit(images, np.zeros(len(y), np.int64), 1, LinearLearner.of(images, np.random.default_rng(0)), np.random.default_rng(0))


def test_copies_share_a_fold_and_a_vote() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, 12, 12, 3), dtype=np.uint8)
    images[100:110] = np.clip(images[5].astype(int) + rng.integers(-6, 7, (10, 12, 12, 3)), 0, 255)
    groups = near_duplicates(images)
    assert set(groups[100:110]) == {5}
    assert len(np.unique(groups)) == 190
    fold = deal(groups, 2, rng)
    assert len(set(fold[100:110]) | {fold[5]}) == 1
    assert abs(fold.mean() - 0.5) < 0.05
    assert np.isclose(votes(images[[5, 100, 101, 7]]).sum(), 2)
    assert votes(images[:0]).shape == (0,)


def test_a_uniform_set_is_not_one_group(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, _ = digits
    assert np.bincount(near_duplicates(images)).max() <= 0.05 * len(images)
    assert np.bincount(near_duplicates(np.full((100, 8, 8, 1), 7, np.uint8))).max() <= 30


@pytest.mark.parametrize("shape", [(8, 8, 1), (6, 9, 3), (32, 32, 3), (200, 150, 1), (65, 64, 3)])
def test_pictures_of_any_size_have_features(shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, *shape), dtype=np.uint8)
    small = shrink(images)
    assert max(small.shape[1:3]) <= 64
    features = PatchFeatures.learn(small, np.random.default_rng(1), filters=4).transform(small)
    assert features.shape[0] == 9
    assert np.isfinite(features).all()


def test_softmax_regression_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 5)).astype(np.float32)
    y = (x @ rng.standard_normal((5, 3)) + rng.gumbel(size=(300, 3))).argmax(1)
    weights, bias = softmax_regression(x, y, 3)
    peer = LogisticRegression(C=1 / (0.05 * 300), tol=1e-8, max_iter=1000).fit(x, y)
    mine = x @ weights + bias
    theirs = peer.decision_function(x)
    assert np.abs((mine - mine.mean(1, keepdims=True)) - (theirs - theirs.mean(1, keepdims=True))).max() < 0.02


@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1), (9, 13, 1), (6, 6, 1), (64, 50, 3)])
def test_pictures_altered_in_places_are_read_as_if_from_the_start(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, *shape), dtype=np.uint8)
    features = PatchFeatures.learn(images, rng, filters=8)
    known = features.transform(images)
    low, high = np.sort(rng.integers(0, [[[s + 1] for s in shape[:2]]], (2, 2, 60)), axis=0)  # some boxes are empty, some all of a picture
    altered = images.copy()
    for i in range(1, 60):
        altered[i, low[0, i] : high[0, i], low[1, i] : high[1, i]] ^= 255
    altered[1, -1, -1] ^= 255
    altered[2] ^= 255
    read = features.altered(altered, images, known)
    assert np.allclose(read, features.transform(altered), atol=1e-5)
    assert np.array_equal(read[0], known[0])


def test_predict_altered_agrees_with_predict(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, y = digits
    probe = fitted(images[:600], y[:600])
    rows = np.arange(0, 600, 7)
    altered = images[rows].copy()
    altered[:, 2:4, 1:5] = 0
    assert np.allclose(probe.predict_altered(altered, rows, images[:600]), probe.predict(altered, probe.fold[rows]), atol=1e-5)
    assert np.allclose(replace(probe, inputs=None).predict_altered(altered, rows, images[:600]), probe.predict(altered, probe.fold[rows]))
