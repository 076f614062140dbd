"""Tables as numbers, and a probe that judges every row unseen, with any of its columns taken out."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from assay.learn.columns import Coded, alike, code_columns
from assay.learn.tables import fit_table_probe


def coded(x: np.ndarray) -> Coded:
    return code_columns(pa.table({f"x{j}": x[:, j] for j in range(x.shape[1])}), [f"x{j}" for j in range(x.shape[1])])


def test_columns_become_numbers_that_keep_their_order_or_codes_by_frequency() -> None:
    days = [dt.date(2026, 1, 2), None, dt.date(2026, 1, 1)]
    table = pa.table(
        {"n": [3, None, 1], "f": [0.5, float("nan"), float("inf")], "b": [True, False, None], "d": days, "t": ["x", "y", "y"],
         "e": pa.array(["q", None, "p"]).dictionary_encode(), "l": [[1], [2], []]}
    )  # fmt: skip
    got = code_columns(table, table.column_names)
    assert got.names == ("n", "f", "b", "d", "t", "e")
    assert got.passed_over == ("l",)
    assert got.numeric.tolist() == [True, True, True, True, False, False]
    nan = np.nan
    assert np.array_equal(got.cells[:, 0], [3, nan, 1], equal_nan=True)
    assert np.array_equal(got.cells[:, 1], [0.5, nan, nan], equal_nan=True)
    assert np.array_equal(got.cells[:, 2], [1, 0, nan], equal_nan=True)
    assert got.cells[0, 3] - got.cells[2, 3] == 1
    assert np.isnan(got.cells[1, 3])
    assert got.cells[:, 4].tolist() == [1, 0, 0]
    assert np.array_equal(got.cells[:, 5], [0, nan, 1], equal_nan=True)


CELL = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.0, 2.5]))


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=30))
def test_rows_are_alike_when_all_their_cells_are(rows: list[tuple[float | None, float | None]]) -> None:
    table = pa.table({"a": pa.array([r[0] for r in rows], pa.float64()), "b": pa.array([r[1] for r in rows], pa.float64())})
    same = alike(code_columns(table, ["a", "b"]))
    for i in range(len(rows)):
        for j in range(i):
            assert (same[i] == same[j]) == (rows[i] == rows[j])


def test_no_row_is_judged_by_a_model_that_saw_it() -> None:
    """Labels that have nothing to do with the cells cannot be foretold: trees that had seen them would know them by heart."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1500, 4)), rng.integers(0, 2, 1500)
    probe = fit_table_probe(coded(x), y, 2, rng)
    assert abs(roc_auc_score(y, probe.probabilities()[:, 1]) - 0.5) < 0.06  # four standard errors


def test_equal_rows_share_a_fold() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 3, (600, 3)).astype(float)
    table = coded(x)
    probe = fit_table_probe(table, rng.integers(0, 2, 600), 2, rng)
    same = alike(table)
    for number in np.unique(same):
        assert len(np.unique(probe.fold[same == number])) == 1


@pytest.mark.parametrize("columns", [(), (20,), (7, 20, 27)])
def test_a_column_taken_out_is_as_good_as_a_probe_that_never_had_it(columns: tuple[int, ...]) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    probe = fit_table_probe(coded(x), y, 2, np.random.default_rng(0))
    gone = np.zeros((1, x.shape[1]), bool)
    gone[0, list(columns)] = True
    asked = roc_auc_score(y, probe.without(np.arange(len(y)), gone)[:, 1])
    refitted = fit_table_probe(coded(np.delete(x, columns, 1)), y, 2, np.random.default_rng(0))
    assert asked > roc_auc_score(y, refitted.probabilities()[:, 1]) - 0.01


def test_what_only_the_missing_column_knew_is_gone() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2000, 3))
    y = (x[:, 1] > 0).astype(np.int64)
    probe = fit_table_probe(coded(x), y, 2, rng)
    gone = np.array([[False, True, False]])
    assert roc_auc_score(y, probe.probabilities()[:, 1]) > 0.99
    assert abs(roc_auc_score(y, probe.without(np.arange(2000), gone)[:, 1]) - 0.5) < 0.06


