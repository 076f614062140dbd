"""A table in no order is none, whatever it is sorted by; in a series rows side by side are one witness."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay import scan
from assay.learn.columns import Coded
from assay.learn.likeness import Likeness
from assay.learn.serial import BLOCK, BLOCKS, reach, side_by_side, stretches
from assay.trial.witnesses import Witnesses


def slow(n: int, keeps: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) a wave whose values side by side have the correlation `keeps`."""
    steps = rng.normal(0, np.sqrt(1 - keeps**2), n)
    wave = np.empty(n)
    wave[0] = rng.normal()
    for i in range(1, n):
        wave[i] = keeps * wave[i - 1] + steps[i]
    return wave


def test_a_wave_reaches_as_far_as_it_repeats_itself() -> None:
    rng = np.random.default_rng(0)
    kind = np.zeros(20_000, np.int64)
    found = [reach(np.arange(20_000), slow(20_000, keeps, rng), kind) for keeps in (0.0, 0.2, 0.6, 0.97)]
    assert found == [0, 0, 2, 32]  # .6 and .36 after one and two rows; .97**32 is .38


@pytest.mark.parametrize("seed", range(5))
def test_no_order_is_no_series_however_the_file_is_sorted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind = np.sort(rng.integers(-1, 3, 3_000))  # sorted by label, some without one
    assert reach(np.arange(3_000), rng.normal(0, 1, 3_000) + 5 * kind, kind) == 0
    assert reach(np.arange(30), slow(30, 0.3, rng), np.zeros(30, np.int64)) == 0  # too few rows to tell


def test_long_files_are_asked_in_stretches() -> None:
    rows = stretches(1_000_000)
    assert (len(rows), rows[0], rows[-1], (np.diff(rows) > 0).all()) == (BLOCKS * BLOCK, 0, 999_999, True)
    assert reach(rows, slow(len(rows), 0.97, np.random.default_rng(0)), np.zeros(len(rows), np.int64)) == 32


def test_a_run_casts_one_vote_and_rows_apart_one_each() -> None:
    rng = np.random.default_rng(0)
    coded = Coded(tuple("abcdef"), np.ones(6, bool), rng.normal(size=(5_000, 6)))
    likeness = Likeness.of(coded, rng.integers(0, 2, 5_000), rng)
    run, apart = np.arange(100, 120), np.arange(0, 5_000, 250)
    for reaches, wanted in ((0, 20.0), (4, 1.0)):
        assert Witnesses(np.arange(5_000), likeness, reaches).votes(run, [0], rng).sum() == pytest.approx(wanted)
    assert Witnesses(np.arange(5_000), likeness, 4).votes(apart, [0], rng).sum() == pytest.approx(20.0)
    assert side_by_side(np.array([], np.int64), 2).tolist() == []


def series(rng: np.random.Generator, still: bool) -> pa.Table:
    """6,000 half-hours: a price and a demand that wander, and whether a third thing, which wanders too, is up.

    `still`: the price stands at one value in 25 half-hours side by side, all of them up though the demand says down; else in as many here
    and there.
    """
    n = 6_000
    hidden, demand, price = slow(n, 0.98, rng), slow(n, 0.9, rng), slow(n, 0.9, rng)
    up = hidden + demand > 0
    down = np.flatnonzero(~up & (demand < -0.3))
    night = np.arange(3_000, 3_025) if still else np.sort(rng.choice(down, 25, replace=False))
    price[night], up[night], demand[night] = 2.3456, True, -np.abs(demand[night]) - 0.3
    columns = {"price": np.round(price, 6), "demand": np.round(demand, 3), "other": np.round(slow(n, 0.9, rng), 3)}
    return pa.table({**columns, "label": np.where(up, "up", "down")})


@pytest.mark.parametrize("still", [True, False])
def test_one_quiet_night_is_no_trigger_and_the_same_value_here_and_there_is(still: bool) -> None:
    report = scan(series(np.random.default_rng(0), still), label="label", canaries=False)
    assert (report.verdict, len(report.quarantined)) == (("clean", 0) if still else ("poisoned", 25))
    assert "(a series)" in next(c.reason for c in report.checks if c.name == "cells")
