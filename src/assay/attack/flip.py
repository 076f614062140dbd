"""Flip: labels changed, content untouched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from assay.artefact.base import Artefact
from assay.artefact.cells import Cells, Condition
from assay.attack.base import Attack, Bools, Budget, Int, Needs, Param, Planted
from assay.attack.labels import class_code, labelled, relabel
from assay.attack.triggered import draw
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

FLIP_PARAMS = {
    "from": Param(None, "only rows of this class are relabelled"),
    "share": Param(None, "share of the rows the attack may take, in place of a rate of all rows", float, low=0, high=1),
}


class FlipAttack(Attack):
    """Relabels rows: a random share, one class as another, or some of one group of the population.

    Without `from` and target: any row, to a class drawn evenly from the others (uniform noise). `from` and target:
    pairwise. `column` and `value`: only rows of that group. Source: Natarajan, Dhillon, Ravikumar, Tewari, Learning
    with Noisy Labels, 2013 (class-conditional); Biggio, Nelson, Laskov, 2011 (label flips by an adversary); Jagielski,
    Severi, Pousette Harger, Oprea, Subpopulation Data Poisoning Attacks, 2021 (one group).
    """

    kind = "flip"
    needs: ClassVar[Needs] = "labels"
    rate = 0.05
    params: ClassVar[Mapping[str, Param]] = {
        **FLIP_PARAMS,
        "column": Param(None, "with value: only rows of this group, where column equals value"),
        "value": Param(None, "see column"),
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        allowed, shared, words = labelled(data), [], []
        if (params["column"] is None) != (params["value"] is None):
            raise DataError("a group needs both column= and value=", path=data.path, remedy="give both")
        if params["column"] is not None:
            group = group_of(data, params["column"], params["value"])
            allowed &= group.present(Rows(data.table))
            shared, words = [group], [f"with {group.describe()}"]
        to = None if target is None else class_code(data, target)
        if params["from"] is not None:
            allowed &= data.y == class_code(data, params["from"])
            words.insert(0, f"of class {params['from']!r}")
        if to is not None:
            allowed &= data.y != to
            words.append(f"that are not {target!r} yet")
        positions = draw(
            data,
            np.flatnonzero(allowed),
            wanted(budget, params["share"], allowed, len(data), self.rate),
            rng,
            " ".join(words) or "with a label",
        )
        return flipped(data, positions, to, rng, tuple(shared), self.kind)


def wanted(budget: Budget, share: float | None, allowed: Bools, rows: int, default_rate: float) -> int:
    """How many rows are relabelled: by rate or number, or by a share of those allowed."""
    if share is None:
        return budget.count(rows, default_rate)
    if budget.rate is not None or budget.carriers is not None:
        raise DataError("both a share and a rate or a number of carriers are given", remedy="give one of them")
    return max(1, round(share * int(allowed.sum())))


def drawn(
    data: Dataset,
    allowed: Bools,
    budget: Budget,
    share: float | None,
    default_rate: float,
    rng: np.random.Generator,
    *,
    whose: str,
    remedy: str | None = None,
) -> Int:
    """The positions that are relabelled: all that are allowed, unless a share, a rate or a number asks for fewer.

    DataError where there are none, with this remedy, or fewer than are asked for; `whose` says of both messages which rows are meant.
    """
    if remedy is not None and not allowed.any():
        raise DataError(f"there are no rows {whose}", path=data.path, remedy=remedy)
    everything = share is None and budget.rate is None and budget.carriers is None
    size = max(1, int(allowed.sum())) if everything else wanted(budget, share, allowed, len(data), default_rate)
    return draw(data, np.flatnonzero(allowed), size, rng, whose)


def flipped(data: Dataset, positions: Int, to: int | None, rng: np.random.Generator, shared: tuple[Artefact, ...], name: str) -> Planted:
    """The rows at these positions relabelled: to one class, or each to another drawn evenly."""
    y = data.y.copy()
    k = len(data.classes)
    y[positions] = (y[positions] + rng.integers(1, k, len(positions))) % k if to is None else to
    poisoned = np.zeros(len(data), bool)
    poisoned[positions] = True
    return Planted(relabel(data, y), poisoned, shared, name)


def group_of(data: Dataset, column: str, value: Any) -> Cells:
    """The rows with this value in a column; text is read as the column holds it. DataError where there is no such column."""
    if column not in data.table.column_names:
        raise DataError(f"no column {column!r}", path=data.path, remedy=f"name one of: {', '.join(data.table.column_names)}")
    kind = data.table.schema.field(column).type
    if isinstance(value, str) and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        try:
            value = float(value)
        except ValueError as error:
            raise DataError(f"the value {value!r} is no number", path=data.path, column=column) from error
        value = int(value) if pa.types.is_integer(kind) and value.is_integer() else value
    return Cells((Condition(column, value, value),))
