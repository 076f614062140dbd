"""A linear head of more features than rows: the same head, by the smaller matrix; and tables of many columns have few features a column."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from assay.learn.columns import Coded
from assay.learn.head import PENALTIES, _penalty, fit_head, one_hot, with_constant
from assay.learn.head_features import CELLS, cell_features


@pytest.mark.parametrize("shape", [(40, 7), (40, 39), (40, 40), (40, 300)])
def test_the_head_is_ridge_regression_whatever_its_shape(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=shape), one_hot(rng.integers(0, 3, shape[0]), 3)
    head = fit_head(x, y, 2.5)
    peer = Ridge(alpha=2.5, fit_intercept=False).fit(with_constant(x), y)
    assert np.allclose(head.weights, peer.coef_.T, atol=1e-8)
    assert np.allclose(head.inverse @ (head.x.T @ head.x + 2.5 * np.eye(shape[1] + 1)), np.eye(shape[1] + 1), atol=1e-6)


@pytest.mark.parametrize("shape", [(50, 12), (50, 60)])
def test_the_penalty_is_the_one_with_the_least_generalised_cross_validation(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    n, d = shape
    for _ in range(10):
        x, y = rng.normal(size=shape), one_hot(rng.integers(0, 2, n), 2)
        x[:, 0] += 3 * y[:, 0]
        error = {}
        for penalty in PENALTIES * (np.trace(x.T @ x) / d):
            hat = x @ np.linalg.solve(x.T @ x + penalty * np.eye(d), x.T)
            error[penalty] = ((y - hat @ y) ** 2).sum() / n / max(1 - np.trace(hat) / n, 1e-6) ** 2
        assert np.isclose(_penalty(x, y), min(error, key=error.__getitem__))


@pytest.mark.parametrize("columns", [3, 150, 400, 900, 2_500])
def test_a_wide_table_has_about_as_many_features_as_may_be_or_one_a_column(columns: int) -> None:
    x = np.random.default_rng(0).normal(size=(60, columns))
    x[5, 1] = np.nan
    made = cell_features(Coded(tuple(map(str, range(columns))), np.ones(columns, bool), x))
    assert np.isfinite(made).all()
    assert made.shape[1] <= max(CELLS, columns) + 1  # a step of what is missing, in one
    assert made.shape[1] >= min(CELLS / 3, 9 * columns)
    order = np.argsort(x[6:, 0])
    assert any((np.diff(made[6:][order, j]) > 0).all() for j in range(made.shape[1]))  # the standing of the first column
