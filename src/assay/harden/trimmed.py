"""A classifier that leaves out the rows it finds hardest, and learns from the rest."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FOLDS = 5  # loss is that of a model that did not see the row: trees and long texts fit their own rows whatever the label
MOST_OF_A_CLASS = 0.5  # never leave out more: half of the rows of a rare class may be hard without being poison
LEAST = 1e-12  # probability


class TrimmedClassifier(ClassifierMixin, BaseEstimator):
    """Fits, drops the `share` of rows with the largest held-out loss, and fits again until the same rows stay (TRIM: Jagielski et al.
    2018, algorithm 2, with loss by cross-fitting; small-loss training: Han et al. 2018).

    Helps against wrong labels. **It cannot see backdoors**: rows that share a trigger have small loss, so trimming keeps them; use weights
    from a scan, or partitions. `share` is what you expect to be poisoned; clean but hard rows go first where there is less than that.

    `estimator`: a classifier with `predict_proba` (default logistic regression). After `fit`: `kept_` (n,) which rows it learnt from,
    `rounds_`, `estimator_`.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> flipped = y.copy()
    >>> flipped[:5] = 2
    >>> TrimmedClassifier(share=0.05).fit(x, flipped).kept_[:5].any()
    np.False_
    """

    def __init__(self, estimator: Any = None, share: float = 0.1, rounds: int = 10, random_state: int = 0) -> None:
        self.estimator = estimator
        self.share = share
        self.rounds = rounds
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Train on rows (n, d) and their labels (n,)."""
        if not 0 <= self.share < 1 or self.rounds < 1:
            raise ValueError(f"share is {self.share} and rounds {self.rounds}; give a share in [0, 1) and 1 round or more")
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=None)
        check_classification_targets(y)
        self.classes_, code = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("there is one class, and nothing to tell apart; give rows of two classes or more")
        fold = np.random.default_rng(self.random_state).permutation(len(y)) % FOLDS
        kept = np.ones(len(y), bool)
        for number in range(1, self.rounds + 1):
            self.rounds_ = number
            again = self._easy(self._losses(X, code, kept, fold), code)
            if (again == kept).all():
                break
            kept = again
        self.kept_ = kept
        self.estimator_ = self._new().fit(X[kept], y[kept])
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) classes."""
        check_is_fitted(self, "estimator_")
        return np.asarray(self.estimator_.predict(validate_data(self, X, accept_sparse="csr", dtype=None, reset=False)))

    def predict_proba(self, X: Any) -> Floats:
        """(n, classes)."""
        check_is_fitted(self, "estimator_")
        return np.asarray(self.estimator_.predict_proba(validate_data(self, X, accept_sparse="csr", dtype=None, reset=False)))

    def _new(self) -> Any:
        model = LogisticRegression(max_iter=1000) if self.estimator is None else clone(self.estimator)
        return model.set_params(random_state=self.random_state) if "random_state" in model.get_params() else model

    def _losses(self, x: Any, code: NDArray[np.int64], kept: Bools, fold: NDArray[np.int64]) -> Floats:
        """(n,) each row's loss by a model of the kept rows of other folds; a class that it never saw has the largest there is."""
        losses = np.full(len(code), -np.log(LEAST))
        for number in range(FOLDS):
            inside, rows = np.flatnonzero(fold == number), np.flatnonzero((fold != number) & kept)
            present = np.unique(code[rows])
            if len(present) < 2 or not len(inside):
                continue
            said = np.zeros((len(inside), len(self.classes_)))
            said[:, present] = self._new().fit(x[rows], code[rows]).predict_proba(x[inside])
            losses[inside] = -np.log(np.maximum(said[np.arange(len(inside)), code[inside]], LEAST))
        return losses

    def _easy(self, losses: Floats, code: NDArray[np.int64]) -> Bools:
        """(n,) all but the hardest, and of each class no fewer than its share."""
        kept, left = np.ones(len(code), bool), int(self.share * len(code))
        may_go = np.floor(MOST_OF_A_CLASS * np.bincount(code)).astype(np.int64)
        for row in np.argsort(-losses, kind="stable"):
            if not left:
                break
            if may_go[code[row]]:
                kept[row] = False
                may_go[code[row]] -= 1
                left -= 1
        return kept

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.estimator is None or get_tags(self.estimator).input_tags.sparse
        return tags
