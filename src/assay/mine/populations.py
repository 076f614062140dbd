"""Proposes groups of the population of a table: values or ranges of one column, and pairs of them. Labels are never read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from assay.learn.columns import Coded

Int = NDArray[np.int64]

LEAST = 30  # rows of a group: of fewer no share can be told
WIDEST = 0.5  # of the rows: the larger part of a data set is no group in it
VALUES = 24  # different numbers up to which each is a value; more are cut into ranges
RANGES = 8  # of about equally many rows
TELLS = 0.9  # share of the guesses that are wrong when blind which are right when the other column is known
PAIRS, MISSED = 256, 4.0  # pairs of rows by which it is told whether to count; standard errors by which they may fall short
CROSSED = 4_000_000  # pairs of levels counted, at most: columns with more are no two names for one thing
COLUMNS_PAIRED = 16  # columns, those with fewest values first, that are paired: 120 pairs


@dataclass(frozen=True)
class Population:
    """Groups that do not overlap, by the values of one column or of two: `code` (n,) is the group of each row, negative for none.

    `hidden` are the columns that tell the group: its own, and those that say the same in other words.
    """

    columns: tuple[int, ...]
    code: Int
    size: Int  # (groups,) rows
    hidden: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.size)


def populations(coded: Coded) -> Iterator[Population]:
    """Every column's groups, then every pair's.

    >>> import pyarrow as pa
    >>> from assay.learn.columns import code_columns
    >>> table = pa.table({"sex": ["F"] * 40 + ["M"] * 60, "age": list(range(100))})
    >>> [(p.columns, p.size.tolist()) for p in populations(code_columns(table, ["sex", "age"]))][:1]
    [((0,), [40])]
    """
    levels = [_levels(coded.cells[:, j], bool(coded.numeric[j])) for j in range(len(coded.names))]
    twins = _twins(levels)
    for j, level in enumerate(levels):
        found = _grouped((j,), level, len(coded), twins[j])
        if len(found):
            yield found
    usable = sorted((int(level.max(initial=-1)) + 1, j) for j, level in enumerate(levels))
    paired = sorted(j for count, j in usable if count >= 2)[:COLUMNS_PAIRED]
    for i, j in combinations(paired, 2):
        if i in twins[j] or j in twins[i]:
            continue
        one, other = levels[i], levels[j]
        both = np.where((one >= 0) & (other >= 0), one * (other.max(initial=0) + 1) + other, -1)
        found = _grouped((i, j), both, len(coded), twins[i] | twins[j])
        if len(found):
            yield found


def _levels(cells: NDArray[np.float64], numeric: bool) -> Int:
    """(n,) the value, or range of values, of each cell; negative where missing."""
    there = ~np.isnan(cells)
    out = np.full(len(cells), -1)
    values, code = np.unique(cells[there], return_inverse=True)
    if not numeric or len(values) <= VALUES:
        out[there] = code
        return out
    edges = np.unique(np.quantile(cells[there], np.arange(1, RANGES) / RANGES))
    out[there] = np.searchsorted(edges, cells[there], side="right")
    return out


def _twins(levels: list[Int]) -> list[set[int]]:
    """Of each column those that tell it, itself among them. Asked first of pairs of rows that are alike in one: are they in the other?"""
    d = len(levels)
    table = np.stack(levels, 1)
    there = (table >= 0).sum(0)
    blind = np.array([np.bincount(level[level >= 0]).max(initial=0) for level in levels]) / np.maximum(there, 1)
    wanted = (TELLS + (1 - TELLS) * blind) ** 2  # where the guess is right so often, both of a pair are as often at least
    least = wanted - MISSED * np.sqrt(wanted * (1 - wanted) / PAIRS)
    rng = np.random.default_rng(0)
    twins = [{j} for j in range(d)]
    for i in range(d):
        one, other = _alike_in(levels[i], rng)
        both = (table[one] >= 0) & (table[other] >= 0)
        alike = ((table[one] == table[other]) & both).sum(0) >= np.maximum(least * both.sum(0), 1)
        for j in np.flatnonzero(alike):
            if i != j and _tells(levels[i], levels[j]):
                twins[j].add(i)
    return twins


def _alike_in(level: Int, rng: np.random.Generator) -> tuple[Int, Int]:
    """Pairs of rows of one level, drawn by `PAIRS` rows: each with another of its level, or with itself where it is alone."""
    rows = np.flatnonzero(level >= 0)
    if not len(rows):
        return rows, rows
    order = rows[np.argsort(level[rows], kind="stable")]
    start = np.searchsorted(level[order], np.arange(level.max() + 2))
    place = rng.integers(0, len(order), PAIRS)
    mine = level[order[place]]
    size = start[mine + 1] - start[mine]
    step = 1 + rng.integers(0, np.maximum(size - 1, 1))
    return order[place], order[start[mine] + (place - start[mine] + np.where(size > 1, step, 0)) % size]


def _tells(one: Int, other: Int) -> bool:
    """Whether the levels of `one` (n,) tell those of `other`: known to the former, the latter is seldom guessed wrong."""
    both = (one >= 0) & (other >= 0)
    width = int(other.max(initial=0)) + 1
    if not both.any() or (int(one.max()) + 1) * width > CROSSED:
        return False
    counts = np.bincount(one[both] * width + other[both], minlength=(int(one.max()) + 1) * width).reshape(-1, width)
    blind = np.bincount(other[both]).max() / both.sum()
    return bool(counts.max(1).sum() / both.sum() >= TELLS + (1 - TELLS) * blind)


def _grouped(columns: tuple[int, ...], level: Int, rows: int, hidden: set[int]) -> Population:
    """The levels with enough rows and not too many."""
    values, code = np.unique(level, return_inverse=True)
    size = np.bincount(code)
    kept = np.flatnonzero((size >= LEAST) & (size <= WIDEST * rows) & (values >= 0))
    place = np.full(len(values), -1)
    place[kept] = np.arange(len(kept))
    return Population(columns, place[code], size[kept], tuple(sorted(hidden)))
