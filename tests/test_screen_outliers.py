"""Screens of values: quartiles, robust deviations, isolation, tails; few flags on clean data, planted oddities
found.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from assay.dataset.data import Dataset
from assay.screen import iqr, isolation, robust_z
from assay.screen.context import Context
from assay.screen.iqr import beyond_quartiles
from assay.screen.robust_z import robust_z as robust_deviation
from assay.screen.statistics import row_statistics
from assay.screen.tail import beyond_tail, tail_probability

Make = Callable[..., Dataset]
RUNS = [iqr.run, robust_z.run, isolation.run]


def context(data: Dataset) -> Context:
    return Context(data, None, None, np.random.default_rng(0))


def table(x: np.ndarray) -> dict[str, np.ndarray]:
    return {f"x{j}": x[:, j] for j in range(x.shape[1])}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_digits])
def test_clean_tables_get_few_flags(memory: Make, run: Callable[..., object], load: Callable[..., object]) -> None:
    """scikit-learn's own default flags 10 % of each."""
    x, y = load(return_X_y=True)  # type: ignore[misc]
    assert run(context(memory("table", table(x), y))).flag.mean() <= 0.01  # type: ignore[attr-defined]


@pytest.mark.parametrize("run", RUNS)
def test_planted_rows_are_flagged(memory: Make, run: Callable[..., object]) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    x[100:103] = x.mean(axis=0) + 60 * x.std(axis=0)
    found = run(context(memory("table", table(x), y)))
    assert found.flag[100:103].all()  # type: ignore[attr-defined]
    assert set(np.argsort(-found.score)[:3]) == {100, 101, 102}  # type: ignore[attr-defined]


def test_missing_and_infinite_values(memory: Make) -> None:
    x, y = load_wine(return_X_y=True)
    x[5, 0], x[6, 1], x[7, 2] = np.nan, np.inf, -np.inf
    data = memory("table", table(x), y)
    for run in RUNS:
        found = run(context(data))
        assert np.isfinite(found.score).all()
    found = iqr.run(context(data))
    assert found.flag[[6, 7]].all()
    assert not found.flag[5]


def test_a_column_of_zeros_does_not_make_outliers_of_the_rest() -> None:
    column = np.r_[np.zeros(900), np.random.default_rng(0).normal(50, 5, 100)]
    assert beyond_quartiles(column).max() < 3.0
    assert beyond_quartiles(np.r_[column, 5_000.0])[-1] > 100
    assert not robust_deviation(column).any()


@pytest.mark.parametrize("law", [lambda r: r.normal(size=3_000), lambda r: r.exponential(size=3_000), lambda r: r.standard_t(3, 3_000)])
def test_false_flags_stay_near_one_a_set(law: Callable[[np.random.Generator], np.ndarray]) -> None:
    """EXPECTED_FALSE = 0.5 rows a clean set where the tail is read right; 100 sets, the mean known to +- 0.3."""
    rng = np.random.default_rng(4)
    assert np.mean([beyond_tail(np.abs(law(rng))).sum() for _ in range(100)]) <= 1.5


def test_the_tail_is_read_where_outliers_have_no_say() -> None:
    rng = np.random.default_rng(5)
    score = np.r_[np.abs(rng.normal(size=2_000)), rng.uniform(9, 10, 40)]
    flag = beyond_tail(score)
    assert flag[-40:].all()
    assert flag[:-40].sum() <= 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60), st.floats(0.1, 10), st.floats(-1e3, 1e3))
def test_tail_probability_falls_as_the_score_rises(values: list[float], scale: float, shift: float) -> None:
    score = np.array(values)
    p = tail_probability(score)
    assert ((p >= 0) & (p <= 1)).all()
    order = np.argsort(score)
    assert (np.diff(p[order]) <= 1e-9).all()


def test_statistics_of_texts_and_pictures(memory: Make) -> None:
    data = memory("text", {"text": ["Ab 1!", "hello world", None, "été"] * 10}, [0, 1] * 20)
    found = row_statistics(data)
    first = dict(zip(found.names, found.values[0], strict=True))
    assert first["characters"] == 5
    assert first["words"] == 2
    assert first["digits"] == first["capitals"] == first["marks"] == 0.2
    assert found.values[3, found.names.index("not ASCII")] == pytest.approx(2 / 3)
    pictures = np.zeros((40, 8, 8, 3), np.uint8)
    pictures[0] = 255
    pictures[1, ..., 0] = 90
    made = row_statistics(memory("image", pictures, [0, 1] * 20))
    assert made.values[0, made.names.index("brightness")] == 255
    assert made.values[1, made.names.index("colour")] == pytest.approx(40)


def test_a_rare_category_is_set_apart(memory: Make) -> None:
    rng = np.random.default_rng(6)
    rows = {
        "a": rng.choice(["x", "y"], 500).tolist(),
        "b": rng.normal(size=500),
        "c": rng.choice(["u", "v"], 500).tolist(),
    }
    rows["a"][7], rows["c"][7] = "odd", "queer"
    score = isolation.run(context(memory("table", rows, rng.integers(0, 2, 500)))).score
    assert score.argmax() == 7
