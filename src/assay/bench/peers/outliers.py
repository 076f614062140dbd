"""The outlier detectors people reach for: ECOD (Li et al. 2022) through PyOD, and isolation forest (Liu, Ting, Zhou, 2008).

Defaults: both flag a tenth of the rows, whatever the data ("contamination = 0.1").
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import IsolationForest

from assay.bench.case import Case
from assay.bench.defence import Flags, top

CONTAMINATION = 0.1


def ecod(case: Case) -> Flags:
    """Empirical cumulative distributions' tails, over the victim's features."""
    from pyod.models.ecod import ECOD

    model = ECOD(contamination=CONTAMINATION).fit(case.victim.features(case.data.rows))
    return Flags(np.asarray(model.labels_, bool), np.asarray(model.decision_scores_, float))


def isolation_forest(case: Case) -> Flags:
    """How few random cuts set a row apart, over the victim's features."""
    features = case.victim.features(case.data.rows)
    model = IsolationForest(random_state=case.cell.seed).fit(features)
    score = -model.score_samples(features)
    return Flags(top(score, int(CONTAMINATION * len(score))), score)
