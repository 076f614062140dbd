"""Labels that are numbers and far from what the rest of the row foretells, by a fit that poison moves little."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.dataset.numbers import as_doubles
from assay.finding import RowScore
from assay.learn.columns import code_columns
from assay.learn.head_features import cell_features
from assay.learn.robust_fit import robust_fit
from assay.screen.context import Context

# Robust deviations beyond which a row is flagged: 2e-9 of a Gaussian; of a Laplace law, whose median absolute deviation is log 2 of its
# mean one, exp(-6 * 1.4826 * log 2) = .2 %. What natural data make of it is in docs/evidence/C-cost.md.
FAR = 6.0
PER_FEATURE = 3  # rows a feature, below which a fit follows every row
MOST_ROWS = 200_000  # fitted and judged: features of 100 numbers take 160 MB

Float = NDArray[np.float64]


def number_label(data: Dataset) -> Float | None:
    """(n,) the numbers that label the rows, NaN where missing; None for another task."""
    if data.task != "regression" or len(data.columns.label) != 1:
        return None
    column = data.table.column(data.columns.label[0])
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        return None
    return as_doubles(column)


def run(context: Context) -> RowScore:
    """The screen: rows without a number score 0. Scores are residuals in robust deviations."""
    data = context.data
    values = number_label(data)
    assert values is not None
    score, flag = np.zeros(len(data)), np.zeros(len(data), bool)
    reason = "the rest of the row foretells another number"
    known = np.flatnonzero(np.isfinite(values))
    if len(known) > MOST_ROWS:
        known = np.sort(context.rng.choice(known, MOST_ROWS, replace=False))
    kinds = {c: data.table.schema.field(c).type for c in data.columns.content}
    coded = code_columns(data.table, [c for c, kind in kinds.items() if not (pa.types.is_nested(kind) or pa.types.is_null(kind))])
    features = cell_features(coded)[known]
    features = features[:, features.std(0) > 0]
    if len(known) < PER_FEATURE * features.shape[1] or not features.shape[1]:
        return RowScore("number_labels", score, flag, f"too few rows for {features.shape[1]} features")
    fit = robust_fit(features, values[known])
    if fit.scale > 0:
        score[known] = np.abs(fit.residual) / fit.scale
        flag[known] = score[known] > FAR
    return RowScore("number_labels", score, flag, reason)
