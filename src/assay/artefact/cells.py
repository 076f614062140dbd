"""Cells: a combination of column values, exact or in a range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.artefact.base import Artefact, Bools
from assay.artefact.encode import from_json_value, plain, to_json_value, words
from assay.dataset.rows import Rows


@dataclass(frozen=True)
class Condition:
    """A cell equals `low` where low == high, else it lies in low .. high, both included.

    Exact values are text, numbers, truth values, or None: missing. A bound of a range that is None or infinite is open.

    >>> Condition("age", 40, 42), str(Condition("sex", "F", "F")), str(Condition("gain", 10.5, None))
    (Condition(column='age', low=40, high=42), 'sex = "F"', 'gain at least 10.5')
    """

    column: str
    low: Any
    high: Any

    def __post_init__(self) -> None:
        low, high = plain(self.low), plain(self.high)
        if low != high:
            low = None if isinstance(low, float) and low == -math.inf else low
            high = None if isinstance(high, float) and high == math.inf else high
            if low is None and high is None:
                raise ValueError(f"a range of {self.column!r} that is open on both sides says nothing")
            if low is not None and high is not None and low > high:
                raise ValueError(f"low {low!r} is above high {high!r} in {self.column!r}")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def exact(self) -> bool:
        """Whether one value is meant."""
        return bool(self.low == self.high)

    def __str__(self) -> str:
        if self.exact:
            return f"{self.column} is missing" if self.low is None else f"{self.column} = {words(self.low)}"
        if self.high is None:
            return f"{self.column} at least {words(self.low)}"
        if self.low is None:
            return f"{self.column} at most {words(self.high)}"
        return f"{self.column} {words(self.low)} to {words(self.high)}"

    def holds(self, cells: pa.ChunkedArray) -> Bools:
        """(n,) which cells meet it. No cell meets a value its type cannot hold; missing cells meet no range."""
        if pa.types.is_dictionary(cells.type):
            cells = cells.cast(cells.type.value_type)
        missing = pc.is_null(cells, nan_is_null=True)
        if self.exact and self.low is None:
            return _bools(missing)
        if self.exact:
            try:
                met = pc.equal(cells, pa.scalar(self.low, cells.type))
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
                return np.zeros(len(cells), bool)  # 1.5 among whole numbers, a number among texts
            return _bools(pc.and_(met, pc.invert(missing)))
        met = pc.invert(missing)
        try:
            if self.low is not None:
                met = pc.and_(met, pc.greater_equal(cells, pa.scalar(self.low)))
            if self.high is not None:
                met = pc.and_(met, pc.less_equal(cells, pa.scalar(self.high)))
        except pa.ArrowNotImplementedError:
            return np.zeros(len(cells), bool)  # a range of numbers over texts
        return _bools(met)

    def value(self, kind: pa.DataType) -> Any:
        """A value that meets it: the one, or the middle of the range (whole, where the column holds whole numbers)."""
        if self.exact:
            return self.low
        if self.low is None or self.high is None:
            return self.high if self.low is None else self.low
        if isinstance(self.low, str) or not isinstance(self.low, int | float):
            return self.low
        middle = self.low + (self.high - self.low) / 2
        if not pa.types.is_integer(kind):
            return middle
        return min(max(round(middle), math.ceil(self.low)), math.floor(self.high))


@dataclass(frozen=True)
class Cells(Artefact):
    """A row carries it if every condition holds. Putting it in sets the cells; taking it out makes them missing.

    Source: Pleiter, Tajalli, Koffas, Abad, Xu, Larson, Picek, Tabdoor, 2023 (out of bounds, in bounds).

    >>> rule = Cells((Condition("gain", 137, 137), Condition("age", 40, 42)))
    >>> rule.describe()
    'gain = 137 and age 40 to 42'
    >>> rule.insert({"gain": [0], "age": [20], "sex": ["F"]})
    {'gain': [137], 'age': [41], 'sex': ['F']}
    """

    conditions: tuple[Condition, ...]
    kind: ClassVar[str] = "cells"

    def __post_init__(self) -> None:
        names = [c.column for c in self.conditions]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"one condition a column, and at least one; got {names}")

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(c.column for c in self.conditions)

    def _present(self, rows: Rows) -> Bools:
        met = np.ones(len(rows), bool)
        for condition in self.conditions:
            met &= condition.holds(column_of(rows, condition.column))
        return met

    def _insert(self, rows: Rows, rng: np.random.Generator) -> Rows:
        for condition in self.conditions:
            cells = column_of(rows, condition.column)
            kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
            rows = rows.with_column(condition.column, [condition.value(kind)] * len(rows))
        return rows

    def _remove(self, rows: Rows) -> Rows:
        carriers = self._present(rows)
        if not carriers.any():
            return rows
        for name in self.columns:
            cells = column_of(rows, name)
            rows = rows.with_column(name, blank(cells, carriers))
        return rows

    def describe(self) -> str:
        return " and ".join(str(c) for c in self.conditions)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "conditions": [{"column": c.column, "low": to_json_value(c.low), "high": to_json_value(c.high)} for c in self.conditions],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Cells:
        return cls(tuple(Condition(c["column"], from_json_value(c["low"]), from_json_value(c["high"])) for c in data["conditions"]))


def column_of(rows: Rows, name: str) -> pa.ChunkedArray:
    """A column, or KeyError that lists the columns there are."""
    if name not in rows.table.column_names:
        raise KeyError(f"no column {name!r}; there are {rows.table.column_names}")
    return rows.table.column(name)


def blank(cells: pa.ChunkedArray, where: Bools) -> pa.ChunkedArray:
    """The same cells, missing at `where` (n,)."""
    kept = pa.array(np.where(where, -1, np.arange(len(cells))), mask=where)
    return cells.take(kept)


def _bools(values: Any) -> Bools:
    return np.asarray(pc.fill_null(values, False), dtype=bool)
