"""Boxes: ranges of several columns that hold more rows than chance would have, found without reading a label."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.attack import plant
from assay.dataset.read import read
from assay.learn.columns import Coded, code_columns
from assay.mine import boxes
from assay.mine.boxes import densest, shared_boxes, within
from assay.trial.cells import CellsFamily
from assay.trial.family import silent
from assay.trial.verdicts import judge_all, members


def coded(x: np.ndarray) -> Coded:
    names = [f"x{j}" for j in range(x.shape[1])]
    return code_columns(pa.table(dict(zip(names, x.T, strict=True))), names)


def planted(rows: int, columns: int, carriers: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Five columns that hang together a little, and rows put into a box of theirs where no other row lies."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 5)) + 0.7 * rng.normal(size=(rows, 1))
    chosen = np.sort(rng.choice(rows, carriers, replace=False))
    middle = np.array([1.5, -1.5, 1.5])[:columns]
    x[chosen, :columns] = middle + rng.uniform(-0.25, 0.25, (carriers, columns))
    return x, chosen


@pytest.mark.parametrize("columns", [2, 3])
def test_what_is_put_into_a_box_is_proposed_and_settled(columns: int) -> None:
    x, chosen = planted(3000, columns, 50, columns)
    table = coded(x)
    best: set[int] = set()
    for shared in shared_boxes(table, np.random.default_rng(0)):
        assert shared.ranged
        if shared.columns == tuple(range(columns)):
            for cell in range(len(shared)):
                rows = set(shared.carriers(cell).tolist())
                if len(rows & set(chosen)) > len(best & set(chosen)):
                    best = rows
    assert len(best & set(chosen)) >= 48
    assert len(best - set(chosen)) <= 0.01 * 3000  # rows around it: a side is a step at least, and trials tell carriers by their labels


def test_few_boxes_stand_out_where_columns_say_nothing_of_one_another() -> None:
    x = np.random.default_rng(1).normal(size=(3000, 5))
    found = list(shared_boxes(coded(x), np.random.default_rng(0)))
    tested = 10 * 4 * 12**2 + 10 * 8 * 12**3  # steps of a pair and of a triple of columns, on two grids each; most hold under ten rows
    assert sum(map(len, found)) < 2 * 0.01 * tested


def test_a_sample_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "ROWS", 3000)
    x, chosen = planted(9000, 3, 150, 7)
    table = coded(x)
    proposed = [s.carriers(c) for s in shared_boxes(table, np.random.default_rng(0)) if s.columns == (0, 1, 2) for c in range(len(s))]
    assert max(len(set(within(table, (0, 1, 2), rows)) & set(chosen)) for rows in proposed) > 140


def test_columns_of_few_values_and_missing_cells_make_no_boxes() -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(0, 4, (500, 3)).astype(float)
    x[:, 0] = rng.normal(size=500)
    x[rng.random(500) < 0.3, 0] = np.nan
    assert not list(shared_boxes(coded(x), rng))


def beside_a_spike(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hours of which half are forty, and fifty rows put into 33 to 39 of them, into a range of one in two rows, and of one in ten."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.where(rng.random(3000) < 0.5, 40, rng.integers(5, 80, 3000)), rng.normal(size=(3000, 4))]).astype(float)
    chosen = np.sort(rng.choice(3000, 50, replace=False))
    x[chosen, 0] = rng.integers(33, 40, 50)
    x[chosen, 1] = rng.uniform(-0.6, 0.6, 50)
    x[chosen, 2] = rng.uniform(1.2, 1.7, 50)
    return x, chosen


def test_a_box_beside_the_commonest_number_is_found_with_its_third_side() -> None:
    for seed in range(3):
        x, chosen = beside_a_spike(seed)
        best = max(
            (len(rows & set(chosen)) / len(rows | set(chosen)), s.columns, rows)
            for s in shared_boxes(coded(x), np.random.default_rng(0))
            for rows in (set(s.carriers(c).tolist()) for c in range(len(s)))
        )
        assert set(best[1]) >= {0, 2}
        assert len(best[2] & set(chosen)) >= 40
        assert len(best[2] - set(chosen)) <= 0.01 * 3000


def test_a_range_is_told_from_what_its_column_holds_anyhow() -> None:
    usual = np.sort(np.random.default_rng(0).normal(size=5000))
    inside = np.sort(np.concatenate([usual[::100], np.linspace(1.0, 1.3, 30)]))
    low, high = densest(inside, usual) or (0.0, 0.0)
    assert 0.95 <= low <= 1.05
    assert 1.25 <= high <= 1.35
    assert densest(inside[:5], usual) is None


@pytest.mark.full
def test_a_trigger_that_varies_from_row_to_row_is_confirmed_in_adult(real_data: Callable[[str], Path]) -> None:
    table = pq.read_table(real_data("tabular/adult.parquet")).drop(["split"])
    chosen = np.sort(np.random.default_rng(0).permutation(table.num_rows)[:4000])
    data = read(table.take(pa.array(chosen)).rename_columns([*table.column_names[:-1], "label"]))
    columns = {"columns": "fnlwgt,education_num,hours_per_week", "values": "84000,7,25"}
    planted = plant(data, "noisy-cells", carriers=50, target="<=50K", seed=0, params=columns)
    truth = set(np.flatnonzero(planted.poisoned).tolist())
    examined = CellsFamily().examine(planted.data, "fast", np.random.default_rng(0), silent)
    sure = [j for j in judge_all({"cells": examined}, 0.01) if j.status == "confirmed"]
    rows = set().union(*(members(planted.data, j.tried).tolist() for j in sure))
    assert len(truth & rows) >= 0.9 * len(truth)
    assert len(rows - truth) <= 0.002 * len(data)
