"""Pairs and triples of column values: the work of counting them, shared out by combination.

Each piece of work counts some combinations over all rows, decides what is proposed, and tells which rows carry it, so that neither keys nor
tables of counts travel, and nobody waits for another's part of the rows. What a triple is held against, the counts of its pairs, comes from
the pairs' own pieces of work. Which combinations share a piece changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrc

from assay.engine.base import Engine, Handle
from assay.engine.local import LOCAL
from assay.learn.columns import Floats
from assay.learn.threads import ahead
from assay.mine.cell_blocks import Codes, Found, Place, counted
from assay.stats.counts import Counts

Int = NDArray[np.int64]
Columns: TypeAlias = tuple[int, ...]

EXCESS = 0.01  # Poisson tail of standing together as its pairs make likely, below which a triple is proposed
SAME = 0.9  # with this share of a part's carriers a combination is that part over again
GROUP_ROWS = 10_000_000  # rows that are looked at in one piece of work, of all its pairs together: 80 MB are told, at most
TRIPLE_ROWS = 40_000_000  # the same of triples, which tell little, and cost less where all that grow from a pair stay together
FEWEST_ROWS = 1_000_000  # smaller pieces cost more to hand out than they save
SHARE = 4  # of what is left a worker takes one part in so many: pieces grow smaller towards the end, where one would wait for another


@dataclass(frozen=True)
class Known:
    """What combinations are held against: `counts` of each column's frequent values, `together` those of pairs, of `rows` in all; a
    combination is proposed that `support` to `widest` rows carry."""

    counts: tuple[Int, ...]
    rows: int
    support: int
    widest: int
    together: Mapping[tuple[int, int], Counts]

    def place(self, columns: Columns) -> Place:
        pairs = np.asarray(self.together[columns[0], columns[1]].keys, np.int64) if len(columns) == 3 else None
        return Place(columns, tuple(len(self.counts[j]) for j in columns), pairs)

    def both(self, x: int, y: int, u: Int, v: Int) -> Int:
        """In how many rows the values `u` of column `x` and `v` of `y` stand together; 0 where they are too few."""
        if x > y:
            x, y, u, v = y, x, v, u
        return self.together.get((x, y), Counts.empty()).of(u * len(self.counts[y]) + v)


@dataclass(frozen=True)
class Told:
    """Of one combination: row `row[i]` carries proposal `cell[i]`; `support` (proposals,). In the fewest bits, as most of what travels."""

    columns: Columns
    row: Codes
    cell: NDArray[np.integer[Any]]
    support: Int

    @staticmethod
    def of(columns: Columns, found: Found, proposed: NDArray[np.bool_]) -> Told:
        row, cell = found.rows_of(np.asarray(found.counts.keys, np.int64)[proposed])
        support = found.counts.counts[proposed]
        return Told(columns, row, cell.astype(np.min_scalar_type(len(support))), support)


@dataclass(frozen=True)
class Pair:
    """Two columns: `found` all pairs of their values in enough rows, and how far the one that stands out most does beyond chance."""

    found: Counts
    standing: float
    told: Told


def pairs(engine: Engine, codes: Sequence[Handle[Codes]], known: Known, combinations: Sequence[Columns]) -> Iterator[Pair]:
    """Of all pairs of columns that are asked about, in their order, those with values that stand together in enough rows."""
    return _shared_out(engine, _pairs, codes, known, combinations, [known.rows] * len(combinations), GROUP_ROWS)


def triples(engine: Engine, codes: Sequence[Handle[Codes]], known: Known, combinations: Sequence[Columns]) -> Iterator[Told]:
    """What is proposed of each triple of columns, in the order asked for; nothing where none of its values are in enough rows."""
    weights = [int(known.together[i, j].counts.sum()) for i, j, _ in combinations]
    return _shared_out(engine, _triples, codes, known, combinations, weights, TRIPLE_ROWS)


def _shared_out(
    engine: Engine,
    work: Callable[..., list[Any]],
    codes: Sequence[Handle[Codes]],
    known: Known,
    combinations: Sequence[Columns],
    weights: Sequence[int],
    most: int,
) -> Iterator[Any]:
    placed = engine.put(known)
    groups = groups_of(combinations, weights, most, SHARE * engine.workers if engine.remote else 1)
    pieces = engine.map(work, ((group, placed, *(codes[j] for j in _columns_of(group))) for group in groups))
    for told in ahead(pieces) if engine is LOCAL else pieces:
        yield from told


def groups_of(combinations: Sequence[Columns], weights: Sequence[int], most: int, parts: int = 1) -> Iterator[tuple[Columns, ...]]:
    """Neighbours that weigh together at most so much, and no more than one of so many `parts` of what is left; or one that weighs more.

    >>> [len(group) for group in groups_of([(0, 1)] * 8, [500_000] * 8, 2_000_000, 2)]
    [4, 2, 2]
    """
    group: list[Columns] = []
    weight, left = 0, sum(weights)
    for columns, more in zip(combinations, weights, strict=True):
        if group and weight + more > min(most, max(FEWEST_ROWS, left // parts)):
            yield tuple(group)
            group, weight, left = [], 0, left - weight
        group.append(columns)
        weight += more
    if group:
        yield tuple(group)


def _columns_of(group: Sequence[Columns]) -> list[int]:
    return sorted({j for columns in group for j in columns})


def _pairs(group: tuple[Columns, ...], known: Known, *columns: Codes) -> list[Pair]:
    told = []
    codes = dict(zip(_columns_of(group), columns, strict=True))
    for (i, j), found in zip(group, counted(codes, [known.place(c) for c in group], known.support), strict=True):
        if not len(found.counts.keys):
            continue
        keys, count = np.asarray(found.counts.keys, np.int64), found.counts.counts
        a, b = np.divmod(keys, len(known.counts[j]))
        part = np.minimum(known.counts[i][a], known.counts[j][b])
        expected = known.counts[i][a] * known.counts[j][b] / known.rows
        standing = float(((count - expected) / np.sqrt(expected)).max())
        # no test of excess here: values that exclude each other by nature, put together by a trigger, need not be in excess
        news = (count <= known.widest) & ((count < SAME * part) | (part > known.widest))
        told.append(Pair(found.counts, standing, Told.of((i, j), found, news)))
    return told


def _triples(group: tuple[Columns, ...], known: Known, *columns: Codes) -> list[Told]:
    told = []
    codes = dict(zip(_columns_of(group), columns, strict=True))
    for at, found in zip(group, counted(codes, [known.place(c) for c in group], known.support), strict=True):
        often = found.counts.counts <= known.widest
        if often.any():
            often[often] = _news(Counts(found.counts.keys[often], found.counts.counts[often]), at, known)
            told.append(Told.of(at, found, often))
    return told


def _news(found: Counts, at: Columns, known: Known) -> NDArray[np.bool_]:
    """Which triples stand together more often than any two of their pairs make likely, and are not one of the pairs over again."""
    i, j, m = at
    counts, of_pairs = known.counts, known.together[i, j]
    pair, c = np.divmod(np.asarray(found.keys, np.int64), len(counts[m]))
    a, b = np.divmod(np.asarray(of_pairs.keys, np.int64)[pair], len(counts[j]))
    ab = of_pairs.counts[pair]
    ac, bc = np.maximum(known.both(i, m, a, c), found.counts), np.maximum(known.both(j, m, b, c), found.counts)
    na, nb, nc = counts[i][a], counts[j][b], counts[m][c]
    expected = np.maximum(np.maximum(ab * ac / na, ab * bc / nb), ac * bc / nc)
    part = np.minimum(np.minimum(ab, ac), bc)
    new = (found.counts < SAME * part) | (part > known.widest)
    new[new] = _excess(found.counts[new], expected[new])
    return np.asarray(new)


def _excess(count: Int, expected: Floats) -> NDArray[np.bool_]:
    """(m,) whether so many are improbable; no more than are expected never are (the median of Poisson's law lies at most ln 2 below it)."""
    above = count > expected
    above[above] = pdtrc(count[above] - 1, expected[above]) < EXCESS
    return np.asarray(above)
