"""p-values of single rows from scores of rows that are known to be good.

Guarantee: where a row and the calibration rows are exchangeable, given the score function, P(p <= a) <= a. Benjamini-Hochberg over the
p-values of many rows then controls the false discovery rate, for the p-values are positively dependent (Bates, Candes, Lei, Romano and
Sesia 2023, Annals of Statistics 51, Theorem 2). The score function must not have learnt from the calibration rows unless it learnt from
the tested ones alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def conformal_p(calibration: Floats, score: Floats) -> Floats:
    """(n,) share of the calibration rows, the row itself counted, whose score is at least as high; NaN scores get 1.

    None is below 1 / (calibration rows + 1): a few rows among many cannot be named unless the calibration rows outnumber the tested
    ones by far.

    >>> conformal_p(np.array([1.0, 2.0, 3.0]), np.array([2.5, 9.0, np.nan])).tolist()
    [0.5, 0.25, 1.0]
    """
    known = np.sort(np.asarray(calibration, float))
    higher = len(known) - np.searchsorted(known, score, side="left")
    p = (1 + higher) / (len(known) + 1)
    return np.where(np.isnan(score), 1.0, p)
