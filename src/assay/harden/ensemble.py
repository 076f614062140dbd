"""A classifier of many, each trained on its own part of the rows, with a certificate for every prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from assay.harden.inner import fresh
from assay.harden.partition import partition_of, row_keys, spread_feeds
from assay.harden.votes import Certified, plurality, run_off

Int = NDArray[np.int64]


class PartitionedClassifier(ClassifierMixin, BaseEstimator):
    """**Guarantee**: `certify(X)` gives for each row how many training rows (or contributors) an attacker may add or remove, anywhere,
    without changing its prediction; see `assay.harden.votes`.

    `estimator`: any scikit-learn classifier (default logistic regression); it must be deterministic given its rows, so a `random_state`
    is set where it has one. `partitions`: more of them certify more and cost accuracy; 50 to 3,000 with cheap heads on frozen features.
    `spread`: Finite Aggregation, that many models a partition. `election`: "plurality", or "run-off" (with `predict_proba` or
    `decision_function`; not with spread). A partition without rows abstains to class 0, with one class it answers that.

    `progress(done, total, what)` is called before each model. `checkpoint`: a folder for models of `NetworkClassifier`, from which an
    interrupted `fit` goes on; it is removed at the end.

    `fit(X, y, groups=None)`: with `groups` (n,), one contributor a row, partitions are by contributor and so are certificates.
    `forget(rows)` removes training rows exactly: only the models they fed are trained again.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> certified = PartitionedClassifier(partitions=11).fit(x, y).certify(x[:1])
    >>> int(certified.prediction[0]), int(certified.radius[0])
    (0, 5)
    """

    def __init__(
        self,
        estimator: Any = None,
        partitions: int = 10,
        spread: int = 1,
        election: Literal["plurality", "run-off"] = "plurality",
        random_state: int = 0,
        progress: Callable[[float, float, str], None] | None = None,
        checkpoint: str | Path | None = None,
    ) -> None:
        self.estimator = estimator
        self.partitions = partitions
        self.spread = spread
        self.election = election
        self.random_state = random_state
        self.progress = progress
        self.checkpoint = checkpoint

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> Self:
        """Train every model on the rows that its partitions hold."""
        if self.partitions < 1 or self.spread < 1:
            raise ValueError(f"partitions and spread are at least 1; got {self.partitions} and {self.spread}")
        if self.election not in ("plurality", "run-off") or (self.election == "run-off" and self.spread > 1):
            raise ValueError('election is "plurality", or "run-off" with spread 1')
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=None)
        check_classification_targets(y)
        self.classes_, self._y = np.unique(y, return_inverse=True)
        self._x = X
        keys = row_keys(X, y) if groups is None else [str(g).encode() for g in groups]
        if len(keys) != len(y):
            raise ValueError(f"groups has {len(keys)} entries for {len(y)} rows")
        self.feeds_ = spread_feeds(self.partitions, self.spread, self.random_state)
        self.partition_ = partition_of(keys, len(self.feeds_))
        self._kept = np.ones(len(y), bool)
        self.models_: list[Any] = [None] * len(self.feeds_)
        self._train(np.arange(len(self.models_)))
        return self

    def forget(self, rows: Any) -> Int:
        """Train as if these training rows (positions) had never been there; the models that were trained again."""
        check_is_fitted(self, "models_")
        rows = np.asarray(rows, np.int64)
        self._kept[rows] = False
        touched = np.unique(self.feeds_[self.partition_[rows]])
        self._train(touched)
        return np.asarray(touched, np.int64)

    def retrain(self, X: Any, code: Int, partition: Int, classes: int, members: Int) -> dict[int, Any]:
        """Members (their numbers) trained on rows dealt already: features X (n, d), class codes (n,) of 0 .. classes - 1, their partition
        (n,).

        The same members as `fit` makes of these rows, where they come in the same order; the ensemble itself stays as it is.
        """
        other = clone(self)
        other.classes_, other._x, other._y = np.arange(classes), X, np.asarray(code, np.int64)
        other.feeds_ = spread_feeds(self.partitions, self.spread, self.random_state)
        other.partition_, other._kept = np.asarray(partition, np.int64), np.ones(len(code), bool)
        other.models_ = [None] * len(other.feeds_)
        other._train(members)
        return {int(number): other.models_[number] for number in members}

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) the elected classes."""
        prediction = self.certify(X).prediction
        return np.asarray(self.classes_[prediction])

    def certify(self, X: Any) -> Certified:
        """`prediction` (n,) positions in `classes_`, `radius` (n,) training rows or contributors that it withstands."""
        check_is_fitted(self, "models_")
        X = validate_data(self, X, accept_sparse="csr", dtype=None, reset=False)
        if self.election == "run-off":
            scores = np.stack([self._scores(model, X) for model in self.models_], 1)
            return run_off(scores.argmax(2), scores, len(self.classes_))
        votes = np.stack([self._votes(model, X) for model in self.models_], 1)
        return plurality(votes, len(self.classes_), self.feeds_ if self.spread > 1 else None)

    def _train(self, models: Int) -> None:
        folder = None if self.checkpoint is None else Path(self.checkpoint)
        if folder is not None:
            if self.estimator is None or "keep_checkpoint" not in self.estimator.get_params():
                raise ValueError("checkpoints are kept of networks alone; leave `checkpoint` out")
            folder.mkdir(exist_ok=True)
        for done, number in enumerate(models):
            if self.progress is not None:
                self.progress(done, len(models), "training members")
            feeding = np.flatnonzero((self.feeds_ == number).any(1))
            rows = np.flatnonzero(np.isin(self.partition_, feeding) & self._kept)
            present = np.unique(self._y[rows])
            if len(present) < 2:
                self.models_[number] = int(present[0]) if len(present) else 0
                continue
            model = fresh(self.estimator, self.random_state)
            if folder is not None:
                model.set_params(checkpoint=folder / f"{number}.pt", keep_checkpoint=True)
            self.models_[number] = model.fit(self._x[rows], self._y[rows])
        if folder is not None:
            for number in models:
                (folder / f"{number}.pt").unlink(missing_ok=True)
            folder.rmdir()

    def _votes(self, model: Any, x: Any) -> Int:
        if isinstance(model, int):
            return np.full(x.shape[0], model, np.int64)
        return np.asarray(model.predict(x), np.int64)

    def _scores(self, model: Any, x: Any) -> NDArray[np.float64]:
        """(n, classes); classes that a model never saw come last."""
        scores = np.full((x.shape[0], len(self.classes_)), -np.inf)
        if isinstance(model, int):
            scores[:, model] = 0.0
            return scores
        said = model.predict_proba(x) if hasattr(model, "predict_proba") else model.decision_function(x)
        if said.ndim == 1:
            said = np.stack([-said, said], 1)
        scores[:, model.classes_] = said
        return scores

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.estimator is None or get_tags(self.estimator).input_tags.sparse
        return tags
