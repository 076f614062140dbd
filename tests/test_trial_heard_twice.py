"""One verdict of several hearings."""

from __future__ import annotations

import numpy as np
import pytest

from assay.artefact.phrase import Phrase
from assay.mine.candidate import Candidate
from assay.trial.family import Tried
from assay.trial.heard_twice import of_all


def tried(start: int, stop: int, log_e: float, target: int = 1) -> Tried:
    return Tried(Candidate(Phrase((("cf",),), ("text",)), np.arange(start, stop)), target, log_e, 1e-4, ())


def test_the_stronger_hearing_counts_by_half() -> None:
    (one,) = of_all([[tried(0, 30, -2.0)], [tried(1, 30, 20.0)]])
    assert one.log_e == pytest.approx(20.0 - np.log(2))
    assert one.p_value == pytest.approx(2e-4)


def test_one_hearing_is_as_it_was() -> None:
    assert [t.log_e for t in of_all([[tried(0, 30, 3.0), tried(40, 60, 5.0)]])] == [5.0, 3.0]


def test_other_rows_and_other_targets_stand_by_themselves() -> None:
    found = of_all([[tried(0, 30, 9.0), tried(100, 130, 1.0)], [tried(0, 30, 6.0, target=2)]])
    assert [(t.target, len(t.candidate.carriers)) for t in found] == [(1, 30), (2, 30), (1, 30)]


def test_the_mean_of_e_values_is_one_whatever_their_dependence() -> None:
    """Of nulls, the e-value of the stronger by half is 1 at most on average."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20_000, 2)) @ np.array([[1.0, 0.7], [0.0, np.sqrt(1 - 0.49)]])
    log_e = 1.5 * x - 1.5**2 / 2  # likelihood ratios of dependent normal draws
    assert np.exp(log_e).mean() == pytest.approx(1, abs=0.15)
    assert np.mean([np.exp(of_all([[tried(0, 9, float(a))], [tried(0, 9, float(b))]])[0].log_e) for a, b in log_e[:5_000]]) < 1.0
