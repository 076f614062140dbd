"""The plain learners, and how each defence trains them: configuration and features in, a fitted estimator out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from assay.dataset.errors import DataError
from assay.harden.ensemble import PartitionedClassifier
from assay.harden.network import NetworkClassifier
from assay.harden.private import PrivateClassifier
from assay.harden.private_network import PrivateNetworkClassifier
from assay.harden.trimmed import TrimmedClassifier
from assay.train.config import Config
from assay.train.features import Features

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
Progress = Callable[[float, float, str], None]

STRENGTH = {"text": 10.0, "table": 1.0, "image": 0.01}  # C of logistic regression: texts have few words each, pictures thousands of pixels
TREES = 100
REACH = 8 / 255  # of adversarial examples in a drill: as in assay.harden.adversarial, which needs torch
DEEPEST = 20  # of a forest's trees: without a limit they hold every row, and the file with them


class WordWeights(TfidfTransformer):
    """TF-IDF in which words that the training rows do not hold weigh nothing, as with a vocabulary; a hashed cell would weigh most."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Weights of the words of rows (n, d)."""
        super().fit(X, y)
        seen = np.asarray(X.getnnz(axis=0)) > 0
        self.idf_: Floats = np.where(seen, self.idf_, 0.0)
        return self


def learner(name: str, features: Features, seed: int, parts: int = 1, **network: Any) -> Any:
    """An unfitted estimator for rows that `features` made; `parts`: it sees one row in so many, and its penalty on words weighs as
    against all. Scales and word weights are learnt inside it, from its own rows. `network`: settings of `NetworkClassifier`.

    DataError where they do not go together.
    """
    modality = features.modality
    if name == "network":
        return NetworkClassifier(features.picture, random_state=seed, **network)
    if name == "linear":
        text = modality == "text"
        before = StandardScaler() if not text else Normalizer() if features.sentences else WordWeights()
        strength = STRENGTH[modality] * (parts if text else 1)
        return Pipeline([("scale", before), ("model", LogisticRegression(C=strength, max_iter=500))])
    if modality != "table":
        raise DataError(f"the learner {name!r} is for tables, and this data set holds {modality}s", remedy='learner = "linear"')
    if name == "boosting":
        return Pipeline([("model", HistGradientBoostingClassifier(max_iter=TREES, early_stopping=False, random_state=seed))])
    return Pipeline([("model", RandomForestClassifier(TREES, max_depth=DEEPEST, random_state=seed))])


def fit(
    config: Config,
    features: Features,
    x: Any,
    y: Int,
    weights: Floats | None = None,
    contributors: list[str] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Any:
    """An estimator trained on rows (n, d) that `features` made and class codes (n,) as the defence asks.

    `weights` (n,) where a report gave them: rows of weight 0 are not seen at all. `contributors` (n,) where they are the unit.
    `checkpoint`: a file from which a network's training goes on; DataError where it is of another run, or nothing here can use it.
    """
    if config.learner == "network":
        needed("torch", "torch")
        if config.defence == "private":
            needed("opacus", "private")
    network = passes(config.epochs, config.defence == "private")
    if checkpoint is not None and (config.learner != "network" or config.defence == "trimmed"):
        raise DataError("a checkpoint is kept of networks, and not while trimming", path=checkpoint, remedy='learner = "network"')
    if config.learner == "network" and config.defence not in ("partitioned", "trimmed"):
        network |= {"checkpoint": checkpoint, "progress": progress}
    try:
        return _fit(config, features, x, y, weights, contributors, network, checkpoint, progress)
    except ValueError as error:
        if checkpoint is not None and "checkpoint" in str(error):
            raise DataError("is the checkpoint of another run (other rows or settings)", path=checkpoint, remedy="remove it") from error
        raise


def _fit(
    config: Config,
    features: Features,
    x: Any,
    y: Int,
    weights: Floats | None,
    contributors: list[str] | None,
    network: dict[str, Any],
    checkpoint: Path | None,
    progress: Progress | None,
) -> Any:
    asked = config.asked
    if config.defence == "private":
        budget = float(asked["epsilon"]), float(asked["delta"])
        if config.learner == "network":
            return PrivateNetworkClassifier(*budget, shape=features.picture, **network).fit(x, y, groups=contributors)
        return PrivateClassifier(*budget).fit(x, y, groups=contributors)
    if config.defence == "guarded":
        network |= guarded(asked, features)
    base = learner(config.learner, features, config.seed, int(asked.get("partitions", 1)), **network)
    if config.defence == "partitioned":
        options = {key: asked[key] for key in ("spread", "election") if key in asked} | {"progress": progress, "checkpoint": checkpoint}
        many = PartitionedClassifier(base, int(asked["partitions"]), random_state=config.seed, **options)
        return many.fit(x, y, groups=contributors)
    if config.defence == "trimmed":
        return TrimmedClassifier(base, asked["share"], random_state=config.seed).fit(x, y)
    if not config.reports:
        return base.fit(x, y)
    if weights is None:
        raise ValueError("weighted training without weights")
    seen = np.flatnonzero(weights > 0)
    if len(np.unique(y[seen])) < 2:
        raise DataError("the report quarantines all rows but those of one class", remedy="look into the report first")
    if config.learner == "network":
        return base.fit(x, y, weights=weights)
    return base.fit(x[seen], y[seen], model__sample_weight=weights[seen])


def passes(epochs: int | None, private: bool = False) -> dict[str, Any]:
    """Settings of a network for so many passes over its rows, as asked; None: as many as the network finds right."""
    if epochs is None:
        return {}
    return {"epochs": epochs} | ({} if private else {"least_steps": 1})


def needed(package: str, extra: str) -> None:
    """DataError where a package of an extra is not installed."""
    if find_spec(package) is None:
        raise DataError(f"this model needs {package}, which is not installed", remedy=f"pip install 'assay[{extra}]'")


def guarded(asked: Mapping[str, Any], features: Features) -> dict[str, Any]:
    """What a guarded network is trained with, of what the configuration asks for: loss, guard and drill."""
    from assay.harden.drills import Drill, on_pictures, squares, veils
    from assay.harden.guards import GradientGroups, SmallLoss

    made: dict[str, Any] = {"loss": asked["loss"]} if "loss" in asked else {}
    if asked.get("guard") == "small-loss":
        made["guard"] = SmallLoss(float(asked.get("share", 0.0)), float(asked.get("early", 0.0)))
    elif asked.get("guard") == "gradient-groups":
        made["guard"] = GradientGroups()
    triggered, attacked = float(asked.get("triggered", 0.0)), float(asked.get("attacked", 0.0))
    if (triggered or attacked) and not features.shape:
        raise DataError("drills put triggers and noise into pictures, and these rows hold none", remedy="leave triggered and attacked out")
    if triggered or attacked:
        made["drill"] = Drill((on_pictures(squares), on_pictures(veils)), triggered, attacked, float(asked.get("reach", REACH)))
    return made
