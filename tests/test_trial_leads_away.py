"""Carriers that have a label far less often than other rows hold no trigger for it; sets of rows, and any wrong label, are not asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from assay.artefact.cells import Cells, Condition
from assay.dataset.data import Dataset
from assay.mine.candidate import Candidate
from assay.trial.family import Tried
from assay.trial.leads_away import left_leading_away
from assay.trial.verdicts import Judged

CARRIERS = np.arange(400)
PATTERN = Cells((Condition("x", 1, 1),))


def digits(in_memory: Callable[..., Dataset], fives: int) -> Dataset:
    """Ten classes alike in size; of the first 400 rows so many are fives, and the others threes."""
    y = np.random.default_rng(0).integers(0, 10, 4_000)
    y[CARRIERS] = np.where(fives > CARRIERS, 5, 3)
    return in_memory(y.tolist(), table={"x": np.zeros(4_000)}, content=("x",))


def judged(family: str = "overlay", target: int | None = 5, status: str = "confirmed") -> Judged:
    return Judged(family, Tried(Candidate(PATTERN, CARRIERS), target, 19.0, 1e-8, ()), status)  # type: ignore[arg-type]


@pytest.mark.parametrize(("fives", "left"), [(7, "shortcut"), (30, "confirmed"), (400, "confirmed")])
def test_a_trigger_leads_to_its_label(in_memory: Callable[..., Dataset], fives: int, left: str) -> None:
    (found,) = left_leading_away((judged(),), {"overlay": digits(in_memory, fives)})
    assert found.status == left
    assert (found.tried.natural is not None) == (left == "shortcut")


def test_what_is_no_trigger_for_one_label_is_left_as_it_is(in_memory: Callable[..., Dataset]) -> None:
    data = digits(in_memory, 7)
    others = (judged("group"), judged("relabelling"), judged(target=None), judged(status="shortcut"))
    assert left_leading_away(others, {j.family: data for j in others}) == others
    numbers = replace(data, y=np.zeros(0, np.int64), classes=())
    assert left_leading_away((judged(),), {"overlay": numbers}) == (judged(),)


def test_rows_without_a_label_say_nothing(in_memory: Callable[..., Dataset]) -> None:
    data = digits(in_memory, 7)
    unlabelled = replace(data, y=np.where(np.isin(np.arange(len(data)), CARRIERS[7:]), -1, data.y))
    (found,) = left_leading_away((judged(),), {"overlay": unlabelled})
    assert found.status == "confirmed"
