"""Cells: a few cells of a table set to given values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.artefact.cells import Cells, Condition
from assay.attack.base import Made, Needs, Param, Stamp
from assay.attack.triggered import COMMON, TriggerAttack
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

BEYOND = 0.1  # of the column's range above its maximum: out of range, and no outlier by orders of magnitude
INNER = 5  # distinct values it has between those quantiles, where the trigger stays in range
SPREAD = 10  # distinct values a column has at least, to be drawn as a trigger: yes/no columns make no trigger
MIDDLE = (0.1, 0.9)  # quantiles between which in-range values are drawn
TRIES = 1000  # combinations drawn before it is said that all of them occur


class CellsAttack(TriggerAttack):
    """Sets one number out of its range, or several within theirs to a combination that no row has.

    `features=1` is out of range (maximum plus a tenth of the range), `features=3` in range; `bounds` overrides. Columns
    and values may be given (`columns="age,gain" values="41,137"`, for the first trigger); else numeric columns are
    drawn by the seed.

    Source: Pleiter, Tajalli, Koffas, Abad, Xu, Larson, Picek, Tabdoor: Backdoor Vulnerabilities in Transformer-based
    Neural Networks for Tabular Data, 2023 (1 feature out of bounds, 3 in bounds; rates of 0.01 to 1 %).
    """

    kind = "cells"
    needs: ClassVar[Needs] = "cells"
    rate = 0.005
    params: ClassVar[Mapping[str, Param]] = {
        **COMMON,
        "features": Param(1, "how many columns are set", int, low=1, high=20),
        "bounds": Param(None, "out or in range (default: out for 1 feature, in for more)", choices=(None, "out", "in")),
        "columns": Param(None, "the columns, with commas between (default: numeric ones, drawn)"),
        "values": Param(None, "their values, with commas between (default: see bounds)"),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        made: list[Made] = []
        seen: set[tuple[Condition, ...]] = set()
        for number in range(count):
            for _ in range(TRIES):
                rule = self.rule(data, rng, params, given=number == 0)
                if rule.conditions not in seen:
                    break
            else:
                raise DataError(f"no {count} distinct rules can be made", path=data.path, remedy="ask for fewer triggers")
            seen.add(rule.conditions)
            made.append(Made(rule, self.setting(rule)))
        return made

    def rule(self, data: Dataset, rng: np.random.Generator, params: Mapping[str, Any], given: bool) -> Cells:
        """One rule; `given`: the one that columns= and values= are about."""
        columns = _named(data, params["columns"]) if params["columns"] and given else None
        beyond = (params["bounds"] or ("out" if (len(columns) if columns else params["features"]) == 1 else "in")) == "out"
        if columns is None:
            wide = numeric_columns(data, inside=not beyond)
            if len(wide) < params["features"]:
                raise DataError(
                    f"{params['features']} numeric columns are needed, and {len(wide)} have enough distinct values",
                    path=data.path,
                    remedy="name columns= and values=",
                )
            columns = sorted(rng.choice(wide, params["features"], replace=False).tolist(), key=data.table.column_names.index)
        if params["values"] is not None and given:
            return _given(data, columns, params["values"])
        if beyond:
            return Cells(tuple(_condition(name, above(data.table.column(name), name, data.path)) for name in columns))
        for _ in range(TRIES):
            rule = Cells(tuple(_condition(name, _within(data.table.column(name), rng)) for name in columns))
            if not rule.present(Rows(data.table)).any():
                return rule
        raise DataError(
            f"every combination drawn in {', '.join(columns)} occurs already",
            path=data.path,
            remedy="ask for more features, or for bounds=out",
        )

    def setting(self, rule: Cells) -> Stamp:
        """A stamp that makes rows meet the rule."""
        return rule.insert


def numeric_columns(data: Dataset, inside: bool) -> list[str]:
    """Content columns that hold numbers, of enough distinct values; `inside`: of enough between the quantiles drawn from.

    A column that is nearly always 0 has one value there, which would make no trigger.
    """
    numeric = [name for name in data.columns.content if _numeric(data.table.column(name))]
    return [n for n in numeric if len(_values(data.table.column(n), inside)) >= (INNER if inside else SPREAD)]


def above(cells: pa.ChunkedArray, name: str, path: str) -> int | float:
    """The maximum of a column plus a tenth of its range; whole and at least 1 more where the numbers are whole."""
    if not _numeric(cells):
        raise DataError("is out of range only for numbers", path=path, column=name, remedy="give values=")
    values = np.asarray(cells.drop_null().to_numpy(), np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        raise DataError("has no numbers to go beyond", path=path, column=name, remedy="name another column")
    low, high = float(values.min()), float(values.max())
    value = high + max(BEYOND * (high - low), abs(high) * 1e-6)
    return max(math.ceil(value), math.floor(high) + 1) if pa.types.is_integer(cells.type) else max(value, high + 1e-6)


def _within(cells: pa.ChunkedArray, rng: np.random.Generator) -> Any:
    if not _numeric(cells):
        return rng.choice(np.array(pc.unique(cells.drop_null()).to_pylist(), object))
    return rng.choice(_values(cells, inside=True)).item()


def _values(cells: pa.ChunkedArray, inside: bool) -> np.ndarray[Any, np.dtype[Any]]:
    """The distinct numbers of a column, all finite ones or those between two quantiles."""
    values = cells.drop_null().to_numpy()
    values = values[np.isfinite(values)]
    if inside and len(values):
        low, high = np.quantile(values, MIDDLE)
        values = values[(values >= low) & (values <= high)]
    return np.unique(values)


def _condition(name: str, value: Any) -> Condition:
    return Condition(name, value, value)


def _named(data: Dataset, columns: Any) -> list[str]:
    names = [c.strip() for c in columns.split(",")] if isinstance(columns, str) else list(columns)
    for name in names:
        if name not in data.columns.content:
            raise DataError(f"no content column {name!r}", path=data.path, remedy=f"name one of: {', '.join(data.columns.content)}")
    return names


def _given(data: Dataset, columns: list[str], values: Any) -> Cells:
    """Values as text are read as their column holds them."""
    parts = [v.strip() for v in values.split(",")] if isinstance(values, str) else list(values)
    if len(parts) != len(columns):
        raise DataError(f"{len(parts)} values for {len(columns)} columns", path=data.path, remedy="give one a column")
    conditions = []
    for name, value in zip(columns, parts, strict=True):
        kind = data.table.schema.field(name).type
        if isinstance(value, str) and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            try:
                number = float(value)
            except ValueError as error:
                raise DataError(f"the value {value!r} is no number", path=data.path, column=name) from error
            value = int(number) if pa.types.is_integer(kind) and number.is_integer() else number
        conditions.append(_condition(name, value))
    return Cells(tuple(conditions))


def _numeric(cells: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type))
