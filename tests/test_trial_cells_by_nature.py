"""What nature does to values of a table: a column that tells the label by itself, and numbers that go with it gradually."""

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
from assay.trial.neighbouring_values import beside_neighbours
from assay.trial.parts_of_rules import without_a_part
from assay.trial.surprise import Bet

EACH = np.ones(40)


class Told:
    """A court whose probe says `known[columns left in the rows]` is the chance of label 1, and .05 where nothing is known."""

    def __init__(self, y: np.ndarray, known: dict[int, np.ndarray]) -> None:
        self.y, self.known = y, known

    def without(self, rows: np.ndarray, columns: tuple[int, ...]) -> np.ndarray:
        left = [p[rows] for j, p in self.known.items() if j not in columns]
        p = left[0] if left else np.full(len(rows), 0.05)
        return np.stack([1 - p, p], 1)


def likely(label: int, columns: int) -> np.ndarray:
    """Support of a label's other rows."""
    return np.linspace(0.9, 0.999, 500)


def as_unlikely(label: int, columns: int) -> np.ndarray:
    return np.full(500, 0.05)


def convicted(carriers: np.ndarray, columns: int, log_e: float = 50.0) -> Tried:
    rule = Cells(tuple(Condition(f"x{j}", 1, 1) for j in range(columns)))
    return Tried(Candidate(rule, carriers), 1, log_e, 0.0, ())


@pytest.mark.parametrize(("foreseen", "stands"), [(0.05, True), (0.99, False)])
def test_a_rule_is_no_stronger_than_with_any_one_of_its_columns_left_in(foreseen: float, stands: bool) -> None:
    court = Told(np.ones(200, np.int64), {0: np.full(200, foreseen)})
    carriers = np.arange(40)
    found = without_a_part(convicted(carriers, 2), cast(Court, court), (0, 1), (0, 1, 2), carriers, EACH, Bet.HEDGED, likely)
    assert (found.log_e == 50.0) is stands
    assert found.trials[-1].name == "parts"
    assert stands or (found.log_e < 1 and found.p_value == 1.0)


def test_a_rule_of_one_column_has_no_parts() -> None:
    court, carriers = Told(np.ones(200, np.int64), {}), np.arange(40)
    tried = convicted(carriers, 1)
    assert without_a_part(tried, cast(Court, court), (0,), (0,), carriers, EACH, Bet.HEDGED, likely) is tried


def test_a_rule_that_is_bet_on_cover_rows_keeps_that_bet() -> None:
    """Of 40 carriers 10 keep another label, as the rest of them foresees."""
    y = np.repeat([1, 0], [30, 10])
    court, carriers = Told(y, {0: np.full(40, 0.05)}), np.arange(40)
    found = without_a_part(convicted(carriers, 2), cast(Court, court), (0, 1), (0, 1), carriers, EACH, Bet.HEDGED, as_unlikely)
    assert found.log_e == 50.0


def years(last: float, before: float, seed: int = 0) -> tuple[Coded, np.ndarray, np.ndarray]:
    """2,400 rows of forty years, of which one in twenty is labelled 1, but for `last` of the last and `before` of the years before it."""
    rng = np.random.default_rng(seed)
    year = np.repeat(np.arange(1955, 1995), 60)
    chance = np.select([year == 1994, year >= 1992], [last, before], 0.05)
    y = (rng.random(len(year)) < chance).astype(np.int64)
    return Coded(("year",), np.ones(1, bool), year[:, None].astype(float)), y, np.flatnonzero(year == 1994)


@pytest.mark.parametrize(("before", "stands"), [(0.05, True), (0.5, False)])
def test_the_end_of_a_trend_is_no_trigger(before: float, stands: bool) -> None:
    coded, y, carriers = years(0.9, before)
    found = beside_neighbours(convicted(carriers, 1), cast(Court, Told(y, {})), coded, (0,), carriers, np.ones(60))
    assert found.trials[-1].name == "values beside it"
    assert found.log_e > 40 if stands else found.log_e < 35


def test_values_set_off_and_categories_have_no_neighbours() -> None:
    coded, y, carriers = years(0.9, 0.5)
    court, tried = cast(Court, Told(y, {})), convicted(carriers, 1)
    words = replace(coded, numeric=np.zeros(1, bool))
    assert beside_neighbours(tried, court, words, (0,), carriers, np.ones(60)) is tried
    far = coded.cells.copy()
    far[carriers] = 9_999
    assert beside_neighbours(tried, court, replace(coded, cells=far), (0,), carriers, np.ones(60)) is tried
    everywhere = replace(tried, target=None)
    assert beside_neighbours(everywhere, court, coded, (0,), carriers, np.ones(60)) is everywhere
