"""The plain learners, and how each defence trains them: configuration and features in, a fitted estimator out."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from assay.dataset.errors import DataError
from assay.harden.ensemble import PartitionedClassifier
from assay.harden.private import PrivateClassifier
from assay.harden.trimmed import TrimmedClassifier
from assay.train.config import Config

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

STRENGTH = {"text": 10.0, "table": 1.0, "image": 0.01}  # C of logistic regression: texts have few words each, pictures thousands of pixels
TREES = 100
DEEPEST = 20  # of a forest's trees: without a limit they hold every row, and the file with them


class WordWeights(TfidfTransformer):
    """TF-IDF in which words that the training rows do not hold weigh nothing, as with a vocabulary; a hashed cell would weigh most."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Weights of the words of rows (n, d)."""
        super().fit(X, y)
        seen = np.asarray(X.getnnz(axis=0)) > 0
        self.idf_: Floats = np.where(seen, self.idf_, 0.0)
        return self


def learner(name: str, modality: str, seed: int, parts: int = 1) -> Any:
    """An unfitted estimator; `parts`: it sees one row in so many, and its penalty on words weighs as against all. Scales and word
    weights are learnt inside it, from its own rows. DataError where they do not go together.
    """
    if name == "linear":
        before = WordWeights() if modality == "text" else StandardScaler()
        strength = STRENGTH[modality] * (parts if modality == "text" else 1)
        return Pipeline([("scale", before), ("model", LogisticRegression(C=strength, max_iter=500))])
    if modality != "table":
        raise DataError(f"the learner {name!r} is for tables, and this data set holds {modality}s", remedy='learner = "linear"')
    if name == "boosting":
        return Pipeline([("model", HistGradientBoostingClassifier(max_iter=TREES, early_stopping=False, random_state=seed))])
    return Pipeline([("model", RandomForestClassifier(TREES, max_depth=DEEPEST, random_state=seed))])


def fit(config: Config, modality: str, x: Any, y: Int, weights: Floats | None = None, contributors: list[str] | None = None) -> Any:
    """An estimator trained on rows (n, d) and class codes (n,) as the defence asks.

    `weights` (n,) for `weighted`: rows of weight 0 are not seen at all. `contributors` (n,) where they are the unit.
    """
    if config.defence == "private":
        private = PrivateClassifier(float(config.asked["epsilon"]), float(config.asked["delta"]))
        return private.fit(x, y, groups=contributors)
    base = learner(config.learner, modality, config.seed, int(config.asked.get("partitions", 1)))
    if config.defence == "partitioned":
        options = {key: config.asked[key] for key in ("spread", "election") if key in config.asked}
        many = PartitionedClassifier(base, int(config.asked["partitions"]), random_state=config.seed, **options)
        return many.fit(x, y, groups=contributors)
    if config.defence == "trimmed":
        return TrimmedClassifier(base, float(config.asked["share"]), random_state=config.seed).fit(x, y)
    if config.defence == "weighted":
        if weights is None:
            raise ValueError("weighted training without weights")
        seen = np.flatnonzero(weights > 0)
        if len(np.unique(y[seen])) < 2:
            raise DataError("the report quarantines all rows but those of one class", remedy="look into the report first")
        return base.fit(x[seen], y[seen], model__sample_weight=weights[seen])
    return base.fit(x, y)
