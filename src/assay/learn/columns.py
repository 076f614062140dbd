"""Columns as numbers: what a table probe learns from and a table miner counts.

Numbers, truth values, dates and times keep their order; texts become codes by falling frequency. Missing (null or NaN) is NaN, and
so is a cell that was taken out: "missing" itself can therefore be no artefact here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.dataset.numbers import as_doubles

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Coded:
    """(n, d) cells as numbers: `numeric` (d,) columns hold magnitudes, the others codes into no particular order."""

    names: tuple[str, ...]
    numeric: Bools
    cells: Floats
    passed_over: tuple[str, ...] = ()  # columns of types that are not compared: lists, structs

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def same(self) -> NDArray[np.int64]:
        """(n,) as `alike` has it, told once: every probe's folds ask it, and every trial's votes."""
        return alike(self)


def code_columns(table: pa.Table, names: Sequence[str]) -> Coded:
    """The named columns of `table` as numbers.

    Whole numbers beyond 2^53 are rounded. Columns of lists and structs are passed over, and named.

    >>> coded = code_columns(pa.table({"age": [40, None], "sex": ["F", "M"]}), ["age", "sex"])
    >>> coded.numeric.tolist(), coded.cells.tolist()
    ([True, False], [[40.0, 0.0], [nan, 1.0]])
    """
    kept, numeric, cells, passed = [], [], [], []
    for name in names:
        coded = _numbers(table.column(name))
        is_number = coded is not None
        if coded is None:
            coded = _categories(table.column(name))
        if coded is None:
            passed.append(name)
            continue
        kept.append(name)
        numeric.append(is_number)
        cells.append(coded)
    matrix = np.stack(cells, 1) if cells else np.zeros((table.num_rows, 0))
    return Coded(tuple(kept), np.array(numeric, bool), matrix, tuple(passed))


def _numbers(column: pa.ChunkedArray) -> Floats | None:
    """(n,) magnitudes of a column that has them, else None."""
    kind = column.type
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        wide = pa.int32() if kind.bit_width == 32 else pa.int64()
        column = column.cast(wide)
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    values = np.array(as_doubles(column))
    values[~np.isfinite(values)] = np.nan
    return values


def _categories(column: pa.ChunkedArray) -> Floats | None:
    """(n,) codes by falling frequency (ties by first appearance) of a column of texts or bytes, else None."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)):
        return None
    encoded = pc.dictionary_encode(column.cast(kind)).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], kind).dictionary_encode()
    codes = np.asarray(pc.fill_null(encoded.indices, -1), np.int64)
    count = np.bincount(codes[codes >= 0], minlength=len(encoded.dictionary))
    rank = np.empty(len(count))
    rank[np.argsort(-count, kind="stable")] = np.arange(len(count))
    out = np.full(len(codes), np.nan)
    out[codes >= 0] = rank[codes[codes >= 0]]
    return out


def never_empty(cells: Floats) -> Floats:
    """(n, d) with 0 in columns that have no value in any row: the library's trees refuse such a column, and ask nothing of a constant.

    >>> never_empty(np.array([[1.0, np.nan], [np.nan, np.nan]])).tolist()
    [[1.0, 0.0], [nan, 0.0]]
    """
    empty = np.isnan(cells).all(0)
    return np.where(empty, 0.0, cells) if empty.any() else cells


def alike(coded: Coded) -> NDArray[np.int64]:
    """(n,) rows that are equal in every cell get the same number: such rows share a fold and a vote.

    >>> alike(code_columns(pa.table({"a": [1, 2, 1]}), ["a"])).tolist()
    [0, 1, 0]
    """
    if not coded.cells.shape[1]:
        return np.arange(len(coded))
    mixed = np.zeros(len(coded), np.uint64)
    for column in coded.cells.T:
        bits = np.ascontiguousarray(np.where(column == 0, 0.0, column)).view(np.uint64).copy()
        bits[np.isnan(column)] = 0x7FF8000000000000
        with np.errstate(over="ignore"):
            mixed = (mixed ^ bits) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    _, first, number = np.unique(mixed, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first, kind="stable")] = np.arange(len(first))
    return np.asarray(order[number])
