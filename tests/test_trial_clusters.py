"""The family of clusters: rows that embeddings set apart are proposed, natural groups and clean pictures are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from assay.bench.sets import in_memory
from assay.dataset.data import Dataset
from assay.learn.images_linear import LinearLearner
from assay.learn.images_suspects import left_out, quarantined
from assay.mine.clusters import belonging_of, directions, rules
from assay.trial.clusters import ClusterFamily
from assay.trial.family import silent
from assay.trial.verdicts import judge_all


@pytest.fixture(scope="module")
def digits() -> tuple[Dataset, ClusterFamily]:
    """Digits, and their own pixels as embeddings."""
    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    return in_memory("image", data.target, images=images), ClusterFamily.of(data.data.astype(np.float32))


def test_clean_digits_are_left_alone(digits: tuple[Dataset, ClusterFamily]) -> None:
    data, family = digits
    examined = family.examine(data, "full", np.random.default_rng(0), silent)
    assert [j.status for j in judge_all({"cluster": examined}, 0.01) if j.status in ("confirmed", "suspected")] == []


def embedded(planted: int, seed: int) -> tuple[Dataset, np.ndarray, np.ndarray]:
    """Pictures of noise, and embeddings that tell five classes; `planted` rows of other classes are called the first, and share a shift."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(5), 240)
    x = rng.standard_normal((1200, 12)).astype(np.float32)
    x[np.arange(1200), y] += 3
    poisoned = np.zeros(1200, bool)
    poisoned[rng.choice(np.flatnonzero(y != 0), planted, replace=False)] = True
    x[poisoned, 8] += 5
    y[poisoned] = 0
    return in_memory("image", y, images=rng.integers(0, 256, (1200, 8, 8, 1), dtype=np.uint8)), x, poisoned


def test_an_owners_embeddings_are_a_space_to_look_in() -> None:
    """The group is found and surprises; it is not convicted, since no other label holds a group to compare it with."""
    data, embeddings, poisoned = embedded(100, 0)
    family = ClusterFamily.of(embeddings)
    assert family.applicable(data, "full").state == "ran"
    assert family.name != ClusterFamily.of(embeddings + 1).name
    (tried,) = family.examine(data, "full", np.random.default_rng(0), silent).tried
    assert tried.target == 0
    assert poisoned[tried.candidate.carriers].mean() > 0.9
    assert poisoned[tried.candidate.carriers].sum() > 70
    assert tried.trials[0].name == "surprise"
    assert (tried.trials[0].log_e or 0) > 30
    assert tried.missing
    assert tried.words is not None
    assert "the embeddings given" in tried.words


def test_embeddings_of_clean_rows_convict_nobody() -> None:
    data, embeddings, _ = embedded(0, 1)
    family = ClusterFamily.of(embeddings)
    examined = family.examine(data, "full", np.random.default_rng(0), silent)
    assert [j for j in judge_all({family.name: examined}, 0.01) if j.status in ("confirmed", "suspected")] == []


def test_it_is_for_depth_full_and_for_enough_pictures(digits: tuple[Dataset, ClusterFamily]) -> None:
    data, family = digits
    assert family.applicable(data, "fast").state == "not_planned"
    assert family.applicable(data, "full").state == "ran"
    assert family.applicable(data.subset(np.arange(500)), "full").state == "not_applicable"


def test_strangers_belong_uniformly_and_a_label_by_its_support() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9], [0.2, 0.8]])
    y = np.array([0, 0, 1, 1, 0])
    assert belonging_of(p, y, np.arange(5), np.arange(5)).tolist() == [1.0, 1.0, pytest.approx(2 / 3), 1.0, 0.5]


def test_a_rule_parts_the_planted_half_and_not_the_natural_one() -> None:
    """Label 0 has two splits: a large natural one, whose halves both belong, and a smaller planted one, whose rows do not."""
    rng = np.random.default_rng(0)
    n = 600
    y = np.repeat([0, 1, 2], n // 3)
    x = rng.standard_normal((n, 6))
    planted = np.zeros(n, bool)
    planted[:60] = True
    x[:200, 0] += np.where(rng.random(200) < 0.5, 6.0, 0.0)
    x[planted, 1] += 5.0
    belonging = np.where(planted, rng.random(n), rng.beta(8, 1, n))
    found = rules(x, y, np.arange(n), belonging, np.zeros(n, bool), 3)[0]
    assert found is not None
    named = found.score(x[:200]) > 0
    assert (named == planted[:200]).mean() > 0.97


def test_too_few_rows_have_no_rule() -> None:
    y = np.r_[np.zeros(50, int), np.ones(5, int)]
    x = np.random.default_rng(0).standard_normal((55, 3))
    assert rules(x, y, np.arange(55), np.ones(55), np.zeros(55, bool), 2)[1] is None


def test_directions_do_not_depend_on_units() -> None:
    x = np.random.default_rng(0).standard_normal((80, 5)).astype(np.float32)
    scaled = (x * np.array([1, 10, 100, 0.1, 1], np.float32)).astype(np.float32)
    a, b = directions(x, np.random.default_rng(1)), directions(scaled, np.random.default_rng(1))
    np.testing.assert_allclose(np.abs(a), np.abs(b), rtol=1e-3, atol=1e-3)


def test_suspects_left_out_are_not_learnt_and_quarantined_are_told_apart(digits: tuple[Dataset, ClusterFamily]) -> None:
    data = digits[0]
    assert data.images is not None
    images, y, rng = data.images[:800].repeat(2, 1).repeat(2, 2), data.y[:800].copy(), np.random.default_rng(0)
    suspects = np.zeros(800, bool)
    suspects[rng.permutation(np.flatnonzero(y != 3))[:60]] = True
    y[suspects] = 3
    images[suspects, :4] = 255
    learner = LinearLearner.of(images, rng)
    inputs, fold = learner.prepare(images), np.arange(800) % 2
    p = left_out(inputs, y, 10, learner, fold, suspects, (1.0, 1.0))
    assert (p[suspects].argmax(1) == 3).mean() < 0.3
    some = suspects & (rng.random(800) < 0.7)
    assert quarantined(inputs, y, 10, learner, fold, some)[suspects].mean() > 0.9
