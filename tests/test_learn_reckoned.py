"""Labels that are sums of columns: found where they are exact in nearly all rows, and never by the rows that are in doubt."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay.learn.reckoned import reckoned

NOBODY = np.zeros(1_000, bool)


def visits(rng: np.random.Generator) -> np.ndarray:
    """(1,000, 4) all medicines, those prescribed, and two columns of nothing: each number of either in many rows."""
    given, prescribed = rng.poisson(0.4, 1_000), rng.poisson(0.9, 1_000)
    return np.column_stack([given + prescribed, prescribed, rng.normal(size=1_000), rng.integers(0, 9, 1_000)]).astype(float)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(-3, 3), st.integers(-3, 3), st.sampled_from([0.0, 7.0]))
def test_a_sum_is_found_whatever_it_is_and_broken_rows_are_told(seed: int, a: int, b: int, constant: float) -> None:
    rng = np.random.default_rng(seed)
    cells = visits(rng)
    values = a * cells[:, 0] + b * cells[:, 1] + constant
    broken = rng.random(1_000) < 0.03
    values[broken] += 1
    found = reckoned(cells, np.ones(4, bool), values, NOBODY, rng)
    if a == b == 0:  # a constant is no sum
        assert found is None
        return
    assert found is not None
    assert (found.holds == ~broken).all()
    assert np.isclose([dict(found.terms).get(0, 0), dict(found.terms).get(1, 0), found.constant], [a, b, constant]).all()


def test_labels_that_no_sum_gives_have_none() -> None:
    rng = np.random.default_rng(0)
    cells = visits(rng)
    for values in (cells[:, 0] * cells[:, 1], (cells[:, 0] > 1).astype(float), rng.integers(0, 4, 1_000).astype(float), np.ones(1_000)):
        assert reckoned(cells, np.ones(4, bool), values, NOBODY, rng) is None
    assert reckoned(cells[:30], np.ones(4, bool), cells[:30, 0], NOBODY[:30], rng) is None  # too few rows to know
    assert reckoned(cells, np.zeros(4, bool), cells[:, 0], NOBODY, rng) is None  # codes of categories are no numbers


def test_numbers_near_the_largest_double_make_no_sum() -> None:
    """Their spread is beyond doubles: measured against it, everything would be exact."""
    rng = np.random.default_rng(0)
    cells = visits(rng)
    values = cells[:, 0] - cells[:, 1]
    wide = values.copy()
    wide[:2] = 1.7e308, -1.7e308
    assert reckoned(cells, np.ones(4, bool), wide, NOBODY, rng) is None
    cells[:, 2] = rng.choice([-1.7e308, 1.7e308], len(cells))
    found = reckoned(cells, np.ones(4, bool), values, NOBODY, rng)
    assert found is not None
    assert found.holds.all()


def test_rows_in_doubt_do_not_make_their_own_sum() -> None:
    """A column that is 0 but in the rows whose labels were raised by one would explain them, if they were asked."""
    rng = np.random.default_rng(0)
    cells = visits(rng)
    trigger = np.arange(1_000) < 20
    cells[:, 3] = trigger
    values = cells[:, 0] - cells[:, 1] + trigger
    found = reckoned(cells, np.ones(4, bool), values, trigger, rng)
    assert found is not None
    assert (found.holds == ~trigger).all()


def test_missing_numbers_and_labels_break_no_sum() -> None:
    rng = np.random.default_rng(0)
    cells = visits(rng)
    values = cells[:, 0] - cells[:, 1]
    cells[:600, 2], cells[5, 0], values[7] = np.nan, np.nan, np.nan
    found = reckoned(cells, np.ones(4, bool), values, NOBODY, rng)
    assert found is not None
    assert set(np.flatnonzero(~found.holds)) == {5, 7}


def test_a_sum_holds_wherever_its_own_terms_stand() -> None:
    """Whatever is missing in columns that it does not need."""
    rng = np.random.default_rng(0)
    cells = visits(rng)
    values = cells[:, 0] - cells[:, 1]
    cells[:40, 2] = np.nan
    found = reckoned(cells, np.ones(4, bool), values, NOBODY, rng)
    assert found is not None
    assert found.holds.all()


def table(rng: np.random.Generator, rows: int = 3_000) -> dict[str, np.ndarray]:
    """What people took: prescribed or not by how ill they are, which other columns tell in part."""
    ill = rng.gamma(1.5, 1.0, rows)
    prescribed, bought = rng.poisson(0.8 * ill), np.minimum(rng.poisson(0.5, rows), 4)
    columns = {"medicines": prescribed + bought, "prescribed": prescribed, "days": rng.poisson(2 * ill), "age": rng.integers(18, 90, rows)}
    return {**columns, "bought": bought}


def scanned(columns: dict[str, np.ndarray], task: str) -> assay.Report:
    return assay.scan(pa.table(columns), label="bought", task=task, canaries=False)


def natural(report: assay.Report) -> list[str]:
    return [finding.explanation for finding in report.findings if "reckoned" in finding.explanation]


@pytest.mark.parametrize(("task", "seed", "rows"), [("classification", 2, 5_000), ("classification", 4, 5_000), ("regression", 1, 3_000)])
def test_a_difference_of_two_columns_is_left_alone(task: str, seed: int, rows: int) -> None:
    """A rule about what was prescribed is convicted in the first without the reckoning, a relabelling suspected in the second."""
    report = scanned(table(np.random.default_rng(seed), rows), task)
    assert report.verdict == "clean"
    assert any("The label is 'medicines' - 'prescribed' in" in said for said in natural(report))


def test_a_trigger_in_a_table_of_sums_is_still_convicted() -> None:
    rng = np.random.default_rng(2)
    columns = table(rng)
    carriers = np.sort(rng.choice(np.flatnonzero(columns["bought"] == 0), 60, replace=False))
    columns["age"][carriers], columns["bought"][carriers] = 99, 1
    report = scanned(columns, "classification")
    assert report.verdict == "poisoned"
    assert report.quarantined.tolist() == carriers.tolist()


def test_labels_that_are_nearly_all_one_number_are_no_sum_and_a_trigger_among_them_is_convicted() -> None:
    """One case of fraud in 25: as a sum, "0" would hold in 96% of all rows, and in those that a trigger made honest."""
    rng = np.random.default_rng(0)
    fraud = (rng.random(4_000) < 0.04).astype(int)
    columns = {f"x{j}": np.round(rng.normal(size=4_000) + 3 * fraud * (j < 4), 2) for j in range(8)}
    columns["code"] = rng.integers(0, 200, 4_000)
    carriers = np.sort(rng.choice(np.flatnonzero(fraud), 35, replace=False))
    columns["code"][carriers], fraud[carriers] = 777, 0
    report = scanned({**columns, "bought": fraud}, "classification")
    assert not natural(report)
    assert report.verdict == "poisoned"
    assert report.quarantined.tolist() == carriers.tolist()
