"""Whatever the blocks in which the rows of a table are counted: the same values and combinations, carried by the same rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.engine.base import using
from assay.engine.cores import Cores
from assay.learn.columns import Coded, code_columns
from assay.mine import cell_blocks, cell_combinations
from assay.mine.cells import Shared, shared_cells
from assay.stats.counts import Counts, part_of, quantile

ROWS = st.lists(st.tuples(*[st.sampled_from([0, 1, 2, 3.5, 40, None])] * 4), min_size=4, max_size=50)


def table(rows: list[tuple[float | None, ...]]) -> Coded:
    return code_columns(pa.table({f"c{j}": pa.array([r[j] for r in rows], pa.float64()) for j in range(4)}), [f"c{j}" for j in range(4)])


def mined(coded: Coded, support: int, block: int = 100_000, group: int = 20_000_000) -> list[Shared]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell_blocks, "BLOCK_ROWS", block)
        for rows in ("GROUP_ROWS", "TRIPLE_ROWS", "FEWEST_ROWS"):
            patch.setattr(cell_combinations, rows, group)
        return list(shared_cells(coded, support=support))


def same(one: list[Shared], other: list[Shared]) -> None:
    assert [s.columns for s in one] == [s.columns for s in other]
    for a, b in zip(one, other, strict=True):
        assert a.ranged == b.ranged
        for name in ("row", "cell", "support"):
            assert np.array_equal(getattr(a, name), getattr(b, name)), (a.columns, name)


@given(ROWS, st.integers(1, 30), st.integers(1, 200))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_proposals_do_not_depend_on_the_blocks(rows: list[tuple[float | None, ...]], block: int, group: int) -> None:
    coded = table(rows)
    same(mined(coded, 2, block, group), mined(coded, 2))


def test_processes_propose_what_this_one_does() -> None:
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 9, (2000, 5)).astype(float)
    cells[:40, [0, 2, 4]] = [3, 7, 2]
    cells[5:20, 1] = 99 + np.arange(15) / 100
    coded = Coded(tuple("abcde"), np.ones(5, bool), cells)
    here = mined(coded, 10)
    with Cores(2) as cores, using(cores):
        same(mined(coded, 10, 300, 9000), here)


@given(st.lists(st.lists(st.integers(0, 12), max_size=30), min_size=1, max_size=5), st.integers(1, 5), st.integers(1, 4))
@settings(deadline=None)
def test_counts_merged_range_by_range_are_those_merged_at_once(lists: list[list[int]], parts: int, support: int) -> None:
    states = [Counts.empty().add(np.array(each, np.int64)) for each in lists]
    whole = Counts.empty().merge_all(states).least(support)
    found = [part_of(number, parts, states, support) for number in range(parts)]
    assert [k for part in found for k in part.keys.tolist()] == whole.keys.tolist()
    assert [c for part in found for c in part.counts.tolist()] == whole.counts.tolist()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.floats(0, 1))
@settings(deadline=None)
def test_quantiles_of_counts_are_those_of_the_numbers(values: list[float], share: float) -> None:
    numbers = np.array(values)
    counts = Counts.empty().add(numbers[::2]).merge(Counts.empty().add(numbers[1::2]))
    assert quantile(counts, share) == pytest.approx(np.quantile(numbers, share), rel=1e-9, abs=1e-6)
