"""A linear classifier that leaves out the rows whose gradients pull it most in one direction."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, svds
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from assay.harden.inner import class_codes, fresh

Floats = NDArray[np.float64]


class SeverClassifier(ClassifierMixin, BaseEstimator):
    """Fits, drops the rows with the largest gradients along the direction in which gradients vary most, and fits again, `rounds` times,
    until the `share` of rows that is expected to be poisoned is gone (SEVER: Diakonikolas et al. 2019, algorithm 1, with the filter of
    section 4).

    For convex models: the estimator is a logistic regression, perhaps at the end of a pipeline. It drops `share` of the rows **whether they
    are poisoned or not**: there is no clean stopping rule (one by the information matrix was tried: it dropped rows of clean Adult,
    Spambase and Letter), so give the share that you expect, or use weights from a scan.

    After `fit`: `kept_` (n,) which rows it learnt from, `estimator_`.

    >>> rng = np.random.default_rng(0)
    >>> x = np.r_[rng.normal(-1, 1, (200, 2)), rng.normal(1, 1, (200, 2)), np.tile([9.0, 9.0], (20, 1))]
    >>> y = np.r_[np.zeros(200), np.ones(200), np.zeros(20)]
    >>> SeverClassifier(share=0.06).fit(x, y).kept_[400:].any()
    np.False_
    """

    def __init__(self, estimator: Any = None, share: float = 0.1, rounds: int = 4, random_state: int = 0) -> None:
        self.estimator = estimator
        self.share = share
        self.rounds = rounds
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Train on rows (n, d) and their labels (n,)."""
        if not 0 <= self.share < 1 or self.rounds < 1:
            raise ValueError(f"share is {self.share} and rounds {self.rounds}; give a share in [0, 1) and 1 round or more")
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        self.classes_, code = class_codes(y)
        kept = np.ones(len(y), bool)
        for number in range(1, self.rounds + 1):
            rows = np.flatnonzero(kept)
            wanted = int(self.share * len(y) * number / self.rounds) - int((~kept).sum())
            pull = self._pull(X[rows], code[rows])
            for row in rows[np.argsort(-pull, kind="stable")][: max(wanted, 0)]:
                kept[row] = (code[kept] == code[row]).sum() <= 1  # the last row of a class stays
        self.kept_ = kept
        self.estimator_ = self._new().fit(X[kept], y[kept])
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) classes."""
        check_is_fitted(self, "estimator_")
        return np.asarray(self.estimator_.predict(validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)))

    def predict_proba(self, X: Any) -> Floats:
        """(n, classes)."""
        check_is_fitted(self, "estimator_")
        return np.asarray(self.estimator_.predict_proba(validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)))

    def _new(self) -> Any:
        return fresh(self.estimator, self.random_state)

    def _pull(self, x: Any, code: NDArray[np.int64]) -> Floats:
        """(n,) the square of each row's gradient, less the mean, along the first singular direction of all of them."""
        model = self._new().fit(x, code)
        wrong = np.asarray(model.predict_proba(x))
        wrong[np.arange(len(code)), np.searchsorted(model.classes_, code)] -= 1
        inputs = model[:-1].transform(x) if isinstance(model, Pipeline) and len(model) > 1 else x
        n, k, d = len(code), wrong.shape[1], inputs.shape[1]
        mean = np.asarray(inputs.T @ wrong).T / n  # (k, d): a row's gradient is the outer product of what is wrong and the inputs

        def along(direction: Floats) -> Floats:
            v = direction.reshape(k, d)
            return np.asarray((np.asarray(inputs @ v.T) * wrong).sum(1) - (mean * v).sum())

        def against(weights: Floats) -> Floats:
            w = weights.ravel()
            return (np.asarray(inputs.T @ (wrong * w[:, None])).T - w.sum() * mean).ravel()

        if min(n, k * d) < 2:
            return np.zeros(n)
        gradients = LinearOperator((n, k * d), matvec=along, rmatvec=against, dtype=np.float64)
        start = np.random.default_rng(self.random_state).normal(size=min(n, k * d))
        left, size, _ = svds(gradients, k=1, v0=start, return_singular_vectors="u")
        return np.asarray((left[:, 0] * size[0]) ** 2)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
