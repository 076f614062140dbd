"""How far reviewers agree: Krippendorff's alpha, 1 for perfect agreement, 0 for what chance gives.

Any number of reviewers, any of them absent from any row. Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability".
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from assay.crowd.votes import Floats

Scale = Literal["nominal", "ordinal", "interval"]


def alpha(counts: Floats, scale: Scale = "nominal", values: Floats | None = None) -> float:
    """Of counts (n, k): how many reviewers gave each row each value. Rows with fewer than two are passed over.

    `values` (k,) of an interval scale; 0 .. k-1 if None. NaN where no row has two values or only one value occurs.

    >>> alpha(np.array([[2.0, 0], [0, 2], [2, 0]]))
    1.0
    """
    pairable = counts[counts.sum(1) >= 2]
    of_row = pairable.sum(1, keepdims=True)
    together = pairable.T @ (pairable / (of_row - 1)) if len(pairable) else np.zeros((counts.shape[1],) * 2)
    together -= np.diag((pairable / (of_row - 1)).sum(0)) if len(pairable) else 0.0
    margin = together.sum(0)
    total = margin.sum()
    apart = _distances(margin, scale, values)
    expected = (np.outer(margin, margin) * apart).sum() / max(total - 1, 1)
    if expected == 0:
        return float("nan")
    return float(1 - (together * apart).sum() / expected)


def _distances(margin: Floats, scale: Scale, values: Floats | None) -> Floats:
    k = len(margin)
    if scale == "nominal":
        return 1.0 - np.eye(k)
    if scale == "interval":
        at = np.arange(k, dtype=float) if values is None else np.asarray(values, float)
        return np.asarray((at[:, None] - at[None, :]) ** 2)
    upto = np.cumsum(margin) - margin / 2  # the middle of each value's ranks
    return np.asarray((upto[:, None] - upto[None, :]) ** 2)
