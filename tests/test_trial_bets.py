"""The first pass asks of many artefacts at once what the trial asks of one."""

from __future__ import annotations

import numpy as np

from assay.trial.bets import surprises
from assay.trial.surprise import HIDDEN, covered_surprise, surprise


def test_many_at_once_are_surprising_as_each_is_by_itself() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([1, 7, 30, 12])
    artefact = np.repeat(np.arange(4), sizes)
    p = rng.dirichlet(np.ones(3), len(artefact)) * 0.94 + 0.02
    y, votes = rng.integers(0, 3, len(artefact)), rng.choice([0.5, 1.0], len(artefact))
    found = surprises(artefact, y, p, votes, 4)
    for each in range(4):
        mine = artefact == each
        whole = surprise(p[mine], y[mine], votes[mine])
        mixed = covered_surprise(p[mine], y[mine], votes[mine])
        wanted = np.logaddexp(np.log1p(-HIDDEN) + whole.log_e_targeted, np.log(HIDDEN) + mixed)
        assert np.allclose(found.targeted[each], wanted)
        assert np.isclose(found.untargeted[each], whole.log_e_untargeted)


def test_a_pure_target_loses_a_twentieth_of_a_nat() -> None:
    p, y = np.full((30, 4), 0.25), np.full(30, 2)
    found = surprises(np.zeros(30, np.int64), y, p, np.ones(30), 1).targeted[0, 2]
    assert surprise(p, y).log_e_targeted[2] - 0.06 < found


def test_what_is_pure_has_no_part_of_its_bet_on_cover_rows() -> None:
    rng = np.random.default_rng(1)
    p, y, votes = np.full((40, 2), 0.5), rng.integers(0, 2, 40), np.ones(40)
    found = surprises(np.repeat([0, 1], 20), y, p, votes, 2, np.array([True, False])).targeted
    assert np.allclose(found[0], surprise(p[:20], y[:20]).log_e_targeted)
    assert (found[1] > surprise(p[20:], y[20:]).log_e_targeted).any()
