"""Scores of many columns together: of a row the highest, of each column the flags by its own tail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assay.learn.threads import in_parallel
from assay.screen.row_blocks import RowBlocks
from assay.screen.tail import Law, Read
from assay.stats.multiple import adjusted

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Int = NDArray[np.int64]

NAMED = 3  # columns, of those in which most rows are flagged


class Scale(Protocol):
    """What a column's values are scored by: told from all of them, asked of any."""

    def score(self, column: Float, /) -> Float: ...


@dataclass(frozen=True)
class Judge:
    """A column's scale, and the law of the scores that its rows have on it."""

    scale: Scale
    law: Law


@dataclass(frozen=True)
class ByColumn:
    """Of n rows: `score` (n,) in the row's oddest column, `flag` (n,) in any, `bound` (n,) the false-discovery bound over all columns;
    `named`: the columns that are the oddest of most flagged rows."""

    score: Float
    flag: Bool
    bound: Float
    named: tuple[str, ...]


@dataclass(frozen=True)
class Rows:
    """Some neighbouring rows: their highest scores, the least chance of them, whether they are flagged, and of how many of those each
    column is the oddest."""

    score: Float
    chance: Float
    flag: Bool
    oddest: Int


def by_column(rows: int, names: Sequence[str], scored: Callable[[int], Float], least: float) -> ByColumn:
    """Column j's scores (n,) are `scored(j)`, at least 0, NaN where it is missing; none of at most `least` is flagged.

    A flag is read on the whole column's own tail.
    """

    def told(j: int) -> tuple[Float, Float, Bool]:
        own = scored(j)
        read = Read.of(own)
        filled = np.nan_to_num(own, nan=0.0)
        p = (read if len(read.x) == rows else Read.of(filled)).probability(1 / len(names))
        return filled, p, read.beyond(len(names)) & (own > least)

    return _concluded([_together(rows, len(names), told)], names)


def by_values(numbers: RowBlocks, names: Sequence[str], judges: Sequence[Judge], least: float) -> ByColumn:
    """The same of the numbers (n, m) in blocks of rows, where column j is scored by judge j, which knows all of its values."""
    placed = numbers.engine.put(tuple(judges))
    return _concluded(list(numbers.map(_judged, placed, least)), names)


def _judged(block: Float, judges: Sequence[Judge], least: float) -> Rows:
    def told(j: int) -> tuple[Float, Float, Bool]:
        own, law = judges[j].scale.score(block[:, j]), judges[j].law
        return own, law.probability(own), law.beyond(own, len(judges)) & (own > least)

    return _together(len(block), len(judges), told)


def _together(rows: int, columns: int, told: Callable[[int], tuple[Float, Float, Bool]]) -> Rows:
    """From each column's scores, chances and flags. The columns are scored beside each other, and added up in whatever order they come:
    least and greatest numbers know no order."""
    score, chance = np.zeros(rows), np.ones(rows)
    lock = Lock()

    def one(j: int) -> tuple[Int, Float]:
        own, p, flagged = told(j)
        with lock:
            np.maximum(score, own, out=score)
            np.minimum(chance, p, out=chance)
        at = np.flatnonzero(flagged)
        return at, own[at]

    flag, highest, oddest = np.zeros(rows, bool), np.full(rows, -1.0), np.zeros(rows, np.int64)
    for j, (flagged, own) in enumerate(in_parallel(one, range(columns))):
        flag[flagged] = True
        more = flagged[own > highest[flagged]]
        highest[flagged] = np.maximum(highest[flagged], own)
        oddest[more] = j
    return Rows(score, chance, flag, np.bincount(oddest[flag], minlength=columns))


def _concluded(parts: Sequence[Rows], names: Sequence[str]) -> ByColumn:
    often = np.sum([part.oddest for part in parts], axis=0)
    named = tuple(names[j] for j in np.argsort(-often, kind="stable")[:NAMED] if often[j])
    score, chance, flag = (np.concatenate(each) for each in zip(*((p.score, p.chance, p.flag) for p in parts), strict=True))
    return ByColumn(score, flag, adjusted(np.minimum(chance * len(names), 1.0)), named)
