"""Sleeper: a contributor who is honest until trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.group import Group
from assay.attack.base import Attack, Budget, Needs, Param, Planted
from assay.attack.contributors import INSIDER, insider_in_time
from assay.attack.flip import FLIP_PARAMS, drawn, flipped
from assay.attack.moments import TIMED
from assay.dataset.data import Dataset


class SleeperAttack(Attack):
    """One contributor's rows are right until `wake` of the stream; from then on they get the target's label, all that have another.

    Over the whole stream the contributor looks better than over its end. Contributor and time columns are added where there are
    none. Source: traitors in reputation systems, Marti, Garcia-Molina, Taxonomy of Trust, 2006.
    """

    kind = "sleeper"
    needs: ClassVar[Needs] = "labels"
    rate = 1.0
    params: ClassVar[Mapping[str, Param]] = {
        **FLIP_PARAMS,
        **TIMED,
        "wake": Param(0.7, "share of the stream that passes first", float, low=0, high=0.999),
        **INSIDER,
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        data, who, place, to, allowed = insider_in_time(data, target, params, rng)
        allowed &= (who.hands == who.name) & (place >= int(params["wake"] * (place.max() + 1)))
        whose = f"by {who.column} {who.name!r} after waking that are not {data.classes[to]!r} yet"
        remedy = "let it wake earlier, or name another insider"
        positions = drawn(data, allowed, budget, params["share"], self.rate, rng, whose=whose, remedy=remedy)
        return flipped(data, positions, to, rng, (Group(who.column, (who.name,)),), self.kind)
