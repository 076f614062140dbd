"""Trees of a forest or of gradient boosting as arrays, read without running anything that the file asks for, and walked here.

Node numbers are checked before they are followed: the library that wrote them would not (scikit-learn indexes without bounds).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

LEAF = -1


@dataclass(frozen=True)
class Trees:
    """All nodes of all trees in one row of arrays. A row goes left where its cell is at most `threshold`.

    `value` (nodes, outputs) is what a leaf adds; `cover` (nodes,) how many training rows reached it, or their weight. `output` (trees,) the
    column that a tree adds to, -1 for all of them. `base` (outputs,). Two classes have one output where `signed`: above zero is class 1.
    `single`: cells are rounded to single precision first, as the forest was fitted on.
    """

    feature: Int
    threshold: Floats
    left: Int
    right: Int
    value: Floats
    cover: Floats
    root: Int
    output: Int
    base: Floats
    features: int
    signed: bool
    single: bool
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.feature)
        inner = np.flatnonzero(self.left != LEAF)
        ends = np.concatenate([self.left[inner], self.right[inner], self.root])
        if len(ends) and (ends.min() < 0 or ends.max() >= n):
            raise DataError("a tree points to nodes that are not there", remedy="get the file again; do not load it with its library")
        if (self.left[inner] <= inner).any() or (self.right[inner] <= inner).any():
            raise DataError("a tree runs in circles", remedy="get the file again; do not load it with its library")
        if len(inner) and (self.feature[inner].min() < 0 or self.feature[inner].max() >= self.features):
            raise DataError("a tree asks for columns that are not there", remedy="get the file again")

    @property
    def classes(self) -> int:
        return 2 if self.signed else len(self.base)

    def name(self, column: int) -> str:
        return self.names[column] if self.names else f"column {column}"

    def scores(self, x: Floats) -> Floats:
        """(n, outputs) of rows (n, features). Missing cells go right, which is exact only where the model saw none."""
        x = x.astype(np.float32).astype(np.float64) if self.single else x
        said = np.tile(self.base, (len(x), 1))
        rows = np.arange(len(x))
        for root, output in zip(self.root, self.output, strict=True):
            leaf = self._leaf(x, rows, root)
            if output < 0:
                said += self.value[leaf]
            else:
                said[:, output] += self.value[leaf, 0]
        return said

    def _leaf(self, x: Floats, rows: Int, root: int) -> Int:
        at = np.full(len(x), root)
        moving = rows[self.left[at] != LEAF]
        while len(moving):
            node = at[moving]
            at[moving] = np.where(x[moving, self.feature[node]] <= self.threshold[node], self.left[node], self.right[node])
            moving = moving[self.left[at[moving]] != LEAF]
        return at

    def predict(self, x: Floats) -> Int:
        """(n,) class codes."""
        return self.classify(self.scores(x))

    def classify(self, scores: Floats) -> Int:
        return np.asarray(scores[:, 0] > 0 if self.signed else scores.argmax(1), np.int64)

    def margin(self, scores: Floats) -> Floats:
        """(n, classes) how far each class lies above the best other."""
        if self.signed:
            return np.column_stack([-scores[:, 0], scores[:, 0]])
        order = np.sort(scores, 1)
        best = np.where(scores == order[:, -1:], order[:, -2:-1], order[:, -1:])
        return np.asarray(scores - best)

    def cuts(self, column: int) -> Floats:
        """Sorted thresholds on a column: between two neighbours the model is blind to its value."""
        return np.unique(self.threshold[(self.left != LEAF) & (self.feature == column)])


def of_estimator(model: Any) -> Trees:
    """The trees in a scikit-learn forest or boosting, by its arrays alone. DataError for others, and for what a walk could not repeat."""
    kind = type(model).__name__
    if kind == "Pipeline":
        raise DataError("is a pipeline, and only its last step has trees", remedy="save the last step, and give --data as it reads it")
    if kind in ("RandomForestClassifier", "ExtraTreesClassifier"):
        return _forest(model)
    if kind == "HistGradientBoostingClassifier":
        return _boosting(model)
    raise DataError(f"{kind} has no trees that are known here", remedy="forests and HistGradientBoostingClassifier are read")


def _forest(model: Any) -> Trees:
    trees = [tree.tree_ for tree in model.estimators_]
    own = _starts([tree.node_count for tree in trees])
    left, right = (np.concatenate([getattr(t, side) for t in trees]).astype(np.int64) for side in ("children_left", "children_right"))
    value = np.concatenate([t.value[:, 0, :] for t in trees])
    shift = np.repeat(own, [t.node_count for t in trees])
    inner = left >= 0
    return Trees(
        feature=np.concatenate([t.feature for t in trees]).astype(np.int64),
        threshold=np.concatenate([t.threshold for t in trees]),
        left=np.where(inner, left + shift, LEAF),
        right=np.where(inner, right + shift, LEAF),
        value=value / value.sum(1, keepdims=True) / len(trees),
        cover=np.concatenate([t.weighted_n_node_samples for t in trees]),
        root=own,
        output=np.full(len(trees), -1),
        base=np.zeros(value.shape[1]),
        features=int(model.n_features_in_),
        signed=False,
        single=True,
        names=tuple(map(str, getattr(model, "feature_names_in_", ()))),
    )


def _boosting(model: Any) -> Trees:
    trees = [(tree.nodes, output) for step in model._predictors for output, tree in enumerate(step)]
    joined = np.concatenate([nodes for nodes, _ in trees])
    if joined["is_categorical"].any():
        raise DataError("has splits by category, which are not walked here", remedy="code categories as numbers")
    sizes = [len(nodes) for nodes, _ in trees]
    own = _starts(sizes)
    leaf, shift = joined["is_leaf"].astype(bool), np.repeat(own, sizes)
    base = np.asarray(model._baseline_prediction, np.float64).reshape(1, -1)[0]
    return Trees(
        feature=joined["feature_idx"].astype(np.int64),
        threshold=joined["num_threshold"].astype(np.float64),
        left=np.where(leaf, LEAF, joined["left"].astype(np.int64) + shift),
        right=np.where(leaf, LEAF, joined["right"].astype(np.int64) + shift),
        value=joined["value"].astype(np.float64)[:, None],
        cover=joined["count"].astype(np.float64),
        root=own,
        output=np.array([output for _, output in trees], np.int64),
        base=base,
        features=int(model.n_features_in_),
        signed=len(base) == 1,
        single=False,
        names=tuple(map(str, getattr(model, "feature_names_in_", ()))),
    )


def _starts(sizes: list[int]) -> Int:
    return np.r_[0, np.cumsum(sizes)[:-1]].astype(np.int64)
