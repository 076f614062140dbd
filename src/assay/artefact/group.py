"""A group: rows from the same hands, the same source, or the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.artefact.base import Artefact, Bools, Unanswerable
from assay.artefact.encode import from_json_value, plain, to_json_value, words
from assay.dataset.rows import Rows


@dataclass(frozen=True)
class Group(Artefact):
    """Rows whose `column` is one of `values` (None: missing), or, without values, lies in low .. high (times, numbers).

    Only `present`: nobody can put a contributor into a row. The column is no content, so the rows must be those of the
    whole table (`Rows(data.table)`); without the column it is `Unanswerable`.

    >>> insider = Group("annotator", ("w7",))
    >>> insider.describe(), insider.present({"annotator": ["w1", "w7"]})
    ('annotator = "w7"', array([False,  True]))
    """

    column: str
    values: tuple[Any, ...] | None
    low: Any = None
    high: Any = None
    kind: ClassVar[str] = "group"

    def __post_init__(self) -> None:
        if self.values is None and self.low is None and self.high is None:
            raise ValueError("a group has values, or a window with at least one end")
        if self.values is not None:
            if not self.values or self.low is not None or self.high is not None:
                raise ValueError("a group has values or a window, not both and not neither")
            object.__setattr__(self, "values", tuple(plain(v) for v in self.values))
        object.__setattr__(self, "low", plain(self.low))
        object.__setattr__(self, "high", plain(self.high))

    def _present(self, rows: Rows) -> Bools:
        if self.column not in rows.table.column_names:
            raise Unanswerable(f"these rows do not hold the column {self.column!r}")
        cells = rows.table.column(self.column)
        if pa.types.is_dictionary(cells.type):
            cells = cells.cast(cells.type.value_type)
        if self.values is not None:
            met = pc.is_in(cells, value_set=pa.array(self.values, cells.type))
        else:
            met = pc.is_valid(cells)
            if self.low is not None:
                met = pc.and_(met, pc.greater_equal(cells, pa.scalar(self.low)))
            if self.high is not None:
                met = pc.and_(met, pc.less_equal(cells, pa.scalar(self.high)))
        return np.asarray(pc.fill_null(met, False), dtype=bool)

    def describe(self) -> str:
        if self.values is not None:
            if len(self.values) == 1:
                return f"{self.column} = {words(self.values[0])}"
            shown = ", ".join(words(v) for v in self.values[:5])
            more = len(self.values) - 5
            return f"{self.column} among {shown}" + (f" and {more} more" if more > 0 else "")
        if self.high is None:
            return f"{self.column} from {words(self.low)} on"
        if self.low is None:
            return f"{self.column} up to {words(self.high)}"
        return f"{self.column} from {words(self.low)} to {words(self.high)}"

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "column": self.column,
            "values": None if self.values is None else [to_json_value(v) for v in self.values],
            "low": to_json_value(self.low),
            "high": to_json_value(self.high),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Group:
        values = data["values"]
        return cls(
            data["column"],
            None if values is None else tuple(from_json_value(v) for v in values),
            from_json_value(data["low"]),
            from_json_value(data["high"]),
        )
