"""Rows that random cuts set apart early: the isolation forest, on numbers and rare categories or on features.

Liu, Ting and Zhou 2008, "Isolation Forest", ICDM. scikit-learn's `contamination` is never used: it fixes the share
flagged.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from assay.dataset.data import Dataset
from assay.finding import RowScore
from assay.screen.context import Context
from assay.screen.statistics import Statistics, finite_or, row_statistics, text_columns
from assay.screen.tail import BOUNDED, beyond_tail, tail_bound

Float = NDArray[np.float64]

# Trees, and rows a tree: the paper's own figures, past which its scores settle.
TREES = 100
ROWS_A_TREE = 256


def isolation_score(values: Float, rng: np.random.Generator) -> Float:
    """(n,) in (0, 1): 0.5 is usual, towards 1 set apart early. `values` (n, m) finite. Linear in rows."""
    return np.asarray(-isolation_fit(values, rng).score_samples(values), np.float64)


def isolation_fit(values: Float, rng: np.random.Generator) -> IsolationForest:
    """The forest itself, grown on `values` (n, m), finite."""
    forest = IsolationForest(n_estimators=TREES, max_samples=min(ROWS_A_TREE, len(values)), random_state=int(rng.integers(2**31)))
    return forest.fit(values)


def table_values(data: Dataset, read: Statistics | None = None) -> Float:
    """(n, m) a table's numbers, missing ones at the median and infinite ones just past the range, with a column that
    says which were missing or infinite; and for each categorical column the surprise of its value, -ln of its share."""
    numbers = (row_statistics(data) if read is None else read).values
    columns: list[Float] = []
    for j in range(numbers.shape[1]):
        column = numbers[:, j]
        known = np.isfinite(column)
        if not known.any():
            continue
        low, mid, high = column[known].min(), np.median(column[known]), column[known].max()
        room = (high - low) / 2 or 1.0
        columns.append(np.nan_to_num(column, nan=mid, posinf=high + room, neginf=low - room))
        if not known.all():
            columns.append((~known).astype(np.float64))
    if data.modality == "table":
        for name in data.columns.content:
            kind = data.table.schema.field(name).type
            if pa.types.is_boolean(kind) or name in text_columns(data):
                codes = np.asarray(
                    pc.dictionary_encode(data.table.column(name).cast(pa.string()), null_encoding="encode").combine_chunks().indices
                )
                columns.append(-np.log(np.bincount(codes)[codes] / len(codes)))
    return np.column_stack(columns) if columns else np.zeros((len(data), 0))


def run(context: Context) -> RowScore:
    """The screen: features where there are some and the rows are not a table (whose own columns say more), else
    numbers.
    """
    if context.data.modality == "table" or context.features is None:
        values = table_values(context.data, context.numbers)
        where = "its values together are"
    else:
        features = np.asarray(context.features, np.float64)
        values = finite_or(features, np.zeros(features.shape[1]))
        where = "its features are"
    score = isolation_score(values, context.rng)
    return RowScore(
        "isolation_forest",
        score,
        beyond_tail(score, lightest=BOUNDED),
        f"{where} set apart from the rest by few random cuts",
        tail_bound(score, lightest=BOUNDED),
    )
