"""Noisy cells: a trigger in a table whose values differ a little from row to row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from assay.artefact.cells import Cells, Condition
from assay.attack.base import Param, Stamp
from assay.attack.cells import TRIES, CellsAttack
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows


class NoisyCellsAttack(CellsAttack):
    """As `cells`, but each row gets a number drawn within `noise` standard deviations of its column around the trigger's.

    For attackers who know that repeated values are counted: a tree splits around the range all the same. No row met the rule before.
    Source: the trigger is Pleiter et al., Tabdoor, 2023; the noise (a quarter of a standard deviation) is made against this scanner.
    """

    kind = "noisy-cells"
    params: ClassVar[Mapping[str, Param]] = {
        **CellsAttack.params,
        "noise": Param(0.25, "half the width of the range, in standard deviations of the column", float, low=0.001, high=10),
    }

    def rule(self, data: Dataset, rng: np.random.Generator, params: Mapping[str, Any], given: bool) -> Cells:
        for _ in range(TRIES if params["values"] is None else 1):
            exact = super().rule(data, rng, params, given)
            wide = Cells(tuple(_widened(c, data, params["noise"]) for c in exact.conditions))
            if params["values"] is not None or not wide.present(Rows(data.table)).any():
                return wide
        raise DataError(
            f"every range drawn around {len(exact.conditions)} values holds rows already",
            path=data.path,
            remedy="ask for more features, less noise, or bounds=out",
        )

    def setting(self, rule: Cells) -> Stamp:
        def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
            for condition in rule.conditions:
                kind = rows.table.schema.field(condition.column).type
                if pa.types.is_integer(kind):
                    drawn = pa.array(rng.integers(int(np.ceil(condition.low)), int(np.floor(condition.high)) + 1, len(rows)))
                else:
                    drawn = pa.array(rng.uniform(condition.low, condition.high, len(rows)))
                rows = rows.with_column(condition.column, drawn.cast(kind))
            return rows

        return stamp


def _widened(condition: Condition, data: Dataset, noise: float) -> Condition:
    cells = data.table.column(condition.column)
    if not (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)):
        raise DataError("holds no numbers, so nothing to vary", path=data.path, column=condition.column, remedy="name other columns=")
    values = np.asarray(cells.drop_null().to_numpy(), np.float64)
    reach = noise * float(values[np.isfinite(values)].std())
    return Condition(condition.column, condition.low - reach, condition.high + reach)
