"""Forests say what scikit-learn's own models say."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from assay.learn.forest import GONE, Forest, Misread, placed, probabilities


def cells(rng: np.random.Generator, rows: int = 1_500) -> np.ndarray:
    """Numbers, few and many; categories, the last of which hold 200 kinds; a constant; one cell in eight missing."""
    x = np.column_stack(
        [rng.normal(size=rows), rng.integers(0, 4, rows), rng.exponential(size=rows), rng.integers(0, 5, rows), rng.integers(0, 200, rows)]
    )
    x[rng.random(x.shape) < 0.12] = np.nan
    return np.column_stack([x, np.ones(rows)])


NAMED = np.array([False, False, False, True, True, False])


@pytest.mark.parametrize("named", [None, NAMED])
@pytest.mark.parametrize(("classes", "trees", "leaves"), [(2, 70, 31), (2, 3, 8), (4, 30, 33), (3, 5, 2)])
def test_probabilities_are_those_of_the_model(named, classes, trees, leaves):
    rng = np.random.default_rng(0)
    x = cells(rng)
    score = np.nan_to_num(x[:, 0]) + (np.nan_to_num(x[:, 4]) % 3 == 1) + (x[:, 3] == 2) + np.isnan(x[:, 2])
    y = np.searchsorted(np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1]), score + 0.3 * rng.normal(size=len(x)))
    model = HistGradientBoostingClassifier(
        max_iter=trees, max_leaf_nodes=leaves, min_samples_leaf=5, categorical_features=named, early_stopping=False
    ).fit(x, y)
    fresh = np.vstack([x, cells(rng)])
    fresh[rng.integers(0, len(fresh), 50), 4] = 230.0  # no such category
    fresh[rng.integers(0, len(fresh), 50), 0] = [np.inf, -np.inf] * 25
    forest = Forest.of(model)
    assert np.array_equal(forest.raw(forest.places(fresh)), np.reshape(model.decision_function(fresh), (len(fresh), -1)))
    assert np.array_equal(probabilities(forest, forest.places(fresh)), model.predict_proba(fresh))


def test_a_cell_taken_out_is_a_missing_one():
    rng = np.random.default_rng(1)
    x = cells(rng)
    model = HistGradientBoostingRegressor(max_iter=20, categorical_features=NAMED, early_stopping=False).fit(
        x, np.nan_to_num(x[:, 2]) + x[:, 5]
    )
    forest = Forest.of(model)
    places, without = forest.places(x), x.copy()
    places[:, [2, 4]], without[:, [2, 4]] = GONE, np.nan
    assert np.array_equal(forest.raw(places)[:, 0], model.predict(without))


def test_nothing_to_ask():
    x = np.zeros((100, 2))
    model = HistGradientBoostingClassifier(max_iter=3, early_stopping=False).fit(x, np.arange(100) % 2)
    forest = Forest.of(model)
    assert np.array_equal(probabilities(forest, forest.places(x)), model.predict_proba(x))


def test_each_row_is_placed_by_its_own_forest():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(400, 3)), rng.normal(size=400)
    fold = rng.integers(0, 2, 400)
    models = [HistGradientBoostingRegressor(max_iter=5, early_stopping=False).fit(x[fold != f], y[fold != f]) for f in (0, 1)]
    forests = [Forest.of(model) for model in models]
    places = placed(forests, x, fold)
    for f, model in enumerate(models):
        assert np.array_equal(forests[f].raw(places[fold == f])[:, 0], model.predict(x[fold == f]))


@pytest.mark.parametrize("change", ["gone", "renamed", "turned"])
def test_trees_laid_out_in_another_way_are_refused(change):
    """As a scikit-learn that is not known here might: never a wrong answer, and a message that names the remedy."""
    rng = np.random.default_rng(3)
    x = cells(rng)
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features=NAMED, early_stopping=False).fit(x, np.nan_to_num(x[:, 0]) > 0)
    tree = model._predictors[2][0]
    if change == "gone":
        model._trees = model.__dict__.pop("_predictors")
    elif change == "renamed":
        tree.nodes = tree.nodes.astype([(name.replace("num_threshold", "edge"), kind) for name, kind in tree.nodes.dtype.descr])
    else:
        model._predictors[2][0] = other = type(tree)(tree.nodes.copy(), tree.binned_left_cat_bitsets, tree.raw_left_cat_bitsets)
        model.decision_function = HistGradientBoostingClassifier.decision_function.__get__(copy.deepcopy(model))
        other.nodes["left"], other.nodes["right"] = tree.nodes["right"], tree.nodes["left"]
    with pytest.raises(Misread, match="Remedy: pip install 'scikit-learn"):
        Forest.of(model)
