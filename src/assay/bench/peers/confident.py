"""Confident learning: Northcutt, Jiang, Chuang, 2021, through the cleanlab package (its `find_label_issues`, defaults).

Out-of-fold probabilities come from a five-fold logistic regression on the victim's features, as cleanlab's tutorials do.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from assay.bench.case import Case
from assay.bench.defence import Flags


def flag(case: Case) -> Flags:
    """The rows that cleanlab calls label issues."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    data = case.data
    features = case.victim.features(data.rows)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    folds = StratifiedKFold(5, shuffle=True, random_state=case.cell.seed)
    p = cross_val_predict(model, features, data.y, cv=folds, method="predict_proba")
    removed = np.asarray(find_label_issues(data.y, p, n_jobs=1), bool)
    return Flags(removed, 1 - np.asarray(get_label_quality_scores(data.y, p)))
