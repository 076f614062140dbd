"""Rows that repeat one another in most columns are one witness; rows that are alike by nature are not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from assay.dataset.read import read
from assay.learn.columns import Coded, code_columns
from assay.learn.likeness import CHANCE, Likeness
from assay.trial.cells import CellsFamily
from assay.trial.family import silent
from assay.trial.verdicts import judge_all

NOTHING = np.zeros(0, np.int64)


def coded(x: np.ndarray) -> Coded:
    names = [f"x{j}" for j in range(x.shape[1])]
    return code_columns(pa.table(dict(zip(names, x.T, strict=True))), names)


def on_trial(d: int, *columns: int) -> np.ndarray:
    out = np.zeros(d, bool)
    out[list(columns)] = True
    return out


@pytest.mark.parametrize("jitter", [0.0, 0.02])
def test_a_record_with_columns_of_its_own_is_counted_once(jitter: float) -> None:
    rng = np.random.default_rng(0)
    x, y = load_breast_cancer(return_X_y=True)
    x, y = np.repeat(x[:, :12], 4, axis=0), np.repeat(y, 4)
    x = np.column_stack([x + jitter * x.std(0) * rng.normal(size=x.shape), rng.normal(size=(len(x), 6))])
    rows = np.arange(40)  # ten records, four rows each
    found = Likeness.of(coded(x), y, rng).repeats(rows, on_trial(18, 3), rng)
    assert np.median(found) == 4
    assert 9 <= (1 / found).sum() <= 13


def test_the_first_question_alone_finds_no_more_repeats() -> None:
    """Every record stands there four times; of few columns the second question finds those that the first one misses."""
    rng = np.random.default_rng(5)
    x, y = load_breast_cancer(return_X_y=True)
    x, y = np.repeat(x[:, :5].round(0), 4, axis=0), np.repeat(y, 4)
    likeness, fewer = Likeness.of(coded(np.column_stack([x, rng.normal(size=(len(x), 3))])), y, rng), 0
    for _ in range(20):
        rows = np.sort(rng.choice(len(x) // 4, 12, replace=False)[:, None] * 4 + np.arange(4), axis=None)
        first, both = (likeness.repeats(rows, on_trial(8, 6), rng, together) for together in (False, True))
        assert (first <= both).all()
        fewer += int((first < both).any())
    assert fewer > 5


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_rows_of_their_own_keep_their_votes(load: object) -> None:
    rng = np.random.default_rng(1)
    x, y = load(return_X_y=True)  # type: ignore[operator]
    likeness = Likeness.of(coded(x), y, rng)
    for _ in range(10):
        rows = rng.choice(np.flatnonzero(y == 1), 50, replace=False)
        assert (1 / likeness.repeats(rows, on_trial(x.shape[1], 0, 5), rng)).mean() > 0.8


def test_chance_finds_as_few_as_it_says() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(5000, 12)), rng.integers(0, 2, 5000)
    likeness = Likeness.of(coded(x), y, rng)
    found = np.concatenate([likeness.repeats(rng.choice(5000, 100, replace=False), on_trial(12), rng) - 1 for _ in range(20)])
    assert found.mean() <= 2 * CHANCE


def people(records: int, times: int, noise: int, seed: int) -> tuple[Coded, np.ndarray, np.ndarray]:
    """A table of eight coarse columns, one fine one that two records share, and noise; which record each row is, and its label."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, records)
    kinds = np.array([2, 2, 3, 4, 5, 6, 7, 8])
    coarse = np.minimum(rng.geometric(0.35 + 0.1 * y[:, None], (records, 8)), kinds)
    fine = rng.permutation(records) // 2 + 1000
    of = np.repeat(np.arange(records), times)
    x = np.column_stack([coarse[of], fine[of], rng.normal(size=(len(of), noise)).round(3)])
    return coded(x), of, y[of]


@pytest.mark.parametrize("noise", [0, 6])
def test_twelve_rows_of_two_people_in_coarse_columns_are_two_witnesses(noise: int) -> None:
    table, of, y = people(records=700, times=6, noise=noise, seed=noise)
    rng = np.random.default_rng(0)
    likeness = Likeness.of(table, y, rng)
    left = []
    for value in np.unique(table.cells[:, 8])[:40]:
        rows = np.flatnonzero(table.cells[:, 8] == value)
        assert len(np.unique(of[rows])) == 2
        left.append((1 / likeness.repeats(rows, on_trial(table.cells.shape[1], 8), rng)).sum())
    assert np.median(left) < 3
    assert np.mean(np.array(left) > 6) < 0.2


def test_a_trigger_put_into_rows_of_such_a_table_keeps_its_votes() -> None:
    table, _, y = people(records=4000, times=1, noise=6, seed=9)
    rng = np.random.default_rng(1)
    for carriers in (10, 50, 150):
        kept = []
        for _ in range(10):
            cells = table.cells.copy()
            rows = rng.choice(np.flatnonzero(y == 0), carriers, replace=False)
            cells[rows, 8] = 7.0
            stamped = Coded(table.names, table.numeric, cells)
            labels = y.copy()
            labels[rows] = 1
            kept.append((1 / Likeness.of(stamped, labels, rng).repeats(rows, on_trial(cells.shape[1], 8), rng)).mean())
        assert np.mean(kept) > 0.9


def test_one_row_no_column_and_no_labels() -> None:
    rng = np.random.default_rng(3)
    table = coded(np.arange(12.0).reshape(6, 2))
    likeness = Likeness.of(table, np.zeros(6, np.int64), rng)
    assert likeness.repeats(np.array([2]), on_trial(2), rng).tolist() == [1.0]
    assert likeness.repeats(np.arange(4), on_trial(2, 0, 1), rng).tolist() == [1.0] * 4
    assert Likeness.of(table, np.full(6, -1), rng).repeats(np.arange(3), on_trial(2), rng).tolist() == [1.0] * 3


def test_many_carriers_share_the_mean() -> None:
    rng = np.random.default_rng(4)
    base = rng.normal(size=(100, 8))
    x = np.column_stack([np.repeat(base, 10, axis=0), rng.normal(size=(1000, 3))])
    found = Likeness.of(coded(x), rng.integers(0, 2, 1000), rng).repeats(np.arange(1000), on_trial(11), rng)
    assert len(np.unique(found)) == 1
    assert 6 < found[0] < 16


def test_hard_rows_that_stand_there_twenty_times_are_no_trigger() -> None:
    """A set drawn with repetition, and columns of noise beside it: a few mislabelled records, twenty rows each, convict nobody."""
    rng = np.random.default_rng(5)
    base = rng.normal(size=(200, 5))
    y = (base[:, :3].sum(1) > 0).astype(np.int64)
    wrong = rng.choice(200, 8, replace=False)
    y[wrong] = 1 - y[wrong]
    base[:, 3:] = rng.integers(0, 40, (200, 2))
    drawn = np.repeat(np.arange(200), 20)
    table = {f"x{j}": base[drawn, j].round(2) for j in range(5)} | {f"noise{j}": rng.normal(size=4000).round(2) for j in range(3)}
    data = read(pa.table({**table, "label": [f"c{v}" for v in y[drawn]]}))
    examined = CellsFamily().examine(data, "fast", np.random.default_rng(0), silent)
    judged = judge_all({"cells": examined}, 0.01)
    assert not [j.tried.candidate.artefact.describe() for j in judged if j.status in ("confirmed", "suspected")]
