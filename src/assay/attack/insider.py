"""Insider: one contributor of many relabels a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.group import Group
from assay.attack.base import Attack, Budget, Needs, Param, Planted
from assay.attack.contributors import INSIDER, contributed, one_of, two_classes
from assay.attack.flip import FLIP_PARAMS, drawn, flipped
from assay.attack.labels import labelled
from assay.dataset.data import Dataset


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
        **INSIDER,
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        data, column = contributed(data, params, rng)
        source, to = two_classes(data, params["from"], target, rng)
        hands = np.array(data.values(column), object)
        insider = one_of(data, hands, source, params["insider"], rng)
        allowed = labelled(data) & (hands == insider) & (data.y == source)
        whose = f"of class {data.classes[source]!r} by {column} {insider!r}"
        remedy = "name another insider or class"
        positions = drawn(data, allowed, budget, params["share"], self.rate, rng, whose=whose, remedy=remedy)
        return flipped(data, positions, to, rng, (Group(column, (insider,)),), self.kind)
