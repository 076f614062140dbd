"""How much is corrupted and what it costs: planted flips are estimated, an insider's damage is found, leaving out is exact."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import check_grad
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from assay.learn.head import fit_head, one_hot, refit
from assay.screen.mislabelled import FEWEST_ROWS, _Full, _Spread, estimate_mislabelled
from assay.trial.availability import IN_ORDER, availability, damages, learning_curve, memberships


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    x, y = load_digits(return_X_y=True)
    return x / 16, y.astype(np.int64)


def out_of_fold(x: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    return cross_val_predict(LogisticRegression(C=1.0, max_iter=200), x, y, cv=3, method="predict_proba")


@pytest.mark.parametrize(("share", "pairwise"), [(0.0, False), (0.1, False), (0.05, True)])
def test_planted_flips_are_estimated_within_two_points(digits, share: float, pairwise: bool) -> None:  # type: ignore[no-untyped-def]
    x, y = digits
    rng = np.random.default_rng(int(100 * share))
    bad = np.zeros(len(y), bool)
    bad[rng.choice(len(y), round(share * len(y)), replace=False)] = True
    turned = np.where(bad, (y + (1 if pairwise else rng.integers(1, 10, len(y)))) % 10, y)
    found = estimate_mislabelled(out_of_fold(x, turned), turned, rng)
    assert found is not None
    assert abs(found.fraction - share) < 0.02
    assert found.low - 0.005 <= share <= found.high + 0.005
    assert found.turned.sum() == pytest.approx(1, abs=1e-6)
    if pairwise:
        flows = found.turned - np.diag(np.diag(found.turned))
        largest = np.argsort(-flows, axis=None)[:10]
        assert sum((j - i) % 10 == 1 for i, j in zip(*np.unravel_index(largest, flows.shape), strict=True)) >= 9


@pytest.mark.full
def test_the_interval_covers_where_the_probe_is_right_about_itself() -> None:
    """200 simulated sets of two overlapping classes, 10 % of the labels turned: the truth is inside in nine of ten or more."""
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 2, 2000)
        logit = rng.normal(3 * truth - 1.5, np.sqrt(3))
        right = 1 / (1 + np.exp(-logit))
        y = np.where(rng.random(2000) < 0.1, 1 - truth, truth)
        found = estimate_mislabelled(np.stack([1 - right, right], 1), y, rng)
        assert found is not None
        inside += found.low <= np.mean(y != truth) <= found.high
    assert inside >= 180


@pytest.mark.parametrize("kind", [_Full, _Spread])
def test_the_gradient_is_that_of_the_loss(kind: type[_Full | _Spread]) -> None:
    rng = np.random.default_rng(0)
    logs, y = rng.normal(size=(40, 5)), rng.integers(0, 5, 40)
    model = kind(logs, y)
    theta = np.concatenate([[0.3], rng.normal(0, 0.3, 5), model.start() + rng.normal(0, 0.1, len(model.start()))])
    assert check_grad(lambda t: model.objective(t)[0], lambda t: model.objective(t)[1], theta) < 1e-6
    a, b, mix, rates = model.unpacked(theta)
    q = softmax(a * (logs @ mix) + b, axis=1)
    assert model.objective(theta)[0] > -np.log((q @ rates)[np.arange(40), y]).mean() > 0
    assert rates.sum(1) == pytest.approx(1)


def test_flips_among_a_hundred_classes_are_estimated() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.integers(0, 100, 6_000), rng.normal(size=(6_000, 100))
    scores[np.arange(6_000), truth] += 5
    y = np.where(rng.random(6_000) < 0.1, rng.integers(0, 100, 6_000), truth)
    found = estimate_mislabelled(softmax(scores, axis=1), y, rng)
    assert found is not None
    assert found.low < np.mean(y != truth) < found.high


def test_too_few_rows_or_classes_give_no_estimate() -> None:
    rng = np.random.default_rng(0)
    p = np.full((FEWEST_ROWS - 1, 2), 0.5)
    assert estimate_mislabelled(p, rng.integers(0, 2, len(p)), rng) is None
    assert estimate_mislabelled(np.full((500, 2), 0.5), np.zeros(500, np.int64), rng) is None


def test_a_class_without_rows_and_rows_without_labels_are_left_aside(digits) -> None:  # type: ignore[no-untyped-def]
    x, y = digits
    p = np.insert(out_of_fold(x, y), 3, 0.0, axis=1)  # a class that nobody has
    y = np.where(y >= 3, y + 1, y)
    y[::5] = -1
    found = estimate_mislabelled(p, y, np.random.default_rng(0))
    assert found is not None
    assert found.rows == np.sum(y >= 0)
    assert found.turned.shape == (11, 11)
    assert found.turned[3].sum() == 0
    assert found.fraction < 0.03  # .014 to .026 where probabilities differ by 1e-9: the search ends before it has settled


def test_leaving_rows_out_in_closed_form_is_a_refit(digits) -> None:  # type: ignore[no-untyped-def]
    x, y = digits
    head = fit_head(x, one_hot(y, 10))
    gone = np.random.default_rng(0).choice(len(y), 60, replace=False)
    again = refit(head, np.setdiff1d(np.arange(len(y)), gone))
    np.testing.assert_allclose(head.without(gone), again.weights, atol=1e-8)


def test_a_curve_without_the_flipped_rows_is_lower(digits) -> None:  # type: ignore[no-untyped-def]
    x, y = digits
    rng = np.random.default_rng(1)
    bad = rng.random(len(y)) < 0.3
    turned = np.where(bad, (y + 1) % 10, y)
    curve = learning_curve(x, turned, 10, bad, rng)
    assert [p.rows for p in curve] == sorted(p.rows for p in curve)
    assert all(p.error_without < p.error_with for p in curve)
    assert curve[-1].error_without < curve[0].error_without


def test_the_contributor_who_relabels_does_the_most_harm_and_others_none(digits) -> None:  # type: ignore[no-untyped-def]
    x, y = digits
    rng = np.random.default_rng(2)
    who = np.array([f"w{i}" for i in rng.integers(0, 10, len(y))])
    turned = np.where(who == "w4", (y + 1) % 10, y)
    none = np.zeros(len(y), bool)
    found = damages(x, turned, 10, none, [("who", who.tolist())], rng)
    assert found[0].name == "w4"
    assert found[0].low > 0
    assert found[0].p_value < 1e-6
    assert all(d.change < found[0].change / 5 for d in found[1:])
    assert damages(x, y, 10, none, [("who", ["all"] * len(y))], rng) == ()


def test_without_a_probe_there_is_no_estimate(in_memory: Callable[..., object]) -> None:
    data = in_memory([0, 1] * 150, table={"v": list(range(300))}, content=["v"])
    assert availability(data, None, np.zeros(300, bool), np.random.default_rng(0)) is None  # type: ignore[arg-type]


def test_rows_in_their_order_are_batches_unless_the_order_is_that_of_the_labels(in_memory: Callable[..., object]) -> None:
    y = np.arange(2000) % 2
    for labels, expected in ((y, [IN_ORDER]), (np.sort(y), [])):
        data = in_memory(labels.tolist(), table={"v": list(range(2000))}, content=["v"])
        found = memberships(data, np.arange(2000))  # type: ignore[arg-type]
        assert [name for name, _ in found] == expected
        assert all(len(set(batches)) == 20 for _, batches in found)
