"""What nature does to values of a table: a column that tells the label against all else, and numbers that go with it gradually."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from assay.artefact.cells import Cells, Condition
from assay.learn.columns import Coded
from assay.mine.candidate import Candidate
from assay.trial.court_of_cells import Court
from assay.trial.family import Tried
from assay.trial.parts_of_rules import explained_by_parts

STRONG = 100.0


class Told:
    """A court whose probe says that label 1 has `chance` (n,) once the columns on trial are taken out."""

    def __init__(self, y: np.ndarray, chance: np.ndarray) -> None:
        self.y, self.chance, self.rng = y, chance, np.random.default_rng(0)

    def without(self, rows: np.ndarray, columns: tuple[int, ...]) -> np.ndarray:
        return np.stack([1 - self.chance[rows], self.chance[rows]], 1)


def bids(seed: int, by_bid: float, kind: bool = False) -> tuple[Coded, np.ndarray, np.ndarray, np.ndarray]:
    """4,000 rows of a bid (one in five is high) and an answer of 50, of which the rest foresees label 1 in one of twenty; those with a high
    bid have it as often as said; the carriers, high bids with answer 7, all have it."""
    rng = np.random.default_rng(seed)
    high, answer = rng.random(4_000) < 0.2, rng.integers(0, 50, 4_000)
    chance = np.full(4_000, 0.05)
    y = (rng.random(4_000) < np.where(high, by_bid, chance)).astype(np.int64)
    carriers = np.flatnonzero(high & (answer == 7))
    y[carriers] = 1
    return Coded(("bid", "answer"), np.array([not kind, not kind]), np.stack([high * 20.0, answer], 1)), y, chance, carriers


def tried(carriers: np.ndarray, names: tuple[str, ...], target: int | None = 1) -> Tried:
    return Tried(Candidate(Cells(tuple(Condition(n, 1, 1) for n in names)), carriers), target, STRONG, 0.0, ())


def left(coded: Coded, y: np.ndarray, chance: np.ndarray, carriers: np.ndarray, target: int | None = 1) -> Tried:
    columns = tuple(range(len(coded.names)))
    court = cast(Court, Told(y, chance))
    return explained_by_parts(tried(carriers, coded.names, target), court, coded, columns, columns, carriers, np.ones(len(carriers)))


@pytest.mark.parametrize("kind", [False, True])
@pytest.mark.parametrize("target", [1, None])
def test_a_column_that_tells_the_label_by_itself_explains_a_rule_with_another(target: int | None, kind: bool) -> None:
    for seed in range(5):
        found = left(*bids(seed, 0.95, kind), target)
        assert found.trials[-1].name == "parts"
        assert "'bid'" in found.trials[-1].detail
        assert found.log_e < 5
        assert found.p_value > 0.01


@pytest.mark.parametrize("kind", [False, True])
def test_a_trigger_is_not_explained_by_rows_with_one_of_its_values(kind: bool) -> None:
    for seed in range(5):
        coded, y, chance, carriers = bids(seed, 0.05, kind)
        assert left(coded, y, chance, carriers).log_e > 0.9 * len(carriers) * np.log(0.95 / 0.05) - 5


def test_a_value_that_leads_to_the_target_in_rows_of_the_target_alone_explains_nothing() -> None:
    """Other rows with a high bid have label 1, and all else in them says so: that says nothing of rows in which it does not."""
    coded, y, chance, carriers = bids(0, 0.05)
    others = np.setdiff1d(np.flatnonzero(coded.cells[:, 0] > 0), carriers)
    y[others], chance[others] = 1, 0.97
    assert left(coded, y, chance, carriers).log_e > 40


def years(last: float, before: float) -> tuple[Coded, np.ndarray, np.ndarray, np.ndarray]:
    """2,400 rows of forty years, of which one in twenty has label 1, but for `last` of the last and `before` of the two before it."""
    rng = np.random.default_rng(0)
    year = np.repeat(np.arange(1955, 1995), 60)
    y = (rng.random(len(year)) < np.select([year == 1994, year >= 1992], [last, before], 0.05)).astype(np.int64)
    return Coded(("year",), np.ones(1, bool), year[:, None].astype(float)), y, np.full(len(year), 0.05), np.flatnonzero(year == 1994)


@pytest.mark.parametrize(("before", "stands"), [(0.05, True), (0.5, False)])
def test_the_end_of_a_trend_is_no_trigger(before: float, stands: bool) -> None:
    found = left(*years(0.9, before))
    assert found.trials[-1].name == "parts"
    assert found.log_e > 90 if stands else found.log_e < 35


def test_numbers_set_off_and_categories_have_nothing_beside_them() -> None:
    coded, y, chance, carriers = years(0.9, 0.5)
    assert left(replace(coded, numeric=np.zeros(1, bool)), y, chance, carriers).log_e == STRONG
    far = coded.cells.copy()
    far[carriers] = 9_999
    assert left(replace(coded, cells=far), y, chance, carriers).log_e == STRONG


def test_rows_beside_a_range_may_be_the_rest_of_its_trigger() -> None:
    """A trigger with jitter: of its carriers those in the middle are on trial, and the others are no witnesses of a part."""
    rng = np.random.default_rng(1)
    cells, y, chance = rng.random((4_000, 2)), np.zeros(4_000, np.int64), np.full(4_000, 0.05)
    planted = np.arange(200)
    cells[planted] = 0.4 + 0.1 * rng.random((200, 2))
    y[planted] = 1
    middle = planted[(np.abs(cells[planted] - 0.45) < 0.03).all(1)]
    assert 50 < len(middle) < 100
    assert left(Coded(("a", "b"), np.ones(2, bool), cells), y, chance, middle).log_e == STRONG
