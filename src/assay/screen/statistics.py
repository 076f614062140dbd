"""A few plain numbers a row: the numeric columns of a table, or what can be measured of a text or a picture without
learning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.dataset.numbers import as_doubles

Float = NDArray[np.float64]

# Pictures measured at a time: bounds the float copy at about 50 MB for 32x32x3.
BLOCK = 2_000


@dataclass(frozen=True)
class Statistics:
    """`values` (n, m) with one name a column, which lies together in memory; NaN where a value is missing, inf kept. Constant columns are
    left out."""

    names: tuple[str, ...]
    values: Float


def row_statistics(data: Dataset) -> Statistics:
    """The numbers of each row, whatever the modality; several content kinds are put side by side.

    Pictures: brightness, contrast, edges (mean absolute difference of neighbouring pixels), colour (mean distance of
    the channels from grey). Texts: characters, words, characters a word, shares of digits, capitals, marks,
    characters outside ASCII. Tables: numeric columns as they are (not booleans, and not numbers stored as text).
    """
    names: list[str] = []
    parts: list[Float] = []
    if data.images is not None:
        names += ["brightness", "contrast", "edges", "colour"]
        parts.append(_of_pictures(data.images).T)
    for column in data.columns.content:
        values = data.table.column(column)
        kind = values.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            names.append(column)
            parts.append(as_doubles(values)[None])
    if data.modality == "text":
        several = len(text_columns(data)) > 1
        for column in text_columns(data):
            shown = [f"{column}: {name}" if several else name for name in TEXT_STATISTICS]
            names += shown
            parts.append(_of_texts(data.table.column(column)).T)
    columns = [column for part in parts for column in part]
    varies = [_varies(column) for column in columns]
    kept = [column for column, keep in zip(columns, varies, strict=True) if keep]
    values = np.stack(kept).T if kept else np.zeros((len(data), 0))
    return Statistics(tuple(name for name, keep in zip(names, varies, strict=True) if keep), values)


TEXT_STATISTICS = ("characters", "words", "characters a word", "digits", "capitals", "marks", "not ASCII")


def text_columns(data: Dataset) -> list[str]:
    """Content columns that hold strings."""
    return [name for name in data.columns.content if _is_string(data.table.schema.field(name).type)]


def joined_text(data: Dataset) -> pa.Array:
    """(n) the string columns of each row, joined by a line feed; a missing value counts as empty."""
    columns = [pc.fill_null(data.table.column(c).cast(pa.large_string()), "") for c in text_columns(data)]
    joined = columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, pa.scalar("\n", pa.large_string()))
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def finite_or(values: Float, fill: Float) -> Float:
    """(n, m) with every NaN and inf replaced by the column's `fill`."""
    return np.where(np.isfinite(values), values, fill[None, :])


def _is_string(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _varies(column: Float) -> bool:
    known = column[~np.isnan(column)]
    return len(known) > 1 and bool((known != known[0]).any())


def _of_texts(values: pa.ChunkedArray) -> Float:
    text = pc.fill_null(values.cast(pa.large_string()), "")
    characters = as_doubles(pc.utf8_length(text))
    words = as_doubles(pc.count_substring_regex(text, r"\S+"))
    some = np.maximum(characters, 1)
    shares = [
        as_doubles(pc.count_substring_regex(text, pattern)) / some for pattern in (r"[0-9]", r"\p{Lu}", r"[^\pL\pN\s]", r"[^\x00-\x7F]")
    ]
    return np.column_stack([characters, words, characters / np.maximum(words, 1), *shares])


def _of_pictures(images: NDArray[np.uint8]) -> Float:
    out = np.empty((len(images), 4))
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK].astype(np.float32)
        channels = [block[..., c] for c in range(block.shape[3])]
        grey = sum(channels[1:], channels[0]) / len(channels)  # a mean over axis 3: ten times slower
        out[start : start + len(block)] = np.column_stack(
            [
                grey.mean(axis=(1, 2)),
                grey.std(axis=(1, 2)),
                np.abs(np.diff(grey, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2)),
                np.abs(block - grey[..., None]).mean(axis=(1, 2, 3)),
            ]
        )
    return out
