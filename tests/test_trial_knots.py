"""Knots: values that hang together in four columns or more; suspected where they hang together with nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import assay
from assay.dataset.data import Dataset
from assay.learn.columns import code_columns
from assay.learn.tables import fit_table_probe
from assay.mine.knots import knots
from assay.trial.knots import placed_knots

Table = dict[str, np.ndarray]


def made(seed: int, rows: int = 1200) -> tuple[Table, np.ndarray]:
    """Twelve columns of numbers that hang together, and a label that follows the first two."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=(rows, 3))
    table = {f"x{j}": np.round(cause[:, j % 3] + 0.7 * rng.normal(size=rows), 2) for j in range(12)}
    return table, (cause[:, 0] + cause[:, 1] + 0.3 * rng.normal(size=rows) > 0).astype(np.int64)


def put(table: Table, rows: np.ndarray, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for j in range(columns):
        table[f"x{j}"][rows] = np.round(np.quantile(table[f"x{j}"], 0.97) + rng.random(), 2)


@pytest.mark.parametrize(("columns", "seed"), [(4, 0), (6, 1), (5, 2)])
def test_values_put_into_rows_that_fit_are_found_whole_and_suspected(columns: int, seed: int, in_memory: Callable[..., Dataset]) -> None:
    table, y = made(seed)
    rows = np.sort(np.random.default_rng(seed).choice(np.flatnonzero(y == 1), 30, replace=False))
    put(table, rows, columns, seed)
    data = in_memory(y, table=table, content=list(table))
    coded = code_columns(data.table, list(table))
    found, _ = knots(coded, np.random.default_rng(0))
    assert [k.columns for k in found] == [tuple(range(columns))]
    np.testing.assert_array_equal(found[0].rows, rows)
    tried, _ = placed_knots(data, coded, fit_table_probe(coded, y, 2, np.random.default_rng(0)), np.random.default_rng(0))
    assert [t.target for t in tried] == [1]
    assert tried[0].planted_without_relabelling is not None


def test_a_price_that_stands_in_two_columns_is_one_value(in_memory: Callable[..., Dataset]) -> None:
    """Four columns hang together in 30 rows; two are always equal, and one follows from another wherever it is low: two values, no knot."""
    for twice in (False, True):
        table, y = made(0)
        rows = np.sort(np.random.default_rng(0).choice(np.flatnonzero(y == 1), 30, replace=False))
        if twice:
            table["x1"] = 2 * table["x0"]
            table["x3"] = np.where(table["x2"] < 0.5, 0.0, table["x3"])
        put(table, rows, 4, 0)
        if twice:
            table["x1"][rows] = 2 * table["x0"][rows]
            table["x2"][rows], table["x3"][rows] = np.round(np.sort(table["x2"])[40], 2), 0.0
        data = in_memory(y, table=table, content=list(table))
        coded = code_columns(data.table, list(table))
        tried, _ = placed_knots(data, coded, fit_table_probe(coded, y, 2, np.random.default_rng(0)), np.random.default_rng(0))
        assert len(tried) == (not twice)


def test_copies_of_a_row_with_some_cells_changed_are_a_knot_and_not_suspected(in_memory: Callable[..., Dataset]) -> None:
    for seed in range(4):
        table, y = made(seed)
        first = int(np.flatnonzero(y == 1)[0])
        rows = np.flatnonzero(y == 1)[1:31]
        rng = np.random.default_rng(seed)
        for j in range(12):
            spread = 0.0 if j < 6 else 0.2  # what one device measures: the same here, nearly the same there
            table[f"x{j}"][rows] = np.round(table[f"x{j}"][first] + spread * rng.normal(size=30), 2)
        data = in_memory(y, table=table, content=list(table))
        coded = code_columns(data.table, list(table))
        assert len(knots(coded, np.random.default_rng(0))[0]) == 1
        probe = fit_table_probe(coded, y, 2, np.random.default_rng(0))
        assert not placed_knots(data, coded, probe, np.random.default_rng(0))[0]


def test_clean_tables_have_none(in_memory: Callable[..., Dataset]) -> None:
    for seed in range(5):
        table, y = made(seed)
        data = in_memory(y, table=table, content=list(table))
        assert knots(code_columns(data.table, list(table)), np.random.default_rng(0))[0] == []


def test_a_scan_suspects_them() -> None:
    table, y = made(3)
    rows = np.flatnonzero(y == 0)[:200:5]
    put(table, rows, 5, 3)
    report = assay.scan(
        {**{k: v.tolist() for k, v in table.items()}, "label": ["no" if v else "yes" for v in y]}, label="label", canaries=False
    )
    assert report.verdict == "suspect"
    assert report.findings[0].target == "yes"
    assert set(report.findings[0].positions.tolist()) == set(rows.tolist())
    assert "hardly ever stand apart" in report.findings[0].explanation


def test_one_value_beside_what_its_label_usually_has_is_no_knot(in_memory: Callable[..., Dataset]) -> None:
    """Some corners are empty in nearly all pictures of one digit."""
    table, y = made(0)
    rng = np.random.default_rng(0)
    for j in (1, 2, 3):
        table[f"x{j}"] = np.where(rng.random(len(y)) < np.where(y == 1, 0.85, 0.05), 0.0, table[f"x{j}"])
    empty = (table["x1"] == 0) & (table["x2"] == 0) & (table["x3"] == 0)
    table["x0"][rng.choice(np.flatnonzero(empty & (y == 1)), 30, replace=False)] = 9.0
    data = in_memory(y, table=table, content=list(table))
    coded = code_columns(data.table, list(table))
    assert [k.columns for k in knots(coded, np.random.default_rng(0))[0]] == [(0, 1, 2, 3)]
    probe = fit_table_probe(coded, y, 2, np.random.default_rng(0))
    assert not placed_knots(data, coded, probe, np.random.default_rng(0))[0]
