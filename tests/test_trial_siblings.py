"""Parts of one range are one thing; values apart of the same columns are a natural attribute."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay import scan
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


def in_parts(pure: float, seed: int = 0) -> pa.Table:
    """Two measures of 1,600 rows that tell the label, and the part each came from; `pure` of them from a part of their own label.

    One part of 80 has the label "good", and measures like those of "bad".
    """
    rng = np.random.default_rng(seed)
    bad = rng.random(1_600) < 0.5
    own = np.where(bad, rng.choice(["bad-1", "bad-2"], 1_600), rng.choice(["good-1", "good-2"], 1_600))
    part = np.where(rng.random(1_600) < pure, own, rng.choice(["bad-1", "bad-2", "good-1", "good-2"], 1_600))
    hard = np.flatnonzero(bad)[:80]
    label = bad.copy()
    part[hard], label[hard] = "hard", False
    measures = bad[:, None] * 2.0 + rng.normal(0, 0.7, (1_600, 2))
    return pa.table({"a": measures[:, 0], "b": measures[:, 1], "folder": part.tolist(), "label": np.where(label, "bad", "good").tolist()})


@pytest.mark.parametrize(("pure", "status"), [(1.0, "shortcut"), (0.0, "confirmed")])
def test_a_part_that_is_hard_by_nature_is_no_trigger(pure: float, status: str) -> None:
    """Where the column parts all other rows by label; where it says nothing of theirs, one value that does is a trigger."""
    found = scan(in_parts(pure), canaries=False).conclusion
    named = [f for f in found.findings if "hard" in f.artefact.describe()]
    assert [f.status for f in named] == [status]
    assert ("as the name of a file does" in named[0].explanation) == (status == "shortcut")
    assert found.verdict == ("clean" if status == "shortcut" else "poisoned")
