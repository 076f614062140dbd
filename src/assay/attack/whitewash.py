"""Whitewash: a contributor who sheds a bad name for a new one, and is honest for a while under each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from assay.artefact.group import Group
from assay.attack.base import Attack, Budget, Int, Needs, Param, Planted
from assay.attack.contributors import INSIDER, insider_in_time
from assay.attack.flip import FLIP_PARAMS, drawn, flipped
from assay.attack.moments import TIMED
from assay.dataset.data import Dataset


class WhitewashAttack(Attack):
    """One contributor's rows are given, in order of time, to `names` new names; under each the first are right, then all get the target.

    No name is watched for long: each has few rows, the share `honest` of them right, and is dropped when it is worn out. Contributor
    and time columns are added where there are none. The artefact is the new names together. Source: whitewashers in reputation
    systems, Marti, Garcia-Molina, Taxonomy of Trust, 2006; Friedman, Resnick, The Social Cost of Cheap Pseudonyms, 2001.
    """

    kind = "whitewash"
    needs: ClassVar[Needs] = "labels"
    rate = 1.0
    params: ClassVar[Mapping[str, Param]] = {
        **FLIP_PARAMS,
        **TIMED,
        "names": Param(5, "names that are worn out, one after another", int, low=2, high=1000),
        "honest": Param(0.5, "share of each name's rows that passes first", float, low=0, high=0.99),
        **INSIDER,
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        data, who, place, to, allowed = insider_in_time(data, target, params, rng)
        theirs = np.flatnonzero((who.hands == who.name) & (place >= 0))
        stints = [part for part in np.array_split(theirs[np.argsort(place[theirs])], params["names"]) if len(part)]
        late = np.zeros(len(data), bool)
        for rows in stints:
            late[rows[int(np.ceil(params["honest"] * len(rows))) :]] = True
        whose = f"late under a name of {who.column} {who.name!r} that are not {data.classes[to]!r} yet"
        remedy = "give fewer names or honest rows, or another insider"
        positions = drawn(data, allowed & late, budget, params["share"], self.rate, rng, whose=whose, remedy=remedy)
        data, names = renamed(data, who.column, who.hands, stints)
        return flipped(data, positions, to, rng, (Group(who.column, names),), self.kind)


def renamed(data: Dataset, column: str, hands: np.ndarray[Any, Any], stints: list[Int]) -> tuple[Dataset, tuple[Any, ...]]:
    """A copy in which each of these sets of rows has a contributor of its own that was not there, and their names."""
    kind = data.table.schema.field(column).type
    there = {h for h in hands.tolist() if h is not None}
    names: list[Any]
    if pa.types.is_integer(kind):
        names = list(range(max(there) + 1, max(there) + 1 + len(stints)))
    else:
        fresh = (f"{start}{i}" for start in ("c", "new") for i in range(10 * len(there) + 10 * len(stints)))
        taken = {str(h) for h in there}
        names = list(islice((name for name in fresh if name not in taken), len(stints)))
    hands = hands.copy()
    for rows, name in zip(stints, names, strict=True):
        hands[rows] = name
    cells = pa.array(hands.tolist(), kind.value_type if pa.types.is_dictionary(kind) else kind)
    table = data.table.set_column(data.table.schema.get_field_index(column), column, cells)
    return replace(data, table=table), tuple(names)
