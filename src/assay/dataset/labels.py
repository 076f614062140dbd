"""Class codes: the values of the label column or columns as 0 .. k-1 and the names behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.dataset.data import MISSING
from assay.dataset.numbers import as_doubles

Int = NDArray[np.int64]
NO_LABEL = "(none)"  # the class of a row whose set of labels is empty
JOIN = " + "


def class_name(value: Any) -> str:
    """The name of a class: whole numbers without a fraction, booleans in lower case.

    >>> class_name(3.0), class_name(True), class_name("cat")
    ('3', 'true', 'cat')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def class_numbers(classes: Sequence[str]) -> NDArray[np.float64] | None:
    """(k,) the numbers that the names of classes are; None where one is no finite number.

    >>> class_numbers(("-1", "1e1")).tolist(), class_numbers(("1", "two")), class_numbers(("0", "nan"))
    ([-1.0, 10.0], None, None)
    """
    try:
        numbers = np.array([float(name) for name in classes])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def code(column: pa.ChunkedArray, names: Sequence[str] | None = None) -> tuple[Int, tuple[str, ...]]:
    """(codes, class names): classes in the order of their values; null and NaN are MISSING.

    `names` (of the integer codes 0 .. k-1, where a format keeps them) replace the numbers; classes without rows are
    left out.
    """
    encoded = column.combine_chunks()
    encoded = encoded if isinstance(encoded, pa.Array) else encoded.chunk(0)
    encoded = encoded.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    real = [i for i, v in enumerate(values) if v is not None and v == v]  # NaN is not equal to itself
    order = sorted(real, key=lambda i: values[i])
    place = np.full(len(values) + 1, MISSING, np.int64)
    place[order] = np.arange(len(order))
    codes = place[np.asarray(encoded.indices.fill_null(len(values))).astype(np.int64)]

    def name(value: Any) -> str:
        if names is not None and isinstance(value, int) and 0 <= value < len(names):
            return names[value]
        return class_name(value)

    return codes, tuple(name(values[i]) for i in order)


def code_sets(table: pa.Table, columns: Sequence[str], names: Mapping[str, Sequence[str]]) -> tuple[Int, tuple[str, ...]]:
    """(codes, class names) of rows with several labels: each different set of labels is a class, its names joined with
    " + ".

    One column holds lists, or several hold a yes or no each (a value that is not 0, false, empty or missing is a yes).
    """
    if len(columns) == 1:
        known = names.get(columns[0])
        sets = [
            sorted({known[v] if known and isinstance(v, int) and 0 <= v < len(known) else class_name(v) for v in values or ()})
            for values in table.column(columns[0]).to_pylist()
        ]
    else:
        flags = {name: _yes(table.column(name)) for name in columns}
        sets = [[name for name in columns if flags[name][i]] for i in range(table.num_rows)]
    joined = [JOIN.join(labels) or NO_LABEL for labels in sets]
    return code(pa.chunked_array([pa.array(joined, pa.string())]))


def _yes(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        no = pc.is_in(pc.utf8_lower(column), pa.array(["", "0", "no", "false", "none"]).cast(column.type))
        return np.asarray(pc.and_(pc.invert(no), column.is_valid()).fill_null(False))
    return np.nan_to_num(as_doubles(column)) != 0.0
