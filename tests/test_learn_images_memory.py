"""Pictures that a scan has met are not read twice, and what is said of them does not depend on who asked first."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from assay.learn.images_linear import LinearLearner


def digits(n: int) -> np.ndarray:
    return (load_digits().images[:n, :, :, None] * 15).astype(np.uint8)


def test_a_remembered_picture_gets_the_features_of_the_whole_set_in_any_company():
    images = digits(300)
    learner = LinearLearner.of(images, np.random.default_rng(0), remember=True)
    whole = learner.prepare(images)
    some = np.random.default_rng(1).permutation(300)[:50]
    assert np.array_equal(learner.prepare(images[some]), whole[some])
    asked_first = LinearLearner.of(images, np.random.default_rng(0), remember=True)
    assert np.array_equal(asked_first.prepare(images[some]), whole[some])


def test_an_altered_picture_is_read_anew():
    images = digits(200)
    learner, plain = (LinearLearner.of(images, np.random.default_rng(0), remember) for remember in (True, False))
    altered = images[:40].copy()
    altered[::2, 0, 0] ^= 255
    assert np.allclose(learner.prepare(altered), plain.prepare(altered), atol=1e-5)
    assert not np.allclose(learner.prepare(altered)[0], learner.prepare(images[:1])[0])


def test_pictures_of_another_size_are_read_without_memory():
    images = digits(100)
    learner = LinearLearner.of(images, np.random.default_rng(0), remember=True)
    larger = np.repeat(np.repeat(images[:10], 2, 1), 2, 2)
    assert learner.prepare(larger).shape[0] == 10
