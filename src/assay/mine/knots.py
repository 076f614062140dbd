"""Knots: combinations of four or more column values that stand together and hardly ever apart.

Labels are never read. For every value that enough and not too many rows hold, pairs of its rows are drawn; where they agree in enough
other columns time and again, all of its rows are asked which values (nearly) all of them share. One linear pass a drawing, however many
columns a combination has, where counting combinations of four would cost the fourth power of the columns. Rows alike in most columns are
copies of one another and no knot. Natural knots exist (what is left blank together, one code that fixes three others): a trial must tell.

Cannot see: a combination none of whose values is rarer than `mine.cells.WIDEST`; values that each have as many rows of their own; what
fills more than half of the columns (and more than six).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.learn.columns import Coded
from assay.mine.cells import SUPPORT, WIDEST, WIDEST_ROWS, entailed

Int = NDArray[np.int64]

COLUMNS = 4  # of a knot at least: fewer are what `mine.cells` counts
DRAWINGS = 8  # pairs of rows drawn a value,
GOOD = 4  # of which a column's cells must agree in so many: where nine carriers in ten make a knot they do in 99 of 100, and those of ten
# even kinds, by chance, in one of 200
HELD_APART = 0.5  # knots with more of their rows in common (Jaccard) are one
TOGETHER = 50_000  # rows looked at together
MOST = 200  # knots at most, those of most columns first
KINDRED = 0.5  # of their columns in common (Jaccard), from which rules of other rows are of one kind


@dataclass(frozen=True)
class Knot:
    """`columns` that agree in all of the sorted `rows`."""

    columns: tuple[int, ...]
    rows: Int


def kin(rule: Knot, others: Iterable[Knot]) -> int:
    """How many others stand in about the same columns, and in other rows: many, and the table is made of such."""
    mine, rows = set(rule.columns), set(rule.rows.tolist())
    near = (other for other in others if len(mine & set(other.columns)) >= KINDRED * len(mine | set(other.columns)))
    return sum(rows.isdisjoint(other.rows.tolist()) for other in near)


def knots(coded: Coded, rng: np.random.Generator) -> tuple[list[Knot], int]:
    """The knots, those of most columns first, and of how many values it was asked."""
    found: list[Knot] = []
    waiting: list[_Values] = []
    asked = 0
    for j in range(coded.cells.shape[1]):
        number, some = _of_column(coded, j, rng)
        asked += number
        if some is not None:
            waiting.append(some)
        if sum(len(w.rows) for w in waiting) > TOGETHER:
            found += _of_values(coded, waiting)
            waiting = []
    found += _of_values(coded, waiting)
    found.sort(key=lambda k: (-len(k.columns), -len(k.rows), k.columns))
    return _apart(found), asked


@dataclass(frozen=True)
class _Values:
    """Values of `column` whose rows may be a knot: `rows` of one value after another, `count` of each."""

    column: int
    rows: Int
    count: Int


def _of_column(coded: Coded, j: int, rng: np.random.Generator) -> tuple[int, _Values | None]:
    """How many values of column j are asked, and those of which pairs of rows agree in enough columns."""
    values, carriers, count = _carriers(coded, j)
    start = np.cumsum(count) - count
    alike = np.zeros((len(values), coded.cells.shape[1]), np.int8)
    for _ in range(DRAWINGS if len(values) else 0):
        one = rng.integers(0, count)
        other = (one + rng.integers(1, count)) % count
        alike += coded.cells[carriers[start + one]] == coded.cells[carriers[start + other]]
    kept = np.flatnonzero((alike >= GOOD).sum(1) >= COLUMNS)  # common values count here, and are sorted out below
    if not len(kept):
        return len(values), None
    return len(values), _Values(j, np.concatenate([carriers[start[v] : start[v] + count[v]] for v in kept]), count[kept])


def _of_values(coded: Coded, waiting: list[_Values]) -> list[Knot]:
    """The knots among the rows of these values."""
    if not waiting:
        return []
    found = []
    rows, count = np.concatenate([w.rows for w in waiting]), np.concatenate([w.count for w in waiting])
    own = np.repeat([w.column for w in waiting], [len(w.count) for w in waiting])[:, None] == np.arange(coded.cells.shape[1])
    shares = entailed(coded.cells, own, np.repeat(np.arange(len(count)), count), rows)
    wide, ends = shares.sum(1), np.cumsum(count)
    for g in np.flatnonzero((wide >= COLUMNS) & (wide < coded.cells.shape[1])):
        columns = tuple(np.flatnonzero(shares[g]).tolist())
        held = rows[ends[g] - count[g] : ends[g]]
        model = coded.cells[held][:, list(columns)]
        usual = np.array([_mode(column) for column in model.T])
        agreeing = np.sort(held[(model == usual).all(1)])
        if len(agreeing) >= SUPPORT:
            found.append(Knot(columns, agreeing))
    return found


def _carriers(coded: Coded, j: int) -> tuple[NDArray[np.float64], Int, Int]:
    """The values of column j that enough and not too many rows hold, their rows one value after another, and how many each has."""
    cells = coded.cells[:, j]
    order = np.argsort(cells, kind="stable")
    order = order[: int((~np.isnan(cells)).sum())]
    values, begin, count = np.unique(cells[order], return_index=True, return_counts=True)
    able = (count >= SUPPORT) & (count <= max(WIDEST_ROWS, int(WIDEST * len(cells))))
    rows = [order[b : b + c] for b, c in zip(begin[able], count[able], strict=True)]
    return values[able], np.concatenate(rows) if rows else np.zeros(0, np.int64), count[able]


def _mode(column: NDArray[np.float64]) -> float:
    values, count = np.unique(column[~np.isnan(column)], return_counts=True)
    return float(values[count.argmax()]) if len(values) else np.nan


def _apart(found: list[Knot]) -> list[Knot]:
    """The first `MOST` that are not one with an earlier one."""
    kept: list[Knot] = []
    sets: list[set[int]] = []
    for knot in found:
        mine = set(knot.rows.tolist())
        if not any(len(mine & other) > HELD_APART * len(mine | other) for other in sets):
            kept.append(knot)
            sets.append(mine)
            if len(kept) == MOST:
                break
    return kept
