"""Sleeper: a contributor who is honest until trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.group import Group
from assay.attack.base import Attack, Budget, Needs, Param, Planted
from assay.attack.contributors import one_of, with_contributors
from assay.attack.flip import FLIP_PARAMS, flipped, wanted
from assay.attack.labels import choose_targets, class_code, labelled
from assay.attack.moments import TIMED, order_in_time, with_times
from assay.attack.triggered import draw
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError


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
        "insider": Param(None, "the contributor (default: drawn)"),
        "contributors": Param(50, "how many there are, where the column is added", int, low=2, high=100_000),
        "column": Param("contributor", "name of the column that is added where there is none"),
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        data = with_times(data, params)
        data = data if data.columns.contributor else with_contributors(data, params["column"], params["contributors"], rng)
        column, place = data.columns.contributor, order_in_time(data)
        assert column is not None
        source = None if params["from"] is None else class_code(data, params["from"])
        (to,) = choose_targets(data, target, 1, rng)
        hands = np.array(data.values(column), object)
        insider = one_of(data, hands, source, params["insider"], rng)
        allowed = labelled(data) & (data.y != to) & (hands == insider) & (place >= int(params["wake"] * (place.max() + 1)))
        if source is not None:
            allowed &= data.y == source
        everything = params["share"] is None and budget.rate is None and budget.carriers is None
        size = int(allowed.sum()) if everything else wanted(budget, params["share"], allowed, len(data), self.rate)
        whose = f"by {column} {insider!r} after waking that are not {data.classes[to]!r} yet"
        if not allowed.any():
            raise DataError(f"there are no rows {whose}", path=data.path, remedy="let it wake earlier, or name another insider")
        positions = draw(data, np.flatnonzero(allowed), size, rng, whose)
        return flipped(data, positions, to, rng, (Group(column, (insider,)),), self.kind)
