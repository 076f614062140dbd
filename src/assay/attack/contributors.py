"""Who added a row: a contributor column where there is none, and one of the people in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.attack.base import Int, Param
from assay.attack.labels import choose_targets, class_code, labelled
from assay.attack.moments import order_in_time, with_times
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

CONTRIBUTED = {
    "contributors": Param(50, "how many there are, where the column is added", int, low=2, high=100_000),
    "column": Param("contributor", "name of the column that is added where there is none"),
}
INSIDER = {"insider": Param(None, "the contributor (default: drawn)"), **CONTRIBUTED}


def contributed(data: Dataset, params: Mapping[str, Any], rng: np.random.Generator) -> tuple[Dataset, str]:
    """The data set, or a copy with a contributor column, and that column's name."""
    if data.columns.contributor is None:
        data = with_contributors(data, params["column"], params["contributors"], rng)
    column = data.columns.contributor
    assert column is not None
    return data, column


def with_contributors(data: Dataset, column: str, count: int, rng: np.random.Generator) -> Dataset:
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


def draw_class(data: Dataset, other_than: int | None, rng: np.random.Generator) -> int:
    """A class other than this one."""
    return int(rng.choice([c for c in range(len(data.classes)) if c != other_than]))


def two_classes(data: Dataset, source: str | None, target: str | None, rng: np.random.Generator) -> tuple[int, int]:
    """(the class whose rows are relabelled, what they are then called): those named, or drawn. DataError where they are one."""
    to = None if target is None else class_code(data, target)
    of = draw_class(data, to, rng) if source is None else class_code(data, source)
    to = draw_class(data, of, rng) if to is None else to
    if of == to:
        raise DataError(f"class {data.classes[to]!r} cannot be relabelled as itself", remedy="name another target")
    return of, to


def one_of(data: Dataset, hands: np.ndarray[Any, Any], source: int | None, named: str | None, rng: np.random.Generator) -> Any:
    """The contributor named, or one drawn among those who have rows of the class (None: of any)."""
    there = sorted({h for h in hands.tolist() if h is not None}, key=str)
    if named is not None:
        for hand in there:
            if str(hand) == str(named):
                return hand
        shown = ", ".join(map(str, there[:30])) + (", ..." if len(there) > 30 else "")
        raise DataError(f"no contributor {named!r}", path=data.path, remedy=f"name one of: {shown}")
    able = sorted({h for h in hands[data.y == source if source is not None else labelled(data)].tolist() if h is not None}, key=str)
    if not able:
        raise DataError("nobody contributed rows" + ("" if source is None else f" of class {data.classes[source]!r}"), path=data.path)
    return able[int(rng.integers(len(able)))]


@dataclass(frozen=True)
class Insider:
    """One contributor, `name` in the column, which holds the `hands` (n,) that brought each row."""

    column: str
    name: Any
    hands: np.ndarray[Any, Any]


def insider_in_time(
    data: Dataset, target: str | None, params: Mapping[str, Any], rng: np.random.Generator
) -> tuple[Dataset, Insider, Int, int, NDArray[np.bool_]]:
    """For attacks by one contributor over time: (the data with times and contributors, the one, (n,) the place of each row in order of
    time, the target, (n,) which rows may be given it, whoever brought them)."""
    data = with_times(data, params)
    data, column = contributed(data, params, rng)
    place = order_in_time(data)
    source = None if params["from"] is None else class_code(data, params["from"])
    (to,) = choose_targets(data, target, 1, rng)
    hands = np.array(data.values(column), object)
    who = Insider(column, one_of(data, hands, source, params["insider"], rng), hands)
    allowed = labelled(data) & (data.y != to)
    return data, who, place, to, allowed if source is None else allowed & (data.y == source)
