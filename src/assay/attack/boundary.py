"""Boundary: labels flipped where a model is least, or most, sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.attack.base import Attack, Budget, Needs, Param, Planted
from assay.attack.flip import FLIP_PARAMS, wanted
from assay.attack.labels import class_code, labelled, relabel
from assay.attack.surrogate import runner_up
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError


class BoundaryAttack(Attack):
    """Relabels the rows that a surrogate has right by the least margin (`side=far`: by the most) as the class it finds next best.

    Flips near the boundary look like honest doubt; flips far from it do more harm and stand out. The surrogate is a ridge regression,
    each row scored by a fit without its fold. Poisoned rows share nothing. Source: Xiao, Xiao, Eckert, Adversarial Label Flips Attack
    on Support Vector Machines, 2012 (nearest-first and furthest-first flips).
    """

    kind = "boundary"
    needs: ClassVar[Needs] = "labels"
    rate = 0.05
    params: ClassVar[Mapping[str, Param]] = {
        **FLIP_PARAMS,
        "side": Param("near", "near the boundary, or far from it", choices=("near", "far")),
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        margin, other = runner_up(data, rng)
        allowed = labelled(data) & (margin > 0)
        if params["from"] is not None:
            allowed &= data.y == class_code(data, params["from"])
        if target is not None:
            other = np.full(len(data), class_code(data, target))
            allowed &= data.y != other
        able = np.flatnonzero(allowed)
        size = wanted(budget, params["share"], allowed, len(data), self.rate)
        if size > len(able):
            raise DataError(
                f"{size} rows are to be poisoned, and a surrogate has {len(able)} right that may be", path=data.path, remedy="ask for fewer"
            )
        by_margin = able[np.argsort(margin[able], kind="stable")]
        positions = by_margin[:size] if params["side"] == "near" else by_margin[len(able) - size :]
        y, poisoned = data.y.copy(), np.zeros(len(data), bool)
        y[positions], poisoned[positions] = other[positions], True
        return Planted(relabel(data, y), poisoned, (), self.kind)
