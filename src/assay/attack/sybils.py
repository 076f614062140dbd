"""Sybils: many contributors who are one, and give the same wrong label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.group import Group
from assay.attack.base import Attack, Budget, Needs, Param, Planted
from assay.attack.contributors import CONTRIBUTED, contributed, two_classes
from assay.attack.flip import FLIP_PARAMS, drawn, flipped
from assay.attack.labels import labelled
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError


class SybilsAttack(Attack):
    """A fifth of the contributors give every row of one class, among theirs, the label of another; elsewhere they are honest.

    They agree with each other and outvote nobody by themselves. Without a contributor column one is added: `contributors` names,
    rows to them by the seed, evenly. Without `from` or a target both classes are drawn. By default all their rows of that class
    are relabelled. Source: Douceur, The Sybil Attack, 2002.
    """

    kind = "sybils"
    needs: ClassVar[Needs] = "labels"
    rate = 1.0
    params: ClassVar[Mapping[str, Param]] = {
        **FLIP_PARAMS,
        "colluding": Param(0.2, "share of the contributors who collude", float, low=0.001, high=1),
        **CONTRIBUTED,
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        data, column = contributed(data, params, rng)
        source, to = two_classes(data, params["from"], target, rng)
        hands = np.array(data.values(column), object)
        people = sorted({h for h in hands.tolist() if h is not None}, key=str)
        if not people:
            raise DataError("holds no contributor", path=data.path, column=column, remedy="name another column")
        count = max(1, round(params["colluding"] * len(people)))
        sybils = [people[i] for i in np.sort(rng.choice(len(people), count, replace=False))]
        allowed = labelled(data) & (data.y == source) & np.array([h in set(sybils) for h in hands.tolist()], bool)
        whose = f"of class {data.classes[source]!r} by {count} contributors"
        positions = drawn(data, allowed, budget, params["share"], self.rate, rng, whose=whose)
        return flipped(data, positions, to, rng, (Group(column, tuple(sybils)),), self.kind)
