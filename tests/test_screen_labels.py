"""Screens of labels: confident learning, neighbours, strangers in a class; on real digits, with planted flips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from assay.dataset.data import Dataset
from assay.screen import class_outliers, label_errors, learnt_neighbours, neighbours
from assay.screen.agreement import flag_excess, relative_margin
from assay.screen.context import Context
from assay.screen.label_errors import confident_class, confident_joint, find_label_errors


def flipped(y: np.ndarray, share: float, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    bad = np.zeros(len(y), bool)
    bad[rng.choice(len(y), round(share * len(y)), replace=False)] = True
    return np.where(bad, (y + rng.integers(1, classes, len(y))) % classes, y), bad


@pytest.fixture(scope="module")
def digits(memory: Callable[..., Dataset]) -> dict[str, Any]:
    x, y = load_digits(return_X_y=True)
    noisy, bad = flipped(y, 0.05, 10, 2)
    x = x / 16
    probe = LogisticRegression(C=0.1, max_iter=500)
    made: dict[str, Any] = {"x": x.astype(np.float32), "y": noisy, "bad": bad}
    for name, labels in (("clean", y), ("noisy", noisy)):
        data = memory("table", {f"x{j}": x[:, j] for j in range(64)}, labels)
        made[f"p_{name}"] = cross_val_predict(probe, x, labels, cv=3, method="predict_proba")
        made[name] = Context(data, made[f"p_{name}"], made["x"], np.random.default_rng(0))
    return made


@pytest.mark.parametrize(("run", "least"), [(label_errors.run, 0.98), (neighbours.run, 0.98), (class_outliers.run, 0.95)])
def test_planted_flips_rank_first_and_clean_labels_are_left_alone(digits: dict[str, Any], run: Any, least: float) -> None:
    noisy = run(digits["noisy"])
    assert roc_auc_score(digits["bad"], noisy.score) >= least
    clean = run(digits["clean"])
    assert clean.flag.mean() <= 0.005


@pytest.mark.parametrize("run", [label_errors.run, neighbours.run])
def test_most_of_the_flagged_labels_are_wrong(digits: dict[str, Any], run: Any) -> None:
    found = run(digits["noisy"])
    assert digits["bad"][found.flag].mean() >= 0.7
    assert found.flag[digits["bad"]].mean() >= 0.2


def test_a_knot_of_rows_in_another_class_is_outvoted_by_deep_k_nn(digits: dict[str, Any]) -> None:
    clean = digits["clean"]
    sevens, threes = (np.flatnonzero(clean.data.y == v) for v in (7, 3))
    learnt = digits["x"].copy()
    learnt[sevens[:20]] = learnt[threes[0]] + np.random.default_rng(0).normal(0, 0.01, (20, 64))  # one another's nearest 15
    poisoned = replace(clean, features=learnt, learnt=learnt)
    knot = np.isin(np.arange(len(learnt)), sevens[:20])
    assert roc_auc_score(knot, learnt_neighbours.run(poisoned).score) > 0.95
    assert roc_auc_score(knot, neighbours.run(poisoned).score) < 0.9
    assert learnt_neighbours.run(replace(clean, learnt=digits["x"])).flag.mean() <= 0.005


def test_confident_learning_agrees_with_cleanlab(digits: dict[str, Any]) -> None:
    cleanlab_count = pytest.importorskip("cleanlab.count", reason="cleanlab is not installed")
    rank = pytest.importorskip("cleanlab.rank")
    p, y = digits["p_noisy"], digits["y"]
    joint, pairs = cleanlab_count.compute_confident_joint(y, p, calibrate=False, return_indices_of_off_diagonals=True)
    # cleanlab raises each empty diagonal cell to 1; none is empty here
    assert confident_joint(p, y).tolist() == joint.tolist()
    found = confident_class(p, y)
    assert np.flatnonzero((found >= 0) & (found != y)).tolist() == sorted(pairs)
    theirs = roc_auc_score(digits["bad"], 1 - rank.get_label_quality_scores(y, p))
    assert roc_auc_score(digits["bad"], relative_margin(p, y)) >= theirs - 0.002


def test_flags_keep_their_false_share_when_errors_ignore_content() -> None:
    """200 simulated sets: 5 % wrong labels anywhere, a calibrated judge. Mean false share <= the promised 0.3 (+-
    0.02).
    """
    rng = np.random.default_rng(1)
    false: list[float] = []
    power: list[float] = []
    for _ in range(200):
        sure = rng.beta(4, 0.7, 2_000) / 2 + 0.5  # the judge's probability of its own class: right that often
        judge_right = rng.random(2_000) < sure
        label_wrong = rng.random(2_000) < 0.05
        disputed = judge_right == label_wrong  # two classes: they agree when both err or neither
        flag = flag_excess(~disputed, disputed, 2 * sure - 1).flag
        if flag.any():
            false.append(float((~label_wrong[flag]).mean()))
        power.append(float(flag[label_wrong].mean()))
    assert len(false) >= 150
    assert np.mean(false) <= 0.32
    assert np.mean(power) >= 0.1


def test_a_poor_judge_flags_nothing() -> None:
    """A judge who is wrong half of the time and a little less when sure blames itself, not the labels."""
    rng = np.random.default_rng(2)
    sure = rng.random(4_000)
    disputed = rng.random(4_000) < 0.7 - 0.55 * sure
    assert not flag_excess(~disputed, disputed, sure).flag.any()


def test_missing_labels_are_passed_over(digits: dict[str, Any], memory: Callable[..., Dataset]) -> None:
    y = digits["y"].copy()
    y[:100] = -1
    data = memory("table", {"x": digits["x"][:, 10]}, digits["y"], y=y)
    made = Context(data, digits["p_noisy"], digits["x"], np.random.default_rng(0))
    for run in (label_errors.run, neighbours.run, class_outliers.run):
        found = run(made)
        assert not found.flag[:100].any()
        assert np.isfinite(found.score).all()
        assert (found.score[:100] == 0).all()


def test_a_wrong_shape_is_named(memory: Callable[..., Dataset]) -> None:
    data = memory("table", {"x": np.arange(4.0)}, [0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"expected probabilities of shape \(4, 2\)"):
        Context(data, np.zeros((4, 3)), None, np.random.default_rng(0))


def test_a_class_without_rows_has_no_threshold_to_reach() -> None:
    p = np.array([[0.5, 0.1, 0.4], [0.2, 0.1, 0.7], [0.3, 0.1, 0.6]])
    assert find_label_errors(p, np.array([0, 2, 2])).flag.sum() == 0
    assert (confident_class(p, np.array([0, 2, 2])) != 1).all()


@pytest.mark.data
def test_mnist_flips_rank_first(real_data: Callable[[str], Path]) -> None:
    """5 % random flips on MNIST, a logistic probe on pixels: AUROC at least .95."""
    z = np.load(real_data("mnist/mnist20k.npz"))
    x = z["x_test"][::3, ::2, ::2].reshape(-1, 196).astype(np.float32) / 255
    noisy, bad = flipped(z["y_test"][::3].astype(np.int64), 0.05, 10, 3)
    p = cross_val_predict(LogisticRegression(C=0.1, max_iter=60), x, noisy, cv=3, method="predict_proba")
    assert roc_auc_score(bad, find_label_errors(p, noisy).score) >= 0.95


def test_a_judge_that_errs_on_its_surest_rows_flags_nothing() -> None:
    """It contradicts 45 % of the labels, however sure it is: nothing is known of the labels then."""
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1.0, 2_000)
    excess = flag_excess(np.arange(2_000) % 20 >= 9, np.arange(2_000) % 20 < 9, sure, share_wrong=0.45)
    assert not excess.flag.any()
    assert (excess.bound == 1).all()
