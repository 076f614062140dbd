"""Rows whose content is the same to the last byte, and those among them that carry different labels."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import RowScore
from assay.screen.context import Context
from assay.screen.copies import copy_reason, judge_copies, number_groups

Int = NDArray[np.int64]


def exact_groups(data: Dataset) -> Int:
    """(n,) group numbers: rows are together where all content columns and the picture are equal. Labels are not
    content.

    A missing value equals a missing value, and NaN equals NaN. Pictures are compared by a 128-bit digest. Linear in
    rows but for a sort.
    """
    codes = [column_codes(data.table.column(name)) for name in data.columns.content]
    if data.images is not None:
        rows = np.ascontiguousarray(data.images).reshape(len(data), -1)
        digest = b"".join(hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows)
        halves = np.frombuffer(digest, np.int64).reshape(len(data), 2)
        codes += [halves[:, 0], halves[:, 1]]
    return number_groups(*codes) if codes else np.arange(len(data))


def column_codes(column: pa.ChunkedArray) -> Int:
    """(n,) one whole number for each distinct value; missing values share one."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_nested(column.type):
        column = pa.chunked_array([pa.array([repr(value) for value in column.to_pylist()])])
    encoded = pc.dictionary_encode(column, null_encoding="encode").combine_chunks()
    indices = encoded.combine_chunks().indices if isinstance(encoded, pa.ChunkedArray) else encoded.indices
    return np.asarray(indices, np.int64)


def run(context: Context) -> RowScore:
    """The screen: copies score, and copies whose label is not the clear usual one of their group are flagged."""
    y = context.data.y if context.labelled.any() else None
    group = exact_groups(context.data)
    score, flag = judge_copies(group, y)
    reason = copy_reason(group, "the same content stands elsewhere under another label")
    return RowScore("exact_duplicates", score, flag, reason)