def test_probabilities_mean_what_they_say() -> None:
    """Of rows said to be of a class with chance p, a share p is: here with labels drawn from known chances."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4000, 5))
    chance = 1 / (1 + np.exp(-1.5 * x[:, 0] - x[:, 1] * x[:, 2]))
    y = (rng.random(4000) < chance).astype(np.int64)
    p = fit_table_probe(coded(x), y, 2, rng).probabilities()[:, 1]
    for low in (0.0, 0.25, 0.5, 0.75):
        these = (p >= low) & (p < low + 0.25)
        assert abs(y[these].mean() - p[these].mean()) < 0.06


def test_rows_left_out_and_rows_without_a_label_are_judged_but_not_learnt_from() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(1200, 2))
    y = (x[:, 0] > 0).astype(np.int64)
    wrong = np.zeros(1200, bool)
    wrong[:500] = True
    y[wrong] = 1 - y[wrong]
    probe = fit_table_probe(coded(x), y, 2, rng, leave_out=wrong)
    assert (probe.probabilities().argmax(1) == (x[:, 0] > 0)).mean() > 0.97
    unlabelled = np.where(wrong, -1, y)
    probe = fit_table_probe(coded(x), unlabelled, 2, rng)
    assert (probe.probabilities().argmax(1) == (x[:, 0] > 0)).mean() > 0.97


@given(st.integers(2, 5), st.booleans())
@settings(max_examples=6, deadline=None)
def test_any_classes_that_the_other_rows_lack_get_a_small_chance(k: int, texts: bool) -> None:
    rng = np.random.default_rng(k)
    y = np.zeros(60, np.int64)
    y[:k] = np.arange(k)  # one row of each further class: its own fold alone holds it
    column = pa.array([f"v{i % 7}" for i in range(60)]) if texts else pa.array(np.arange(60.0))
    p = fit_table_probe(code_columns(pa.table({"a": column}), ["a"]), y, k, rng).probabilities()
    assert p.shape == (60, k)
    assert np.allclose(p.sum(1), 1)
    assert (p > 0).all()


def test_the_same_answer_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    answers = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        answers.append(fit_table_probe(coded(x), y, 2, np.random.default_rng(5)).probabilities())
    assert np.array_equal(*answers)


def test_more_categories_than_the_trees_can_hold_share_buckets() -> None:
    rng = np.random.default_rng(6)
    names = np.array([f"c{i}" for i in rng.zipf(1.3, 3000)])
    y = (np.char.str_len(names) > 2).astype(np.int64)
    table = code_columns(pa.table({"name": names, "noise": rng.normal(size=3000)}), ["name", "noise"])
    assert table.cells[:, 0].max() > 255
    probe = fit_table_probe(table, y, 2, rng)
    assert probe.cells[:, 0].max() < 255
    assert roc_auc_score(y, probe.probabilities()[:, 1]) > 0.8


def test_rare_classes_do_not_make_a_probe_sure_of_what_it_does_not_know() -> None:
    """Fifteen classes, of which some have a dozen rows, and nothing tells them: no worse than their shares do."""
    rng = np.random.default_rng(0)
    share = np.array([0.86, 0.034, 0.021, 0.014, *np.full(11, 0.071 / 11)])
    y = rng.choice(15, 3_000, p=share)
    probe = fit_table_probe(coded(rng.normal(size=(3_000, 6)).round(1)), y.astype(np.int64), 15, rng)
    said = np.log(np.maximum(probe.probabilities()[np.arange(3_000), y], 1e-4))
    blind = np.log((np.bincount(y, minlength=15) / 3_000)[y])
    assert said.mean() > blind.mean() - 0.1
    assert probe.temperature < 3
