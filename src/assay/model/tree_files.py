"""Trees in files: scikit-learn through skops, XGBoost's JSON, LightGBM's text. None of the three libraries that wrote them predicts here.

A skops file is loaded with the types that skops itself trusts and the two that hold raw nodes; those are then read as arrays alone, and
`assay.model.trees` checks every node number before it is followed.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DAMAGE, DataError
from assay.model.static import size_of
from assay.model.trees import LEAF, Trees, of_estimator

RAW_NODES = ("sklearn.tree._tree.Tree", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")
LIGHTGBM = b"tree\n"
PRESUMED = "get the file again, or save it anew"


def is_tree_file(path: Path) -> bool:
    """Whether the file looks like one that is read here."""
    if path.suffix.lower() == ".skops":
        return True
    with path.open("rb") as file:
        head = file.read(4096)
    return head.startswith(LIGHTGBM) or (head.lstrip().startswith(b"{") and b'"learner"' in head)


def read_trees(path: Path) -> Trees:
    """The trees of a model file. DataError where it is absent, holds none, is broken, or splits in ways that are not walked here."""
    size_of(path)
    if path.suffix.lower() == ".skops":
        return of_estimator(read_estimator(path))
    try:
        data = path.read_bytes()
        return _lightgbm(data.decode("utf-8")) if data.startswith(LIGHTGBM) else _xgboost(json.loads(data))
    except (KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise DataError(f"holds no trees that can be read ({type(error).__name__}: {error})", path=path, remedy=PRESUMED) from error


def read_estimator(path: Path) -> Any:
    """The estimator in a skops file, of types that are trusted or raw nodes; to be read as arrays. DataError for any other type."""
    if importlib.util.find_spec("skops") is None:
        raise DataError("needs the package skops", path=path, remedy="pip install 'assay[skops]'")
    from skops import io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        strange = sorted(set(io.get_untrusted_types(file=path)) - set(RAW_NODES))
        if strange:
            raise DataError(
                f"asks for {', '.join(strange[:4])}, and it is not loaded", path=path, remedy="trust nothing that you did not write"
            )
        return io.load(path, trusted=list(RAW_NODES))
    except (UntrustedTypesFoundException, *DAMAGE) as error:
        raise DataError(f"cannot be read ({type(error).__name__}: {error})", path=path, remedy=PRESUMED) from error


def _xgboost(told: dict[str, Any]) -> Trees:
    learner = told["learner"]
    booster = learner["gradient_booster"]
    if booster.get("name", "gbtree") != "gbtree":
        raise ValueError(f"a booster of the kind {booster['name']}")
    trees = booster["model"]["trees"]
    parameters = learner["learner_model_param"]
    classes = max(1, int(parameters["num_class"]))
    parts: list[dict[str, NDArray[Any]]] = []
    for tree in trees:
        if any(tree.get("split_type", [])):
            raise ValueError("splits by category, which are not walked here")
        left = np.asarray(tree["left_children"], np.int64)
        cut = np.asarray(tree["split_conditions"], np.float32)
        parts.append(
            {
                "left": left,
                "right": np.asarray(tree["right_children"], np.int64),
                "feature": np.asarray(tree["split_indices"], np.int64),
                "threshold": np.nextafter(cut, np.float32(-np.inf)).astype(np.float64),  # left is strictly below the cut there
                "value": np.where(left < 0, cut, 0).astype(np.float64),
                "cover": np.asarray(tree["sum_hessian"], np.float64),
            }
        )
    base = np.array([float(one) for one in str(parameters["base_score"]).strip("[]").split(",")])  # one, or one a class (3.1 and later)
    if str(learner["objective"]["name"]).startswith("binary:logistic"):
        base = np.log(base / (1 - base))
    if len(base) not in (1, classes):
        raise ValueError(f"{len(base)} base scores for {classes} outputs")
    output = np.asarray(booster["model"]["tree_info"], np.int64)
    names = tuple(map(str, learner.get("feature_names") or ()))
    return _joined(parts, output, np.broadcast_to(base, (classes,)).copy(), int(parameters["num_feature"]), names, single=True)


def _lightgbm(text: str) -> Trees:
    head, *bodies = text.split("\nTree=")
    top = _fields(head)
    outputs = int(top["num_tree_per_iteration"])
    names = tuple(top["feature_names"].split(" "))
    parts: list[dict[str, NDArray[Any]]] = []
    for body in bodies:
        said = _fields(body.split("\n\n")[0])
        leaf_value = _numbers(said["leaf_value"], np.float64)
        leaf_count = _numbers(said.get("leaf_count", ""), np.float64)
        inner = int(said["num_leaves"]) - 1
        if len(leaf_count) != len(leaf_value):
            leaf_count = np.ones(len(leaf_value))
        if inner and (_numbers(said["decision_type"], np.int64) & 1).any():
            raise ValueError("splits by category, which are not walked here")
        child = {side: _numbers(said[f"{side}_child"], np.int64) if inner else np.zeros(0, np.int64) for side in ("left", "right")}
        none = np.full(len(leaf_value), LEAF)
        part = {side: np.r_[np.where(c < 0, inner + ~c, c), none].astype(np.int64) for side, c in child.items()}
        part["feature"] = np.r_[_numbers(said["split_feature"], np.int64) if inner else none[:0], none * 0].astype(np.int64)
        part["threshold"] = np.r_[_numbers(said["threshold"], np.float64) if inner else none[:0], none * 0.0]
        part["value"] = np.r_[np.zeros(inner), leaf_value]
        part["cover"] = np.r_[_numbers(said["internal_count"], np.float64) if inner else none[:0], leaf_count]
        parts.append(part)
    output = np.arange(len(parts)) % outputs
    return _joined(parts, output, np.zeros(outputs), int(top["max_feature_idx"]) + 1, names, single=False)


def _fields(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _numbers(text: str, dtype: Any) -> NDArray[Any]:
    return np.array(text.split(), dtype)


def _joined(
    parts: list[dict[str, NDArray[Any]]],
    output: NDArray[Any],
    base: NDArray[np.float64],
    features: int,
    names: tuple[str, ...],
    single: bool,
) -> Trees:
    if not parts:
        raise ValueError("no tree in it")
    sizes = [len(part["left"]) for part in parts]
    root = np.r_[0, np.cumsum(sizes)[:-1]].astype(np.int64)
    shift = np.repeat(root, sizes)
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    inner = whole["left"] >= 0
    if len({len(array) for array in whole.values()}) != 1:
        raise ValueError("columns of nodes that differ in length")
    return Trees(
        feature=whole["feature"],
        threshold=whole["threshold"],
        left=np.where(inner, whole["left"] + shift, LEAF),
        right=np.where(inner, whole["right"] + shift, LEAF),
        value=whole["value"][:, None],
        cover=whole["cover"],
        root=root,
        output=np.asarray(output, np.int64),
        base=base,
        features=features,
        signed=len(base) == 1,
        single=single,
        names=names if len(names) == features else (),
    )
