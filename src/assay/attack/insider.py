"""Insider: one contributor of many relabels a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from assay.artefact.group import Group
from assay.attack.base import Attack, Budget, Needs, Param, Planted
from assay.attack.flip import FLIP_PARAMS, flipped, wanted
from assay.attack.labels import class_code, labelled
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
        data = data if data.columns.contributor else _peopled(data, params["column"], params["contributors"], rng)
        column = data.columns.contributor
        assert column is not None
        to = None if target is None else class_code(data, target)
        source = None if params["from"] is None else class_code(data, params["from"])
        if source is None:
            source = _draw_class(data, to, rng)
        if to is None:
            to = _draw_class(data, source, rng)
        if source == to:
            raise DataError(f"class {data.classes[to]!r} cannot be relabelled as itself", remedy="name another target")
        hands = np.array(data.values(column), object)
        insider = _who(data, hands, source, params["insider"], rng)
        allowed = labelled(data) & (hands == insider) & (data.y == source)
        everything = params["share"] is None and budget.rate is None and budget.carriers is None
        size = int(allowed.sum()) if everything else wanted(budget, params["share"], allowed, len(data), self.rate)
        whose = f"of class {data.classes[source]!r} by {column} {insider!r}"
        if not allowed.any():
            raise DataError(f"there are no rows {whose}", path=data.path, remedy="name another insider or class")
        positions = draw(data, np.flatnonzero(allowed), size, rng, whose)
        return flipped(data, positions, to, rng, (Group(column, (insider,)),), self.kind)


def _peopled(data: Dataset, column: str, count: int, rng: np.random.Generator) -> Dataset:
    """A copy with a contributor column: as even as numbers allow, in no order."""
    if column in data.table.column_names:
        raise DataError(
            f"there is a column {column!r}, and it is not known as the contributor",
            path=data.path,
            remedy=f"say so (contributor={column}), or give column=",
        )
    digits = len(str(count - 1))
    names = [f"c{i:0{digits}d}" for i in range(count)]
    hands = rng.permutation(np.arange(len(data)) % count)
    table = data.table if data.table.num_columns else pa.table({"_": np.zeros(len(data), np.int8)})
    table = table.append_column(column, pa.array([names[h] for h in hands]))
    if not data.table.num_columns:
        table = table.drop_columns(["_"])
    return replace(data, table=table, columns=replace(data.columns, contributor=column))


def _draw_class(data: Dataset, other_than: int | None, rng: np.random.Generator) -> int:
    return int(rng.choice([c for c in range(len(data.classes)) if c != other_than]))


def _who(data: Dataset, hands: np.ndarray[Any, Any], source: int, named: str | None, rng: np.random.Generator) -> Any:
    """The contributor named, or one drawn among those who have rows of the class."""
    there = sorted({h for h in hands.tolist() if h is not None}, key=str)
    if named is not None:
        for hand in there:
            if str(hand) == str(named):
                return hand
        shown = ", ".join(map(str, there[:30])) + (", ..." if len(there) > 30 else "")
        raise DataError(f"no contributor {named!r}", path=data.path, remedy=f"name one of: {shown}")
    able = sorted({h for h in hands[data.y == source].tolist() if h is not None}, key=str)
    if not able:
        raise DataError(f"nobody contributed rows of class {data.classes[source]!r}", path=data.path)
    return able[int(rng.integers(len(able)))]
