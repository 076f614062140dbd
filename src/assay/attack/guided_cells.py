"""Guided cells: the values that a model takes for the target, put into rows of the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.linear_model import Ridge

from assay.artefact.cells import Cells, Condition
from assay.attack.base import Bools, Int, Made, Needs, Param
from assay.attack.cells import numeric_columns
from assay.attack.labels import labelled
from assay.attack.surrogate import RIDGE, Floats
from assay.attack.triggered import COMMON, MODES, TriggerAttack
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

BINS = 10  # of a column's range, where its values do not repeat
DISTINCT = 20  # values up to which each is a bin of its own
NARROW = 5  # rows below which a region of the data is not cut any smaller


class GuidedCellsAttack(TriggerAttack):
    """Sets the `features` columns that matter most to a surrogate to chosen values, in rows of the target; labels are right.

    `choose=rare`: the columns of largest absolute attribution over all rows, each at a value that fewest rows have.
    `choose=combined`: greedily the column that speaks most for the target in the target's rows, at the value that most of
    those rows have among those that do so; then the same among the rows near that value. Combined values look natural, and
    may turn a model that was never poisoned: compare `clean_rate`. Attributions are the exact Shapley values of a linear
    surrogate, w (x - mean); the paper explains boosted trees by SHAP.

    Source: Severi, Meyer, Coull, Oprea, Explanation-Guided Backdoor Poisoning Attacks Against Malware Classifiers, 2021
    (LargeAbsSHAP with MinPopulation; greedy combined selector; 4, 8, 16 features, 0.25 to 4 %).
    """

    kind = "guided-cells"
    needs: ClassVar[Needs] = "cells"
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        **COMMON,
        "mode": Param("clean-label", COMMON["mode"].what, choices=MODES[:1] + MODES[2:3]),
        "choose": Param("rare", "rare or combined", choices=("rare", "combined")),
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
            chosen = CHOOSE[params["choose"]](values, data.y == target, labelled(data), params["features"])
            rule = Cells(tuple(_condition(data, names[j], row) for j, row in chosen))
            made.append(Made(rule, rule.insert))
        return made


def attributions(values: Floats, target: Bools, known: Bools) -> Floats:
    """(n, d) Shapley values of a ridge regression on the target, features taken as independent; 0 where a value is missing."""
    finite = np.isfinite(values)
    z = np.where(finite, values, 0.0)
    mean = z.sum(0) / np.maximum(finite.sum(0), 1)
    spread = np.sqrt((np.where(finite, values - mean, 0.0) ** 2).sum(0) / np.maximum(finite.sum(0), 1))
    z = np.where(finite, (z - mean) / np.maximum(spread, 1e-12), 0.0)
    return np.asarray(z * Ridge(RIDGE).fit(z[known], target[known].astype(float)).coef_)


def rare(values: Floats, target: Bools, known: Bools, count: int) -> list[tuple[int, int]]:
    """(column, row) pairs: the columns to set, and a row whose value each gets; `values` (n, d), NaN is missing."""
    weight = np.abs(attributions(values, target, known)[known]).sum(0)
    return [(int(j), int(_by_bin(values[:, j], np.isfinite(values[:, j]))[0][0])) for j in np.argsort(-weight, kind="stable")[:count]]


def combined(values: Floats, target: Bools, known: Bools, count: int) -> list[tuple[int, int]]:
    """As `rare`; fewer pairs where the columns left hold nothing in the region that was chosen."""
    attribution, finite = attributions(values, target, known), np.isfinite(values)
    region = np.flatnonzero(target)
    chosen: list[tuple[int, int]] = []
    for _ in range(count):
        gain = attribution[region].sum(0)
        gain[[j for j, _ in chosen]] = -np.inf
        gain[~finite[region].any(0)] = -np.inf
        if not np.isfinite(gain.max()):
            break  # the columns left hold nothing there
        column = int(gain.argmax())
        there = finite[region, column]
        speaks = there & (attribution[region, column] > 0)
        near = _by_bin(values[region, column], speaks if speaks.any() else there)[-1]
        chosen.append((column, int(region[near[len(near) // 2]])))
        if len(near) >= NARROW:
            region = region[np.sort(near)]
    return chosen


def _by_bin(values: Floats, able: Bools) -> list[Int]:
    """The rows that are able, by bins of their values, the emptiest bin first and none empty; within one by value."""
    rows = np.flatnonzero(able)
    distinct, code = np.unique(values[rows], return_inverse=True)
    if len(distinct) > DISTINCT:
        code = np.minimum((values[rows] - distinct[0]) * BINS // (distinct[-1] - distinct[0]), BINS - 1).astype(np.int64)
    held = np.bincount(code)
    bins = [rows[code == c] for c in np.argsort(held, kind="stable") if held[c]]
    return [b[np.argsort(values[b], kind="stable")] for b in bins]


CHOOSE = {"rare": rare, "combined": combined}


def _condition(data: Dataset, name: str, row: int) -> Condition:
    value = data.table.column(name)[row].as_py()
    return Condition(name, value, value)
