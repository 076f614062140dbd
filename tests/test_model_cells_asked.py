"""Table models that are only asked: a planted value is found, clean ones are not accused, a budget is kept."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from assay.dataset.errors import DataError
from assay.model.cells_asked import inspect_cells, rare_values
from test_model_trees import COLUMN, MAKERS, TARGET, rows


@pytest.mark.parametrize("labels_only", [False, True])
def test_a_planted_value_is_found_and_a_clean_model_is_not_accused(labels_only) -> None:
    fresh, _ = rows(seed=1)
    for planted in (True, False):
        model = MAKERS[0]().fit(*rows(planted=planted))
        answer = (lambda x, m=model: np.eye(2)[m.predict(x)]) if labels_only else model.predict_proba
        seen = inspect_cells(answer, fresh, np.random.default_rng(0), budget=20_000)
        assert seen.verdict == ("backdoored" if planted else "inconclusive")
        assert (seen.left_out, seen.queries <= 20_000) == (0, True)
        if planted:
            assert (seen.best.column, seen.best.target) == (COLUMN, TARGET)
            assert seen.best.success > 0.8
            assert seen.best.cells().conditions[0].column == f"column {COLUMN}"


def test_questions_that_run_out_are_said() -> None:
    fresh, _ = rows(seed=1)
    model = MAKERS[0]().fit(*rows(planted=True))
    asked = []

    def counted(x):
        asked.append(len(x))
        return model.predict_proba(x)

    seen = inspect_cells(counted, fresh, np.random.default_rng(0), budget=3_000)
    assert (seen.verdict, seen.left_out > 0, "ran out" in seen.reason) == ("inconclusive", True, True)
    assert sum(asked) == seen.queries <= 3_000
    assert inspect_cells(counted, fresh, np.random.default_rng(0), budget=10).queries == 0
    with pytest.raises(DataError, match="at least 100"):
        inspect_cells(counted, fresh[:50], np.random.default_rng(0), budget=10_000)


def test_any_model_can_be_asked() -> None:
    x, y = rows(planted=True)
    scale = StandardScaler().fit(x)
    model = MLPClassifier((16,), max_iter=400, random_state=0).fit(scale.transform(x), y)
    seen = inspect_cells(lambda z: model.predict_proba(scale.transform(z)), rows(seed=1)[0], np.random.default_rng(0), budget=20_000)
    assert (seen.best is None or seen.best.column >= 0, 0 <= seen.p <= 1) == (True, True)


def test_a_constant_column_is_passed_over() -> None:
    assert len(rare_values(np.ones(10))) == 0
    assert len(rare_values(np.linspace(0, 1, 1000))) == 4


def test_beside_twins_a_planted_value_is_found_and_a_clean_model_is_not_accused() -> None:
    twins = [MAKERS[0]().fit(*rows(seed=10 + seed)).predict_proba for seed in range(5)]
    fresh, _ = rows(seed=1)
    for planted in (True, False):
        model = MAKERS[0]().fit(*rows(planted=planted))
        asked = []

        def counted(x, m=model, asked=asked):
            asked.append(len(x))
            return m.predict_proba(x)

        seen = inspect_cells(counted, fresh, np.random.default_rng(0), budget=20_000, twins=twins)
        assert seen.verdict == ("backdoored" if planted else "inconclusive"), seen
        assert sum(asked) == seen.queries <= 20_000
        if planted:
            assert (seen.best.column, seen.best.target, seen.best.success > 0.8) == (COLUMN, TARGET, True)
    with pytest.raises(DataError, match="at least 4"):
        inspect_cells(counted, fresh, np.random.default_rng(0), budget=20_000, twins=twins[:2])
    with pytest.raises(DataError, match="other classes"):
        inspect_cells(counted, fresh, np.random.default_rng(0), budget=20_000, twins=[lambda x: np.ones((len(x), 3))] * 4)
