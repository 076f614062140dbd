"""Whatever the blocks in which the rows are screened, and whoever screens them: the same laws, scores, flags and bounds."""

from __future__ import annotations

import random as random_module
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.dataset.read import read
from assay.engine.base import Engine, using
from assay.engine.cores import Cores
from assay.engine.local import Local
from assay.finding import RowScore
from assay.screen import hubs as hubs_module
from assay.screen import row_blocks
from assay.screen.context import Context
from assay.screen.counted import Counted
from assay.screen.hubs import hubs
from assay.screen.registry import run_screens
from assay.screen.tail import Law, beyond_tail, tail_probability
from assay.stats.counts import Counts, median, quantiles
from assay.stats.nearest import NOBODY, Nearest

NUMBERS = st.lists(st.sampled_from([0.0, 1.0, 2.5, 7.0, -3.25, np.inf, -np.inf, np.nan]) | st.floats(-1e6, 1e6), min_size=1, max_size=80)
SHARES = (0.0, 0.125, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)


@given(NUMBERS, st.lists(st.integers(0, 80), max_size=5), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_any_split_and_order_counts_the_same(values: list[float], cuts: list[int], random: random_module.Random) -> None:
    column = np.array(values)
    parts = [Counted.of(part) for part in np.split(column, sorted(cuts))]
    random.shuffle(parts)
    whole, merged = Counted.of(column), parts[0]
    for part in parts[1:]:
        merged = part.merge(merged)
    assert merged.missing == whole.missing
    assert np.array_equal(merged.every, whole.every, equal_nan=True)
    assert merged.values.counts.tolist() == whole.values.counts.tolist()
    known = column[np.isfinite(column)]
    if len(known):
        assert quantiles(merged.finite, SHARES).tolist() == np.quantile(known, SHARES).tolist()  # to the bit
        assert median(merged.finite) == np.median(known)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=300), st.sampled_from([1.0, 0.25, 0.1]), st.integers(1, 9))
@settings(deadline=None)
def test_the_law_of_counted_scores_is_that_of_the_scores(values: list[int], least: float, tests: int) -> None:
    score = np.array(values) ** 1.5
    law = Law.of(Counts.empty().add(score), least)
    assert law.probability(score).tolist() == tail_probability(score, least_told=least).tolist()
    assert law.beyond(score, tests).tolist() == beyond_tail(score, tests).tolist()


SIMILAR = st.integers(2, 40).flatmap(lambda m: st.lists(st.lists(st.integers(0, 6), min_size=m, max_size=m), min_size=1, max_size=5))


@given(SIMILAR, st.lists(st.integers(1, 39), max_size=4), st.integers(1, 8), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_any_parts_of_an_index_give_the_same_nearest(near: list[list[int]], cuts: list[int], k: int, random: random_module.Random) -> None:
    whole = np.where(np.array(near) == 0, -np.inf, np.array(near, float))
    edges = sorted({0, *(c for c in cuts if c < whole.shape[1])})
    parts = [Nearest.of(part, k, first) for part, first in zip(np.split(whole, edges[1:], axis=1), edges, strict=True)]
    random.shuffle(parts)
    merged = parts[0]
    for part in parts[1:]:
        merged = part.merge(merged)
    for place, each in zip(merged.place, whole, strict=True):
        known = [int(i) for i in np.argsort(-each, kind="stable") if each[i] > 0][:k]
        assert place.tolist() == known + [NOBODY] * (k - len(known))
    assert np.array_equal(Nearest.of(whole, k, 0).place, merged.place)


def texts(n: int = 700) -> list[str]:
    """Of few words, so that many are equally near one another; one that holds them all."""
    rng = np.random.default_rng(3)
    words = [f"w{i}" for i in range(40)]
    return [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(n)] + [" ".join(words)]


def hubs_by(engine: Engine) -> tuple[np.ndarray, np.ndarray]:
    with using(engine):
        return hubs(texts(), np.random.default_rng(0))


def test_an_index_of_texts_in_parts_answers_as_a_whole_one(cores: Cores, monkeypatch: pytest.MonkeyPatch) -> None:
    score, flag = hubs_by(Local())
    assert len(np.unique(score)) > 5
    monkeypatch.setattr(hubs_module, "PART", 90)
    for engine in (Local(), cores):
        mine, flagged = hubs_by(engine)
        assert np.array_equal(mine, score)
        assert np.array_equal(flagged, flag)


def rows(n: int = 900) -> pa.Table:
    rng = np.random.default_rng(5)
    columns: dict[str, Any] = {f"a{j}": rng.normal(size=n) for j in range(3)}
    columns["long"] = rng.lognormal(size=n)
    columns["long"][:3] = [np.inf, np.nan, 1e9]
    columns["noughts"] = np.where(rng.random(n) < 0.6, 0, rng.exponential(size=n))
    columns["hidden"] = rng.normal(40, 5, n).round(2)
    columns["hidden"][rng.choice(n, 8, replace=False)] = -999
    columns["town"] = rng.choice(list("abcdefg"), n)
    return pa.table(columns | {"label": rng.integers(0, 3, n)})


def screened(engine: Engine) -> tuple[RowScore, ...]:
    data = read(rows())
    rng = np.random.default_rng(1)
    features = rng.normal(size=(len(data), 20)).astype(np.float32)
    features[10:30] = features[0]
    with using(engine):
        found, checks = run_screens(Context(data, None, features, rng))
    assert not [c for c in checks if c.state == "failed"]
    return found


def same(one: tuple[RowScore, ...], other: tuple[RowScore, ...]) -> None:
    assert [s.name for s in one] == [s.name for s in other]
    for a, b in zip(one, other, strict=True):
        assert a.reason == b.reason
        assert np.array_equal(a.score, b.score), a.name
        assert np.array_equal(a.flag, b.flag), a.name
        assert np.array_equal(a.bound, b.bound) if a.bound is not None and b.bound is not None else a.bound is b.bound, a.name


@pytest.fixture(params=[1, 2, pytest.param(4, marks=pytest.mark.full)])
def cores(request: pytest.FixtureRequest) -> Iterator[Cores]:
    with Cores(request.param) as made:
        yield made


def test_processes_screen_as_this_one_does(cores: Cores, monkeypatch: pytest.MonkeyPatch) -> None:
    here = screened(Local())
    assert {"iqr", "robust_z", "ecod", "missing", "isolation_forest", "conditional", "neighbours", "distance"} <= {s.name for s in here}
    assert sum(int(s.flag.sum()) for s in here) > 0
    for name in ("FEWEST", "MOST", "STEP"):
        monkeypatch.setattr(row_blocks, name, 70)  # rows a block: thirteen of them
    same(screened(cores), here)
