"""What rows of a table share: proposed whole, counted right, whatever the order of the rows."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.learn.columns import Coded, code_columns
from assay.mine.cells import Counts, Shared, entailed, shared_cells


def coded(**columns: list[object] | np.ndarray) -> Coded:
    return code_columns(pa.table(columns), list(columns))


KEYS = st.lists(st.lists(st.integers(0, 20), max_size=30), max_size=6)


@given(KEYS, st.randoms(use_true_random=False), st.booleans())
def test_counts_are_the_same_for_any_split_and_order_of_merging(batches: list[list[int]], random: object, bounded: bool) -> None:
    most = 21 if bounded else None
    whole = Counts.empty().add(np.array([k for batch in batches for k in batch], np.int64), most)
    states = [Counts.empty().add(np.array(b, np.int64), most) for b in batches] or [Counts.empty()]
    while len(states) > 1:
        random.shuffle(states)  # type: ignore[attr-defined]
        states.append(states.pop().merge(states.pop()))
    assert states[0].keys.tolist() == whole.keys.tolist()
    assert states[0].counts.tolist() == whole.counts.tolist()
    assert whole.of(np.arange(21)).sum() == sum(map(len, batches))


ROWS = st.lists(st.tuples(*[st.sampled_from([0, 1, 2, None])] * 4), min_size=4, max_size=40)


@given(ROWS)
@settings(max_examples=80, deadline=None)
def test_every_proposal_is_carried_by_the_rows_it_names(rows: list[tuple[int | None, ...]]) -> None:
    table = coded(**{f"c{j}": pa.array([r[j] for r in rows], pa.int64()) for j in range(4)})
    for shared in shared_cells(table, support=2):
        assert sorted(np.unique(shared.cell)) == list(range(len(shared)))
        for cell in range(len(shared)):
            carriers = shared.carriers(cell)
            assert len(carriers) == shared.support[cell] >= 2
            values = table.cells[carriers][:, shared.columns]
            low, high = values.min(0), values.max(0)
            assert shared.ranged or (low == high).all()
            held = ((table.cells[:, shared.columns] >= low) & (table.cells[:, shared.columns] <= high)).all(1)
            assert np.array_equal(np.flatnonzero(held), carriers)


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_nothing_that_rows_share_is_lost_but_what_a_part_of_it_is_already(rows: list[tuple[int | None, ...]]) -> None:
    """Oracle: every pair of values in two rows or more is proposed, or its carriers are (nearly) those of one of its values."""
    table = coded(**{f"c{j}": pa.array([r[j] for r in rows], pa.int64()) for j in range(4)})
    found = {(s.columns, tuple(s.carriers(i))) for s in shared_cells(table, support=2) for i in range(len(s))}
    for i, j in combinations(range(4), 2):
        for a in range(3):
            for b in range(3):
                one, other = table.cells[:, i] == a, table.cells[:, j] == b
                both = np.flatnonzero(one & other)
                least = min(one.sum(), other.sum())
                if 2 <= len(both) <= 50 and max(one.sum(), other.sum()) <= 50 and len(both) < 0.9 * least:
                    assert ((i, j), tuple(both)) in found


def planted(n: int, carriers: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 12, (n, 5)).astype(float)
    rows = np.sort(rng.choice(n, carriers, replace=False))
    x[rows[:, None], [0, 2, 4]] = [3, 7, 9]
    return x, rows


def test_a_combination_of_three_common_values_is_proposed() -> None:
    x, rows = planted(6000, 40, 0)
    carriers = np.flatnonzero((x[:, [0, 2, 4]] == [3, 7, 9]).all(1))
    assert set(rows) <= set(carriers)
    table = Coded(tuple("abcde"), np.ones(5, bool), x)
    triples = [s for s in shared_cells(table) if s.columns == (0, 2, 4)]
    assert any(np.array_equal(s.carriers(i), carriers) for s in triples for i in range(len(s)))


def test_the_proposals_do_not_depend_on_the_order_of_the_rows() -> None:
    x, _ = planted(1500, 30, 1)
    order = np.random.default_rng(0).permutation(len(x))

    def proposals(cells: np.ndarray, number: np.ndarray) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
        shared: list[Shared] = list(shared_cells(Coded(tuple("abcde"), np.ones(5, bool), cells)))
        return {(s.columns, tuple(sorted(number[s.carriers(i)]))) for s in shared for i in range(len(s))}

    assert proposals(x, np.arange(len(x))) == proposals(x[order], order)


def test_numbers_set_off_from_their_column_are_one_range() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=1000)
    x[:30] = 40 + 0.01 * np.arange(30)
    ranges = [s for s in shared_cells(coded(x=x)) if s.ranged]
    assert [s.carriers(0).tolist() for s in ranges if len(s)] == [list(range(30))]


def own(shared: Shared, x: np.ndarray) -> np.ndarray:
    return np.tile(np.isin(np.arange(x.shape[1]), shared.columns), (len(shared), 1))


def test_a_value_that_comes_with_another_is_entailed() -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 10, (500, 4)).astype(float)
    x[:20, :3] = [11, 5, 6]
    shared = next(s for s in shared_cells(Coded(tuple("abcd"), np.ones(4, bool), x)) if s.columns == (0,) and 20 in s.support)
    cell = int(np.flatnonzero(shared.support == 20)[0])
    gone = entailed(x, own(shared, x), shared.cell, shared.row)
    assert gone[cell].tolist() == [True, True, True, False]


def test_a_value_that_nearly_all_rows_have_is_not_entailed() -> None:
    x = np.zeros((500, 2))
    x[:20, 0] = 1
    shared = next(iter(shared_cells(Coded(("a", "b"), np.ones(2, bool), x))))
    assert entailed(x, own(shared, x), shared.cell, shared.row).tolist() == [[True, False]]


def test_many_columns_leave_out_triples_and_say_so() -> None:
    rng = np.random.default_rng(4)
    x = rng.integers(0, 3, (60, 70)).astype(float)
    notes: list[str] = []
    triples = sum(len(s.columns) == 3 for s in shared_cells(Coded(tuple(map(str, range(70))), np.ones(70, bool), x), notes))
    assert 0 < triples < 70 * 69 * 68 / 6
    assert len(notes) == 1
    assert "grown to triples" in notes[0]


def test_a_table_too_wide_for_all_pairs_has_some_drawn_and_says_so(monkeypatch) -> None:
    monkeypatch.setattr("assay.mine.cells.PAIRS_AT_MOST", 50)
    x = np.random.default_rng(4).integers(0, 3, (120, 30)).astype(float)
    table = Coded(tuple(map(str, range(30))), np.ones(30, bool), x)
    drawn = []
    for seed in (0, 0, 1):
        notes: list[str] = []
        found = list(shared_cells(table, notes, rng=np.random.default_rng(seed)))
        assert notes[0] == "of 435 pairs of columns 50, drawn at random, were looked at: the table is too wide for all"
        assert {s.columns for s in found if len(s.columns) == 1} == {(j,) for j in range(30)}
        drawn.append([s.columns for s in found if len(s.columns) == 2])
        assert len(drawn[-1]) == 50
        together = set(drawn[-1])
        assert all(any(set(pair) <= set(s.columns) for pair in together) for s in found if len(s.columns) == 3)
    assert drawn[0] == drawn[1] != drawn[2]
