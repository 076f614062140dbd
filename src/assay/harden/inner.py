"""What the classifiers of this room do alike: labels as codes, and the model that is fitted inside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets


def class_codes(y: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(the classes in order, (n,) the place of each label among them). ValueError for measurements, and for a single class."""
    check_classification_targets(y)
    classes, code = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError("there is one class, and nothing to tell apart; give rows of two classes or more")
    return classes, np.asarray(code, np.int64)


def fresh(estimator: Any, random_state: int) -> Any:
    """An unfitted copy, of logistic regression where there is no estimator, seeded where it takes a seed."""
    model = LogisticRegression(max_iter=1000) if estimator is None else clone(estimator)
    return model.set_params(random_state=random_state) if "random_state" in model.get_params() else model
