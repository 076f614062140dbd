"""Many screens, one score a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from assay.finding import RowScore
from assay.learn.threads import in_parallel

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Combined:
    """`score` (n,) in [0, 1], higher is more suspicious; `review` (n,) flagged by some screen; rows to review score
    above one half, the others at most one half."""

    score: Float
    review: Bool
    screens: tuple[str, ...]

    def reasons(self, position: int, scores: Sequence[RowScore]) -> tuple[str, ...]:
        """Why the row at this position is to be reviewed, a line a screen."""
        return tuple(f"{s.name}: {s.reason}" for s in scores if s.flag[position])


def combine(scores: Sequence[RowScore], rows: int) -> Combined:
    """Combine what the screens say; scores are not comparable across screens, so only ranks are used.

    In each screen a row gets the share of rows that score at least as high (ties count half): p. The shares are
    combined by the Cauchy rule (Liu and Xie 2020, JASA 115): the mean of tan((1/2 - p) pi). Its sum follows the
    smallest p, adds up where screens agree, and holds for screens that depend on one another. 1 - the combined p is
    then halved, and one half is added where a screen flags the row. A score of no screen is 0 throughout.

    >>> a = RowScore("a", np.array([0.0, 0.1, 0.9]), np.array([False, False, True]), "odd")
    >>> c = combine([a], 3)
    >>> c.score.round(2).tolist(), c.review.tolist()
    ([0.08, 0.25, 0.92], [False, False, True])
    """
    if not scores:
        return Combined(np.zeros(rows), np.zeros(rows, bool), ())
    review = np.logical_or.reduce([s.flag for s in scores])
    total = np.zeros(rows)
    for said in in_parallel(lambda s: _said(s.score), scores):
        total += said
    usual = 0.5 + np.arctan(total / len(scores)) / np.pi  # 1 - combined p
    return Combined(np.clip(0.5 * usual + 0.5 * review, 0.0, 1.0), review, tuple(s.name for s in scores))


def _said(score: Float) -> Float:
    """(n,) the tangent that stands for the share of rows that score at least as high."""
    p = (rankdata(-np.nan_to_num(score, nan=-np.inf)) - 0.5) / len(score)
    return np.asarray(np.tan((0.5 - p) * np.pi))


def row_bound(scores: Sequence[RowScore], rows: int) -> Float:
    """(n,) false-discovery bound of a row over all screens that have one; 1 where none has.

    Guarantee, as far as the screens' own bounds hold: of the rows with a bound of at most q the share q is expected to be false. The
    least bound times the number of screens: the false share of a union is at most the sum of the false shares.
    """
    known = [np.nan_to_num(s.bound, nan=1.0) for s in scores if s.bound is not None]
    if not known:
        return np.ones(rows)
    return np.asarray(np.minimum(np.min(known, axis=0) * len(known), 1.0), np.float64)
