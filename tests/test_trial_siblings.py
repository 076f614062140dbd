"""Parts of one range are one thing; values apart of the same columns are a natural attribute."""

from __future__ import annotations

import numpy as np
import pytest

from assay.artefact.cells import Cells, Condition
from assay.learn.columns import Coded
from assay.mine.candidate import Candidate
from assay.trial.family import Tried
from assay.trial.siblings import _one_range


def tried(coded: Coded, low: tuple[float, float], high: tuple[float, float], target: int = 1) -> Tried:
    rows = np.flatnonzero(((coded.cells >= low) & (coded.cells <= high)).all(1))
    rule = Cells(tuple(Condition(name, a, b) for name, a, b in zip(coded.names, low, high, strict=True)))
    return Tried(Candidate(rule, rows), target, 20.0, 0.0, (), nominated=True, family_key="a and b")


@pytest.mark.parametrize(
    ("others", "one"),
    [
        ([((31, 7), (31, 7), 1)], True),  # what a common number, thirty, has parted
        ([((31, 7), (33, 7), 1), ((35, 7), (38, 7), 1)], True),
        ([((31, 7), (31, 7), 0)], False),
        ([((50, 7), (53, 7), 1)], False),
        ([((31, 7), (33, 7), 1), ((50, 7), (53, 7), 1)], False),
    ],
)
def test_ranges_side_by_side_are_one(others: list[tuple[tuple[float, float], tuple[float, float], int]], one: bool) -> None:
    rng = np.random.default_rng(0)
    coded = Coded(("a", "b"), np.ones(2, bool), rng.integers(0, [80, 16], (20_000, 2)).astype(float))
    first = tried(coded, (26, 7), (29, 7))
    assert _one_range([first, *(tried(coded, low, high, target) for low, high, target in others)], coded) == one


def test_single_values_and_single_columns_are_never_one_range() -> None:
    cells = np.random.default_rng(1).integers(0, 10, (2000, 2)).astype(float)
    coded = Coded(("a", "b"), np.ones(2, bool), cells)
    assert not _one_range([tried(coded, (3, 3), (3, 3)), tried(coded, (4, 3), (4, 3))], coded)
    alone = Coded(("a",), np.ones(1, bool), cells[:, :1])
    assert not _one_range([tried(alone, (3,), (4,)), tried(alone, (5,), (6,))], alone)  # type: ignore[arg-type]
