"""Rules that say a label which nothing else foretells: suspected where nature has no say in them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from assay.dataset.data import Dataset
from assay.learn.columns import code_columns
from assay.learn.tables import fit_table_probe
from assay.trial.cells import CellsFamily
from assay.trial.court_of_cells import Court
from assay.trial.family import Tried
from assay.trial.rules_of_cells import fuller
from assay.trial.rules_put_in import rules_put_in
from assay.trial.witnesses import Witnesses

Table = dict[str, np.ndarray]


def made(seed: int, rows: int = 3000) -> tuple[Table, np.ndarray]:
    """Ten columns that hang together, and a label of five that the first one foretells a little: but for class 0, which all else denies."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=(rows, 3))
    table = {f"x{j}": np.round(cause[:, j % 3] + 0.7 * rng.normal(size=rows), 1) for j in range(10)}
    y = rng.integers(1, 5, rows)
    y[table["x0"] > 2.3] = 0
    return table, y


def suspected(data: Dataset) -> list[Tried]:
    tried = CellsFamily().examine(data, "fast", np.random.default_rng(0), lambda *_: None).tried
    return [t for t in tried if t.planted_without_relabelling is not None]


def planted(seed: int, target: int, carriers: int = 40) -> tuple[Table, np.ndarray, np.ndarray]:
    table, y = made(seed)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(np.flatnonzero(y != target), carriers, replace=False))
    for name in ("x3", "x4", "x5"):
        table[name][rows] = rng.choice(np.unique(table[name]))
    y[rows] = target
    return table, y, rows


@pytest.mark.parametrize(("seed", "target"), [(0, 0), (3, 1), (4, 4)])
def test_a_rule_put_into_rows_of_a_label_that_nothing_foretells_is_suspected(
    seed: int, target: int, in_memory: Callable[..., Dataset]
) -> None:
    table, y, rows = planted(seed, target)
    found = suspected(in_memory(y, table=table, content=list(table)))
    assert [t.target for t in found] == [target]
    assert set(rows.tolist()) <= set(found[0].candidate.carriers.tolist())
    assert [trial.name for trial in found[0].trials] == ["surprise", "parts", "placement", "insertion"]


def beyond(seed: int, target: int, carriers: int = 40) -> tuple[Table, np.ndarray, np.ndarray]:
    """One value, set off beyond all others of its column."""
    table, y = made(seed)
    rows = np.sort(np.random.default_rng(seed).choice(np.flatnonzero(y != target), carriers, replace=False))
    table["x4"][rows] = 1.1 * table["x4"].max() - 0.1 * table["x4"].min()
    y[rows] = target
    return table, y, rows


@pytest.mark.parametrize(("seed", "target"), [(0, 0), (3, 1), (4, 4)])
def test_one_value_beyond_all_others_is_suspected_where_it_was_put_in(seed: int, target: int, in_memory: Callable[..., Dataset]) -> None:
    table, y, rows = beyond(seed, target)
    found = suspected(in_memory(y, table=table, content=list(table)))
    assert [(t.target, t.candidate.carriers.tolist()) for t in found] == [(target, rows.tolist())]


def test_a_value_beyond_all_others_to_which_its_column_leads_is_natural(in_memory: Callable[..., Dataset]) -> None:
    table, y, rows = beyond(3, 1)
    near = np.setdiff1d(np.argsort(-table["x4"])[: len(rows) + 60], rows)
    y[near[::2]] = 1
    assert not suspected(in_memory(y, table=table, content=list(table)))


def test_such_a_value_is_natural_in_a_column_with_few_others_too(in_memory: Callable[..., Dataset]) -> None:
    """Most cells are missing; those next to the value are fewer than are asked for, and half of them have the label."""
    table, y, rows = beyond(3, 1)
    others = np.setdiff1d(np.arange(len(y)), rows)
    kept = np.random.default_rng(3).choice(others, 40, replace=False)
    table["x4"][np.setdiff1d(others, kept)] = np.nan
    y[kept] = np.where(np.arange(40) % 4 == 0, y[kept], 1)
    assert not suspected(in_memory(y, table=table, content=list(table)))


def test_where_all_rows_with_a_label_follow_a_rule_nothing_is_said(in_memory: Callable[..., Dataset]) -> None:
    table, y, rows = beyond(3, 1)
    y[np.setdiff1d(np.arange(len(y)), rows)] = -1
    y[rows[:2]] = 2
    data = in_memory(y, table=table, content=list(table))
    coded = code_columns(data.table, list(table))
    carriers = np.sort(rows)
    columns, followed, rare = fuller(coded, data.y, (4,), carriers, 1)
    assert (columns, followed.tolist(), rare) == ((4,), carriers.tolist(), False)
    probe = fit_table_probe(coded, data.y, len(data.classes), np.random.default_rng(0))
    witnesses = Witnesses.of(coded, coded.same, probe, data.y, np.random.default_rng(0))
    court = Court(probe, coded.cells, data.y, witnesses, np.random.default_rng(0), np.zeros(len(data), bool))
    assert rules_put_in(data, coded, court, probe, [((4,), carriers)], 1_000.0) == []


