"""Insider: one contributor of many relabels a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.group import Group
from assay.attack.base import Attack, Budget, Needs, Param, Planted
from assay.attack.contributors import one_of, two_classes, with_contributors
from assay.attack.flip import FLIP_PARAMS, flipped, wanted
from assay.attack.labels import labelled
from assay.attack.triggered import draw
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError


class InsiderAttack(Attack):
    """One contributor gives the rows of one class, among those that are theirs, the label of another.

    Without a contributor column one is added: `contributors` names, each row to one of them by the seed, evenly.
    Without `from` or a target both classes are drawn. By default every row of that class by the insider is relabelled:
    rate and carriers make it fewer. Source: the malicious annotator of Raykar, Yu, Eliminating Spammers and Ranking
    Annotators, 2012, here faithful on all classes but one.
    """

    kind = "insider"
    needs: ClassVar[Needs] = "labels"
    rate = 1.0
    params: ClassVar[Mapping[str, Param]] = {
        **FLIP_PARAMS,
        "insider": Param(None, "the contributor (default: drawn)"),
        "contributors": Param(50, "how many there are, where the column is added", int, low=2, high=100_000),
        "column": Param("contributor", "name of the column that is added where there is none"),
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        data = data if data.columns.contributor else with_contributors(data, params["column"], params["contributors"], rng)
        column = data.columns.contributor
        assert column is not None
        source, to = two_classes(data, params["from"], target, rng)
        hands = np.array(data.values(column), object)
        insider = one_of(data, hands, source, params["insider"], rng)
        allowed = labelled(data) & (hands == insider) & (data.y == source)
        everything = params["share"] is None and budget.rate is None and budget.carriers is None
        size = int(allowed.sum()) if everything else wanted(budget, params["share"], allowed, len(data), self.rate)
        whose = f"of class {data.classes[source]!r} by {column} {insider!r}"
        if not allowed.any():
            raise DataError(f"there are no rows {whose}", path=data.path, remedy="name another insider or class")
        positions = draw(data, np.flatnonzero(allowed), size, rng, whose)
        return flipped(data, positions, to, rng, (Group(column, (insider,)),), self.kind)
