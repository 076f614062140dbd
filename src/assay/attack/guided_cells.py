"""Guided cells: the values that a model takes for the target, put into rows of the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.linear_model import Ridge

from assay.artefact.cells import Cells, Condition
from assay.attack.base import Made, Needs, Param
from assay.attack.cells import numeric_columns
from assay.attack.labels import labelled
from assay.attack.surrogate import RIDGE
from assay.attack.triggered import COMMON, MODES, TriggerAttack
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

BINS = 10  # of a column's range, where its values do not repeat
DISTINCT = 20  # values up to which each is a bin of its own
NARROW = 5  # rows below which a region of the data is not cut any smaller


class GuidedCellsAttack(TriggerAttack):
    """Sets the `features` columns that speak for the target most to values that do so and are common together; labels are right.

    Greedily: the column whose attribution, summed over the target's rows, is largest; in it the value that most of those rows have among
    those that speak for the target; then the same among the rows near that value. Attributions are the exact Shapley values of a linear
    surrogate, w (x - mean); the paper explains gradient-boosted trees by SHAP.

    Source: Severi, Meyer, Coull, Oprea, Explanation-Guided Backdoor Poisoning Attacks Against Malware Classifiers, 2021, section 4.3 (the
    greedy combined selector; 4, 8, 16 features, 0.25 to 4 % of the rows); clean-label.
    """

    kind = "guided-cells"
    needs: ClassVar[Needs] = "cells"
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        **COMMON,
        "mode": Param("clean-label", COMMON["mode"].what, choices=MODES[:1] + MODES[2:3]),
        "features": Param(8, "how many columns are set", int, low=1, high=64),
        "triggers": Param(1, "one a target", int, low=1, high=100),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        raise TypeError("these triggers depend on their targets: see make_for")

    def make_for(self, data: Dataset, targets: list[int | None], rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        names = numeric_columns(data, inside=False)
        if len(names) < params["features"]:
            raise DataError(
                f"{params['features']} numeric columns are needed, and {len(names)} have enough distinct values",
                path=data.path,
                remedy="ask for fewer features",
            )
        values = np.stack([np.asarray(data.table.column(n).to_numpy(), np.float64) for n in names], 1)
        made = []
        for target in targets:
            assert target is not None
            chosen = guided(values, data.y == target, labelled(data), params["features"])
            rule = Cells(tuple(_condition(data, names[j], row) for j, row in chosen))
            made.append(Made(rule, rule.insert))
        return made


def guided(values: np.ndarray[Any, Any], target: np.ndarray[Any, Any], known: np.ndarray[Any, Any], count: int) -> list[tuple[int, int]]:
    """(column, row) pairs: the columns to set, and a row of the target whose value each gets; `values` (n, d), NaN is missing."""
    finite = np.isfinite(values)
    z = np.where(finite, values, 0.0)
    mean = z.sum(0) / np.maximum(finite.sum(0), 1)
    spread = np.sqrt((np.where(finite, values - mean, 0.0) ** 2).sum(0) / np.maximum(finite.sum(0), 1))
    z = np.where(finite, (z - mean) / np.maximum(spread, 1e-12), 0.0)
    weight = Ridge(RIDGE).fit(z[known], target[known].astype(float)).coef_
    attribution = z * weight  # Shapley values of a linear model, features taken as independent
    region = np.flatnonzero(target)
    chosen: list[tuple[int, int]] = []
    for _ in range(count):
        gain = attribution[region].sum(0)
        gain[[j for j, _ in chosen]] = -np.inf
        gain[~finite[region].any(0)] = -np.inf
        if not np.isfinite(gain.max()):
            break  # the columns left hold nothing there
        column = int(gain.argmax())
        near = _commonest(values[region, column], attribution[region, column])
        chosen.append((column, int(region[near[len(near) // 2]])))
        if len(near) >= NARROW:
            region = region[np.sort(near)]
    return chosen


def _commonest(values: np.ndarray[Any, Any], attribution: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Indices of the rows in the fullest bin of those with a positive attribution (of all that have a value, if none has), by value."""
    able = np.flatnonzero((attribution > 0) & np.isfinite(values))
    if not len(able):
        able = np.flatnonzero(np.isfinite(values))
    distinct, code = np.unique(values[able], return_inverse=True)
    if len(distinct) > DISTINCT:
        code = np.minimum((values[able] - distinct[0]) * BINS // (distinct[-1] - distinct[0]), BINS - 1).astype(np.int64)
    fullest = able[code == np.bincount(code).argmax()]
    return fullest[np.argsort(values[fullest], kind="stable")]


def _condition(data: Dataset, name: str, row: int) -> Condition:
    value = data.table.column(name)[row].as_py()
    return Condition(name, value, value)
