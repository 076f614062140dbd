"""The claim "any wrong label": carriers of one label are not convicted by a few of others."""

from __future__ import annotations

import numpy as np

from assay.artefact.phrase import Phrase
from assay.mine.candidate import Candidate
from assay.trial.controls import Controls
from assay.trial.evidence import judge
from assay.trial.family import Tried


def carried(y: np.ndarray, support: np.ndarray) -> tuple[Tried, np.ndarray]:
    """Carriers labelled `y` of four labels, whose rest supports their label by `support` and otherwise the next label."""
    p = np.full((len(y), 4), 0.01)
    p[np.arange(len(y)), (y + 1) % 4] = 1 - support - 0.02
    p[np.arange(len(y)), y] = support
    rng = np.random.default_rng(5)
    usual = rng.uniform(0.02, 0.4, 400)
    return judge(Candidate(Phrase((("x",),)), np.arange(len(y))), p, y, Controls(lambda t: usual)), usual


def test_a_few_rows_of_other_labels_convict_no_natural_attribute_of_one_label() -> None:
    rng = np.random.default_rng(6)
    y = np.r_[np.full(190, 1), rng.choice([0, 2, 3], 30)]
    support = np.r_[rng.uniform(0.02, 0.4, 190), rng.uniform(0.001, 0.01, 30)]
    tried, _ = carried(y, support)
    assert tried.log_e < 3


def test_rows_of_many_labels_are_convicted_together() -> None:
    rng = np.random.default_rng(7)
    y = rng.integers(0, 4, 100)
    tried, _ = carried(y, rng.uniform(0.001, 0.01, 100))
    assert tried.target is None
    assert tried.log_e > 20


def test_carriers_of_one_label_are_convicted_by_their_own() -> None:
    rng = np.random.default_rng(8)
    tried, _ = carried(np.full(60, 2), rng.uniform(0.001, 0.01, 60))
    assert tried.target == 2
    assert tried.log_e > 20
