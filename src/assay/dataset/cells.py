"""What type a column of written values has: the cells of a CSV file, the names of class folders.

A column is integer, float or boolean only if every one of its values is (missing ones aside); otherwise it is text, and
every value keeps its characters. `007` and `0x10` are text: codes, not numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal["empty", "bool", "int", "float", "text"]

# Values that stand for "missing" in a column of numbers. In a column of text they are text: "None" may be a surname.
ABSENT = pa.array(["", "NA", "N/A", "n/a", "#N/A", "NULL", "Null", "null", "None", "none", "?", "-", "missing"])
TRUE = pa.array(["true", "True", "TRUE"])
BOOLEAN = pa.array(["true", "True", "TRUE", "false", "False", "FALSE"])
CODED = r"^[+-]?0[0-9xX]"  # a leading zero: a postcode or a code, which a number would lose
WIDE = r"^[+-]?[0-9]{16,}$"  # whole numbers that a float may round: identifiers
EXACT = 2**53  # up to here every whole number is a float

ARROW = {"empty": pa.string(), "bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "text": pa.string()}


def _trimmed(values: pa.Array) -> pa.Array:
    values = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.is_in(values, ABSENT), pa.scalar(None, pa.string()), values)


def _as_int(values: pa.Array) -> pa.Array | None:
    try:
        numbers = values.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    if pc.all(pc.equal(numbers.cast(pa.string()), values)).as_py() is False and _any(values, CODED):
        return None
    return numbers


def _as_float(values: pa.Array) -> pa.Array | None:
    try:
        numbers = values.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    return None if _any(values, CODED) else numbers


def _any(values: pa.Array, pattern: str) -> bool:
    return pc.any(pc.match_substring_regex(values, pattern)).as_py() is True


@dataclass
class ColumnKind:
    """The type of one column, learnt from all its values: `add` batches of strings in any order, then `cast` each of
    them.
    """

    kind: Kind = "empty"
    wide: bool = False  # it holds whole numbers that a float would round

    def add(self, values: pa.Array) -> None:
        if self.kind == "text" or values.null_count == len(values):
            return
        if self._number(values):
            return
        clean = _trimmed(values)
        if clean.null_count == len(clean) or self._number(clean):
            return
        boolean = self.kind in ("empty", "bool") and pc.all(pc.is_in(clean.drop_null(), BOOLEAN)).as_py()
        self.kind = "bool" if boolean else "text"

    def _number(self, values: pa.Array) -> bool:
        """Takes `values` in as numbers, if they are."""
        if self.kind == "bool":
            return False
        numbers = _as_int(values) if self.kind != "float" else None
        if numbers is not None:
            bounds = pc.min_max(numbers)
            self.wide = self.wide or max(-bounds["min"].as_py(), bounds["max"].as_py()) > EXACT
            self.kind = "int"
            return True
        if _as_float(values) is None:
            return False
        self.wide = self.wide or _any(values, WIDE)
        self.kind = "text" if self.wide else "float"
        return True

    def cast(self, values: pa.Array) -> pa.Array:
        """`values` in the column's type. Raises pa.ArrowInvalid if one was never shown to `add` and does not fit."""
        if self.kind in ("text", "empty"):
            return values
        target = ARROW[self.kind]
        if self.kind == "bool":
            clean = _trimmed(values)
            return pc.if_else(pc.is_null(clean), pa.scalar(None, pa.bool_()), pc.is_in(clean, TRUE))
        try:
            return values.cast(target)
        except pa.ArrowInvalid:
            return _trimmed(values).cast(target)


def typed(values: list[str | None]) -> pa.Array:
    """A list of written values as the column it would be in a CSV file.

    >>> typed(["1", "2"]).type, typed(["1", "2.5", None]).type, typed(["01", "2"]).type
    (DataType(int64), DataType(double), DataType(string))
    """
    array = pa.array(values, pa.string())
    kind = ColumnKind()
    kind.add(array)
    return kind.cast(array)
