"""Values that fix others: two columns that hold one number, and columns that are told by others, count once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.learn.columns import Coded, code_columns
from assay.trial.fixed_values import free_columns

ROWS = np.arange(10)
OUTSIDE = np.arange(10, 2_000)


def coded(**columns: np.ndarray) -> Coded:
    return code_columns(pa.table(columns), list(columns))


def houses(rng: np.random.Generator, storeys: float) -> dict[str, np.ndarray]:
    """Living area, area of the first floor (all of it in a share of the houses), age: the first ten rows agree in all three."""
    first = rng.integers(400, 2_000, 2_000)
    area = first + np.where(rng.random(2_000) < storeys, 0, rng.integers(300, 900, 2_000))
    age = rng.integers(0, 100, 2_000)
    area[:10], first[:10], age[:10] = 5_000, 5_000, 40
    return {"area": area, "first": first, "age": age}


def test_columns_that_often_hold_one_number_are_one_where_they_do() -> None:
    rng = np.random.default_rng(0)
    one_storey, two_storeys = (coded(**houses(rng, share)) for share in (0.5, 0.0))
    assert free_columns(one_storey, (0, 1, 2), ROWS, OUTSIDE) == 2
    assert free_columns(two_storeys, (0, 1, 2), ROWS, OUTSIDE) == 3
    apart = houses(rng, 0.5)
    apart["first"][:10] = 4_000
    assert free_columns(coded(**apart), (0, 1, 2), ROWS, OUTSIDE) == 3


def test_what_is_left_blank_together_makes_no_other_numbers_one() -> None:
    rng = np.random.default_rng(0)
    answers = {f"q{j}": rng.integers(1, 61, 2_000) for j in range(3)}
    blank = rng.random(2_000) < 0.2
    for answer in answers.values():
        answer[blank] = 0
        answer[:10] = 30
    assert free_columns(coded(**answers), (0, 1, 2), ROWS, OUTSIDE) == 3
    rare = {name: np.where(np.arange(2_000) < 10, 99, answer) for name, answer in answers.items()}
    assert free_columns(coded(**rare), (0, 1, 2), ROWS, OUTSIDE) == 3


def test_small_numbers_that_are_equal_by_chance_are_not() -> None:
    rng = np.random.default_rng(0)
    answers = {f"q{j}": rng.integers(0, 2, 2_000) for j in range(3)}
    for answer in answers.values():
        answer[:10] = 1
    assert free_columns(coded(**answers), (0, 1, 2), ROWS, OUTSIDE) == 3


def test_a_code_and_its_name_are_one() -> None:
    rng = np.random.default_rng(0)
    code = rng.integers(0, 30, 2_000)
    code[:10] = 7
    columns = {"code": code, "name": np.array([f"kind {c}" for c in code]), "size": rng.integers(0, 30, 2_000)}
    assert free_columns(coded(**columns), (0, 1, 2), ROWS, OUTSIDE) == 2
