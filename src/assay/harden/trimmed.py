"""A classifier that leaves out the rows it finds hardest, and learns from the rest."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from assay.harden.inner import class_codes, fresh

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FOLDS = 5  # loss is that of a model that did not see the row: trees and long texts fit their own rows whatever the label
MOST_OF_A_CLASS = 0.5  # never leave out more: half of the rows of a rare class may be hard without being poison
LEAST = 1e-12  # probability
CHOOSE = "choose"
SHARES = (0.0, 0.1, 0.2, 0.3)  # among which `CHOOSE` chooses: more than a third of wrong labels cannot be told from two kinds of rows
CHOOSING_FOLDS = 3  # a choice costs 27 fits: five for the losses of each fold, and one a share


class TrimmedClassifier(ClassifierMixin, BaseEstimator):
    """Fits, drops the `share` of rows with the largest held-out loss, and fits again until the same rows stay (TRIM: Jagielski et al.
    2018, algorithm 2, with loss by cross-fitting; small-loss training: Han et al. 2018).

    Helps against wrong labels. **It cannot see backdoors**: rows that share a trigger have small loss, so trimming keeps them; use weights
    from a scan, or partitions. `share` is what you expect to be poisoned; clean but hard rows go first where there is less than that.
    `share="choose"`: the smallest of `SHARES` whose accuracy on rows that it was not fitted on lies within one standard error of the best.
    Held-out labels are as wrong as the others, which ranks shares rightly where labels are wrong evenly; where they are wrong one way, or
    by a rule, it does not.

    `estimator`: a classifier with `predict_proba` (default logistic regression). After `fit`: `kept_` (n,) which rows it learnt from,
    `share_`, `rounds_`, `estimator_`.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> flipped = y.copy()
    >>> flipped[:5] = 2
    >>> TrimmedClassifier(share=0.05).fit(x, flipped).kept_[:5].any()
    np.False_
    """

    def __init__(self, estimator: Any = None, share: float | str = 0.1, rounds: int = 10, random_state: int = 0) -> None:
        self.estimator = estimator
        self.share = share
        self.rounds = rounds
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Train on rows (n, d) and their labels (n,)."""
        given = self.share
        if (given != CHOOSE and (isinstance(given, str) or not 0 <= given < 1)) or self.rounds < 1:
            raise ValueError(f'share is {given} and rounds {self.rounds}; give a share in [0, 1) or "choose", and 1 round or more')
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=None)
        self.classes_, code = class_codes(y)
        self.share_ = self._choose(X, code) if isinstance(given, str) else float(given)
        fold = np.random.default_rng(self.random_state).permutation(len(y)) % FOLDS
        kept = np.ones(len(y), bool)
        self.rounds_ = 0
        for number in range(1, self.rounds + 1 if self.share_ else 1):
            self.rounds_ = number
            again = self._easy(self._losses(X, code, kept, fold), code, self.share_)
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

    def _choose(self, x: Any, code: NDArray[np.int64]) -> float:
        """The share that is worth most on rows held out, less what chance makes of it."""
        fold = np.random.default_rng([self.random_state, 1]).permutation(len(code)) % CHOOSING_FOLDS
        right = np.zeros((len(SHARES), len(code)))
        for number in range(CHOOSING_FOLDS):
            inside, rest = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
            if len(np.unique(code[rest])) < 2:
                return 0.0
            own, known = x[rest], code[rest]
            losses = self._losses(own, known, np.ones(len(rest), bool), np.arange(len(rest)) % FOLDS)
            for place, share in enumerate(SHARES):
                kept = self._easy(losses, known, share)
                right[place, inside] = self._new().fit(own[kept], known[kept]).predict(x[inside]) == code[inside]
        best = right[int(right.sum(1).argmax())]
        for share, own in zip(SHARES, right, strict=True):
            apart = best - own
            if apart.sum() <= np.sqrt((apart**2).sum()):  # one standard error of a difference over the same rows
                return share
        return 0.0

    def _new(self) -> Any:
        return fresh(self.estimator, self.random_state)

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

    def _easy(self, losses: Floats, code: NDArray[np.int64], share: float) -> Bools:
        """(n,) all but the hardest, and of each class no fewer than its share."""
        kept, left = np.ones(len(code), bool), int(share * len(code))
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
