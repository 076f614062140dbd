"""Parts of one range are one thing; values apart of the same columns are a natural attribute."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay import scan
from assay.artefact.cells import Cells, Condition
from assay.dataset.data import Columns
from assay.dataset.read import read
from assay.learn.columns import Coded, alike, code_columns
from assay.learn.tables import fit_table_probe
from assay.mine.candidate import Candidate
from assay.trial.court_of_cells import Court
from assay.trial.family import Tried
from assay.trial.siblings import _numbered, _one_range, tells
from assay.trial.witnesses import Witnesses


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


def price_lists(seed: int) -> pa.Table:
    """4,000 purchases in 40 weeks: each week has a price of two brands, which between them say what a third costs."""
    rng = np.random.default_rng(seed)
    week = rng.integers(0, 40, 4_000)
    first, second, third = rng.integers(0, 7, 40), rng.integers(0, 7, 40), rng.integers(0, 3, 40)
    return pa.table(
        {
            "first": 1 + first[week] / 10, "second": 1 + second[week] / 10, "bought": rng.choice(["a", "b", "c"], 4_000),
            "paid": (rng.normal(20, 5, 4_000) + third[week]).round(1), "label": [f"{1 + v / 10}" for v in third[week]],
        }
    )  # fmt: skip


@pytest.mark.parametrize(("by_week", "tell"), [(True, True), (False, False)])
def test_columns_may_tell_the_label_between_them(by_week: bool, tell: bool) -> None:
    table = price_lists(0)
    if not by_week:
        table = table.set_column(4, "label", pa.array(np.random.default_rng(9).permutation(table.column("label").to_pylist())))
    data = read(table, columns=Columns(label=("label",)))
    coded, rng = code_columns(table, ["first", "second", "bought", "paid"]), np.random.default_rng(0)
    probe = fit_table_probe(coded, data.y, len(data.classes), rng)
    court = Court(probe, coded.cells, data.y, Witnesses.of(coded, alike(coded), probe, data.y, rng), rng, np.zeros(len(data), bool))
    assert tells(data, coded, court, (0, 1)) is tell


def test_rows_have_one_number_where_they_are_equal_and_only_there() -> None:
    """Beside one sort of whole rows; a missing cell is equal to none, so such rows are left out, as they are where it is asked."""
    cells = np.random.default_rng(2).choice([-0.0, 0.0, 1.5, np.inf, np.nan], (3_000, 3))
    whole = ~np.isnan(cells).any(1)
    for columns in ([0], [2, 0], [0, 1, 2]):
        _, code = np.unique(cells[whole][:, columns], axis=0, return_inverse=True)
        _, number = np.unique(_numbered(cells[:, columns])[whole], return_inverse=True)
        assert number.tolist() == code.ravel().tolist()