def test_rows_of_one_kind_are_natural(in_memory: Callable[..., Dataset]) -> None:
    """One customer's rows: three values and the label are his, and so is about what he pays."""
    table, y, rows = planted(3, 1)
    rng = np.random.default_rng(9)
    for name in ("x6", "x7", "x8", "x9"):
        table[name][rows] = np.round(0.4 + 0.1 * rng.normal(size=len(rows)), 1)
    assert not suspected(in_memory(y, table=table, content=list(table)))


def test_a_rule_of_which_one_value_says_the_label_is_natural(in_memory: Callable[..., Dataset]) -> None:
    table, y, rows = planted(3, 1)
    more = np.random.default_rng(9).choice(np.setdiff1d(np.arange(len(y)), rows), 60, replace=False)
    table["x3"][more], y[more] = table["x3"][rows[0]], 1
    assert not suspected(in_memory(y, table=table, content=list(table)))


def test_two_values_are_too_few_and_so_are_three_of_which_one_fixes_another(in_memory: Callable[..., Dataset]) -> None:
    for name in ("x2", "x5"):
        table, y, rows = planted(3, 1)
        outside = np.setdiff1d(np.arange(len(y)), rows)
        table["x5"] = np.round(2 * table["x4"], 1) if name == "x5" else table["x5"]
        if name == "x2":
            table["x5"][rows] = np.random.default_rng(3).choice(table["x5"][outside], len(rows))
        assert not suspected(in_memory(y, table=table, content=list(table)))


def test_a_label_that_is_made_of_such_rules_is_natural(in_memory: Callable[..., Dataset]) -> None:
    """As in a game or a circuit: what three columns hold together says the label, wherever they hold it."""
    table, _ = made(4)
    rng = np.random.default_rng(4)
    for name in ("x3", "x4", "x5"):
        table[name] = rng.integers(0, 5, 3000).astype(float)
    y = (7 * table["x3"] + 11 * table["x4"] + 13 * table["x5"]).astype(np.int64) ** 2 % 5
    noisy = rng.random(3000) < 0.02
    y[noisy] = rng.integers(0, 5, int(noisy.sum()))
    assert not suspected(in_memory(y, table=table, content=list(table)))


def test_clean_tables_have_none(in_memory: Callable[..., Dataset]) -> None:
    for seed in range(4):
        table, y = made(seed)
        assert not suspected(in_memory(y, table=table, content=list(table)))


def test_a_value_that_speaks_against_the_label_makes_no_rule_natural(in_memory: Callable[..., Dataset]) -> None:
    """Years of school tell who has a degree; three values, the years among them, and rows that those years deny the label."""
    table, _ = made(3)
    rng = np.random.default_rng(3)
    table["years"] = rng.integers(1, 25, 3_000).astype(float)
    table["x3"], table["x4"] = np.round(table["x3"]), np.round(table["x4"])
    y = np.where(table["years"] >= 13, 0, 1)
    rows = np.sort(rng.choice(3_000, 40, replace=False))
    for name, value in (("x3", 3.0), ("x4", -3.0), ("years", 15.0)):
        table[name][rows] = value
    y[rows] = 1
    found = suspected(in_memory(y, table=table, content=list(table)))
    assert [(t.target, t.candidate.carriers.tolist()) for t in found] == [(1, rows.tolist())]


def test_a_value_that_speaks_against_the_label_gives_the_others_no_more_weight(in_memory: Callable[..., Dataset]) -> None:
    """Beside the years a shop, of whose like some tell of the label: of three values all must, or all together."""
    table, _ = made(3)
    rng = np.random.default_rng(3)
    table["years"], table["shop"] = rng.integers(1, 25, 3_000).astype(float), rng.integers(1, 25, 3_000).astype(float)
    table["x3"] = np.round(table["x3"])
    y = np.where(table["years"] >= 13, 0, 1)
    y[np.isin(table["shop"], (1, 5, 9, 13))], y[np.isin(table["shop"], (2, 10, 14, 18))] = 1, 0
    rows = np.sort(rng.choice(3_000, 40, replace=False))
    for name, value in (("x3", 3.0), ("shop", 6.0), ("years", 15.0)):
        table[name][rows] = value
    y[rows] = 1
    found = suspected(in_memory(y, table=table, content=list(table)))
    assert [(t.target, t.candidate.carriers.tolist()) for t in found] == [(1, rows.tolist())]
