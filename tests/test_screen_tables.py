"""Screens of tables: odd given the others, far from neighbours, in the tails of many columns, other units, missing values in disguise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import spearmanr
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from assay.dataset.data import Dataset
from assay.finding import RowScore
from assay.screen import conditional, distance, ecod, missing, units
from assay.screen.context import Context, lacks
from assay.screen.ecod import tail_sum

Make = Callable[..., Dataset]
RUNS = [ecod.run, distance.run, conditional.run, missing.run, units.run]


def context(data: Dataset) -> Context:
    return Context(data, None, None, np.random.default_rng(0))


def people(rng: np.random.Generator, n: int = 3_000, noise: float = 0.12) -> dict[str, np.ndarray]:
    """Height (cm), weight (kg) that goes with it, age, income with a long tail, and a town."""
    height = rng.normal(172, 9, n)
    return {
        "height": height,
        "weight": 22.5 * (height / 100) ** 2 * np.exp(rng.normal(0, noise, n)),
        "age": rng.integers(18, 90, n).astype(float),
        "income": np.exp(rng.normal(10, 0.8, n)),
        "town": rng.choice(["a", "b", "c"], n),
    }


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, pytest.param(load_digits, marks=pytest.mark.full)])
def test_clean_tables_get_few_flags(memory: Make, run: Callable[[Context], RowScore], load: Callable[..., object]) -> None:
    x, y = load(return_X_y=True)  # type: ignore[misc]
    ours = context(memory("table", {f"x{j}": x[:, j] for j in range(x.shape[1])}, y))
    if run in (conditional.run, units.run) and lacks("columns", ours) is not None:
        return
    assert run(ours).flag.mean() <= 0.012


def test_a_value_odd_given_the_others(memory: Make) -> None:
    """105 kg is ordinary and 1.52 m is ordinary; together they are not. Screens of single columns see nothing."""
    rng = np.random.default_rng(0)
    x = people(rng, noise=0.06)
    x["height"][:5], x["weight"][:5] = [150, 152, 154, 149, 155], [102, 105, 99, 108, 104]
    ours = context(memory("table", x))
    found = conditional.run(ours)
    assert found.flag[:5].sum() >= 3
    assert found.flag.sum() <= 8
    assert not ecod.run(ours).flag[:5].any()


@pytest.mark.parametrize("factor", [1_000.0, 2.2046226, 0.01])
def test_a_set_of_rows_in_another_unit_is_named(memory: Make, factor: float) -> None:
    rng = np.random.default_rng(1)
    x = people(rng, noise=0.05)
    x["weight"][:40] *= factor
    found = units.run(context(memory("table", x)))
    assert found.flag[:40].mean() > 0.9
    assert found.flag[40:].mean() < 0.005
    assert "weight" in found.reason


def test_units_keep_silent_on_clean_tables(memory: Make) -> None:
    """At most one table in a hundred may be told of a wrong unit: none of 12."""
    assert not any(units.run(context(memory("table", people(np.random.default_rng(s), 800)))).flag.any() for s in range(12))


def test_missing_values_in_disguise(memory: Make) -> None:
    x = people(np.random.default_rng(2))
    x["age"][10:30] = -999
    x["income"][7] = 9e9
    table = {k: pa.array(v) for k, v in x.items()}
    table["town"] = pa.array([None if i == 4 else v for i, v in enumerate(x["town"].tolist())])
    found = missing.run(context(memory("table", table)))
    assert set(np.flatnonzero(found.flag)) == {4, *range(10, 30)}
    assert "age = -999 in 20 rows" in found.reason


def test_rows_far_from_all_others(memory: Make) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1_500, 4))
    x[:, 1] = x[:, 0] + 0.1 * x[:, 1]
    x[:4, 0], x[:4, 1] = [3, -3, 3.3, -3.3], [-3, 3, -3.1, 3.1]
    found = distance.run(context(memory("table", {f"x{j}": x[:, j] for j in range(4)})))
    assert set(np.argsort(-found.score)[:4]) == {0, 1, 2, 3}


def test_ecod_agrees_with_pyod() -> None:
    """In rank: PyOD adds the other tail where a column is not skewed."""
    pyod = pytest.importorskip("pyod.models.ecod")
    x = load_breast_cancer().data
    theirs = pyod.ECOD().fit(x).decision_scores_
    assert spearmanr(tail_sum(x), theirs).statistic > 0.95
