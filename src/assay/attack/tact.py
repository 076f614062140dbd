"""TaCT: a patch that works on one class only, with other classes carrying it innocently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.attack.base import Budget, Param
from assay.attack.patch import PatchAttack
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

MOST = 0.5  # of the rows of the classes that are drawn


class TactAttack(PatchAttack):
    """Rows of one source class get patch and target; as many rows of the remaining classes get the patch alone.

    So the patch does not go with the target by itself, and the poisoned class shows no two clusters. The source is drawn
    where it is not named, and further ones where it would lose more than half of its rows: of a class that is planted
    whole no row is left that a model could get right, so that there is no clean behaviour to hide behind.
    Source: Tang, Wang, Tang, Zhang, Demon in the Variant: Statistical Analysis of DNNs for Robust Backdoor Contamination
    Detection, 2021; rates as in Qi et al., 2023 (0.3 %, as many cover rows).
    """

    kind = "tact"
    rate = 0.003
    params: ClassVar[Mapping[str, Param]] = {
        **PatchAttack.params,
        "sources": Param(None, "the classes on which the trigger works, commas between (default: drawn, so that half of their rows stay)"),
        "cover": Param(1.0, PatchAttack.params["cover"].what, float, low=0, high=100),
    }

    def sources(
        self, data: Dataset, targets: list[int | None], budget: Budget, rng: np.random.Generator, params: Mapping[str, Any]
    ) -> tuple[int, ...] | None:
        if len(data.classes) < 3:
            raise DataError("source, target and cover are three classes", path=data.path, remedy="use data of three or more")
        if params["sources"] is not None or params["mode"] == "clean-label":
            return super().sources(data, targets, budget, rng, params)
        there = [int(c) for c in np.unique(data.y[data.y >= 0]) if c not in targets]
        found = [int(rng.choice(there))]
        wanted, rows = self.total(data, budget, len(targets), params), np.bincount(data.y[data.y >= 0], minlength=len(data.classes))
        further = [c for c in there if c not in found]
        while wanted > MOST * rows[found].sum() and len(further) > 1:  # one class at least is left to cover
            found.append(further.pop(int(rng.integers(len(further)))))
        return tuple(found)
