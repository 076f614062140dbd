"""Scores of many columns together: of a row the highest, of each column the flags by its own tail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from assay.learn.threads import in_parallel
from assay.screen.tail import Read
from assay.stats.multiple import adjusted

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Int = NDArray[np.int64]

NAMED = 3  # columns, of those in which most rows are flagged


@dataclass(frozen=True)
class ByColumn:
    """Of n rows: `score` (n,) in the row's oddest column, `flag` (n,) in any, `bound` (n,) the false-discovery bound over all columns;
    `named`: the columns that are the oddest of most flagged rows."""

    score: Float
    flag: Bool
    bound: Float
    named: tuple[str, ...]


def by_column(rows: int, names: Sequence[str], scored: Callable[[int], Float], least: float) -> ByColumn:
    """Column j's scores (n,) are `scored(j)`, at least 0, NaN where it is missing; none of at most `least` is flagged.

    A flag is read on the whole column's own tail. The columns are scored beside each other, and added up in whatever order they come:
    least and greatest numbers know no order.
    """
    score, chance = np.zeros(rows), np.ones(rows)
    lock = Lock()

    def one(j: int) -> tuple[Int, Float]:
        own = scored(j)
        read = Read.of(own)
        flagged = np.flatnonzero(read.beyond(len(names)) & (own > least))
        filled = np.nan_to_num(own, nan=0.0)
        p = (read if len(read.x) == rows else Read.of(filled)).probability(1 / len(names))
        with lock:
            np.maximum(score, filled, out=score)
            np.minimum(chance, p, out=chance)
        return flagged, own[flagged]

    flag, highest, oddest = np.zeros(rows, bool), np.full(rows, -1.0), np.zeros(rows, np.int64)
    for j, (flagged, own) in enumerate(in_parallel(one, range(len(names)))):
        flag[flagged] = True
        more = flagged[own > highest[flagged]]
        highest[flagged] = np.maximum(highest[flagged], own)
        oddest[more] = j
    often = np.bincount(oddest[flag], minlength=len(names))
    named = tuple(names[j] for j in np.argsort(-often, kind="stable")[:NAMED] if often[j])
    return ByColumn(score, flag, adjusted(np.minimum(chance * len(names), 1.0)), named)
