"""Proposes combinations of column values: every one that enough rows share and its parts do not explain.

Labels are never read, so every row may be used to try what is proposed, and every proposal counts as a hypothesis. Proposed are
single values and ranges that stand apart from the rest of their column; pairs; and triples that stand together more often than any of
their pairs makes likely. A combination with the carriers of one of its parts is that part over again: no further hypothesis, but
`entailed` says which columns come with a proposal, so that the trial takes them all out.

The cost is linear in rows: one pass a combination of columns, and where columns are so many that all triples cost too much, only
the pairs of columns that stand out most are grown. Counts are mergeable integer states (`Counts`): any split of the rows and any
order of merging gives the same proposals.

Cannot see: what fewer than `SUPPORT` rows share; numbers that are jittered inside the bulk of their column; more than three columns
none of whose triples stands out; missing cells as a trigger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from assay.learn.columns import Coded, Floats
from assay.stats.counts import DENSE, Counts

Int = NDArray[np.int64]

SUPPORT = 10  # rows: one that the probe is wrongly sure of says 5 nats, and a handful of them must not convict
WIDEST = 0.1  # of the rows; what more rows share is no trigger, and its parts are tried anyhow
WIDEST_ROWS = 50  # but in small sets at least so many
COMMON = 0.5  # a value in more rows than this share says nothing in a combination (a zero in a sparse column)
EXCESS = 0.01  # Poisson tail of standing together as its pairs make likely, below which a triple is proposed
COPIES = 6  # columns and half of all: rows alike in more are near-copies of one another, which are one vote, and no proposal
SAME = 0.9  # with this share of a part's carriers a combination is that part over again
GAP = 0.05  # of the central range of a column: numbers set off by so much stand apart
CENTRE = (0.5, 99.5)  # percentiles of the central range
TRIPLES_AT_MOST = 40_000  # combinations of three columns (62 columns have 37,820): about 15 s of overhead on one core
TRIPLE_ROWS_AT_MOST = 2_000_000_000  # rows times combinations of three columns: about 20 s on one core


@dataclass(frozen=True)
class Shared:
    """What rows share in one column or one combination of columns.

    Row `row[i]` carries proposal `cell[i]` (0 .. proposals-1); `support` (proposals,). An exact combination of values, or, with
    `ranged`, numbers from the least to the greatest among the carriers.
    """

    columns: tuple[int, ...]
    row: Int
    cell: Int
    support: Int
    ranged: bool = False

    def __len__(self) -> int:
        return len(self.support)

    def carriers(self, cell: int) -> Int:
        """Sorted rows that carry it."""
        return self.row[self.cell == cell]


def shared_cells(coded: Coded, notes: list[str] | None = None, support: int = SUPPORT) -> Iterator[Shared]:
    """Single values and ranges, then pairs, then triples of `coded`; what was left out is appended to `notes`."""
    n = len(coded)
    widest = max(WIDEST_ROWS, int(WIDEST * n))
    codes: list[NDArray[np.int32]] = []
    counts: list[Int] = []
    for j in range(len(coded.names)):
        column = coded.cells[:, j]
        values = Counts.empty().add(column[~np.isnan(column)])
        yield _singles(j, column, values, support, widest)
        if coded.numeric[j]:
            yield _apart(j, column, values, support, widest)
        frequent = (values.counts >= support) & (values.counts <= max(COMMON * n, widest))
        codes.append(_code(column, np.asarray(values.keys)[frequent]))
        counts.append(values.counts[frequent])
    yield from _combined(codes, counts, n, widest, support, notes if notes is not None else [])


def entailed(cells: Floats, columns: tuple[int, ...], cell: Int, row: Int, proposals: int) -> NDArray[np.bool_]:
    """(proposals, d) the columns of each proposal and those whose value (nearly) all its carriers share with it; all, for near-copies.

    `cell` and `row` (m,): who carries which. A value in more than `COMMON` of all rows is shared by chance and does not count.
    """
    d = cells.shape[1]
    share = np.zeros((proposals, d))
    count = np.maximum(np.bincount(cell, minlength=proposals), 1)[:, None]
    for pick in (slice(None), slice(None, None, -1)):  # by one carrier's value, or by another's, if the first is the odd one out
        model = np.zeros(proposals, np.int64)
        model[cell[pick]] = row[pick]
        for j in range(d):
            value = cells[model, j]
            alike = np.bincount(cell, cells[row, j] == value[cell], minlength=proposals) / count[:, 0]
            common = _share_of(cells[:, j], value) > COMMON
            share[:, j] = np.maximum(share[:, j], np.where(common, 0.0, alike))
    found = share >= SAME
    found[found.sum(1) > max(COPIES, d // 2)] = True
    found[:, list(columns)] = True
    return np.asarray(found)


def _share_of(column: Floats, values: Floats) -> Floats:
    """(m,) in what share of a column each value stands, told by 1,000 rows spread over it."""
    seen = np.sort(column[:: max(1, len(column) // 1000)])
    return np.asarray((np.searchsorted(seen, values, "right") - np.searchsorted(seen, values, "left")) / len(seen))


def _singles(j: int, column: Floats, values: Counts, support: int, widest: int) -> Shared:
    keep = (values.counts >= support) & (values.counts <= widest)
    code = _code(column, np.asarray(values.keys)[keep])
    row = np.flatnonzero(code >= 0)
    return Shared((j,), row, code[row].astype(np.int64), values.counts[keep])


def _apart(j: int, column: Floats, values: Counts, support: int, widest: int) -> Shared:
    """Runs of neighbouring numbers that gaps set off from the rest of their column."""
    numbers = np.asarray(values.keys, np.float64)
    nothing = Shared((j,), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), True)
    if len(numbers) < 3:
        return nothing
    low, high = np.percentile(column[~np.isnan(column)], CENTRE)
    gap = GAP * (high - low if high > low else numbers[-1] - numbers[0])
    run = np.concatenate([[0], np.cumsum(np.diff(numbers) > gap)])
    size = np.bincount(run, values.counts).astype(np.int64)
    kinds = np.bincount(run)
    keep = (size >= support) & (size <= widest) & (kinds > 1)
    if not keep.any():
        return nothing
    renumber = np.where(keep, np.cumsum(keep) - 1, -1)
    code = _code(column, numbers)
    row = np.flatnonzero(code >= 0)
    cell = renumber[run[code[row]]]
    return Shared((j,), row[cell >= 0], cell[cell >= 0], size[keep], True)


def _code(column: Floats, values: Floats) -> NDArray[np.int32]:
    """(n,) place of each cell among sorted `values`, -1 where it is none of them."""
    if not len(values):
        return np.full(len(column), -1, np.int32)
    slot = np.minimum(np.searchsorted(values, column), len(values) - 1)
    return np.where(values[slot] == column, slot, -1).astype(np.int32)


def _combined(codes: list[NDArray[np.int32]], counts: list[Int], n: int, widest: int, support: int, notes: list[str]) -> Iterator[Shared]:
    usable = [j for j in range(len(codes)) if len(counts[j])]
    together: dict[tuple[int, int], Counts] = {}
    standing: dict[tuple[int, int], float] = {}
    for i, j in combinations(usable, 2):
        row = np.flatnonzero((codes[i] >= 0) & (codes[j] >= 0))
        key = codes[i][row].astype(np.int64) * len(counts[j]) + codes[j][row]
        found = Counts.empty().add(key, len(counts[i]) * len(counts[j]))
        often = found.counts >= support
        found = Counts(np.asarray(found.keys)[often], found.counts[often])
        if not len(found.keys):
            continue
        together[i, j] = found
        a, b = np.divmod(np.asarray(found.keys, np.int64), len(counts[j]))
        part = np.minimum(counts[i][a], counts[j][b])
        expected = counts[i][a] * counts[j][b] / n
        standing[i, j] = float(((found.counts - expected) / np.sqrt(expected)).max())
        # no test of excess here: values that exclude each other by nature, put together by a trigger, need not be in excess
        news = (found.counts <= widest) & ((found.counts < SAME * part) | (part > widest))
        yield _shared((i, j), row, key, found, news, len(counts[i]) * len(counts[j]))
    grown = _affordable(standing, len(usable), n, notes)
    for (i, j), found in together.items():
        if (i, j) not in grown:
            continue
        row, pair = _pairs(codes, counts, (i, j), found)
        for m in usable:
            if m in (i, j) or _first(grown, i, j, m) != (i, j):
                continue
            third = codes[m][row]
            mine = np.flatnonzero(third >= 0)
            if len(mine) < support:
                continue
            key = pair[mine] * len(counts[m]) + third[mine]
            triples = Counts.empty().add(key, len(found.keys) * len(counts[m]))
            often = (triples.counts >= support) & (triples.counts <= widest)
            triples = Counts(np.asarray(triples.keys)[often], triples.counts[often])
            if not len(triples.keys):
                continue
            news = _triple_news(triples, found, counts, together, (i, j, m), widest)
            yield _shared((i, j, m), row[mine], key, triples, news, len(found.keys) * len(counts[m]))


def _first(grown: frozenset[tuple[int, int]], i: int, j: int, m: int) -> tuple[int, int]:
    """The pair of columns from which this triple is grown: the first that is grown at all."""
    return min(p for p in ((i, j), (min(i, m), max(i, m)), (min(j, m), max(j, m))) if p in grown)


def _pairs(codes: list[NDArray[np.int32]], counts: list[Int], at: tuple[int, int], found: Counts) -> tuple[Int, Int]:
    """Rows that hold a frequent pair of values in these two columns, and which."""
    i, j = at
    row = np.flatnonzero((codes[i] >= 0) & (codes[j] >= 0))
    key = codes[i][row].astype(np.int64) * len(counts[j]) + codes[j][row]
    pair = _places(np.asarray(found.keys, np.int64), key, len(counts[i]) * len(counts[j]))
    held = np.flatnonzero(pair >= 0)
    return row[held], pair[held].astype(np.int64)


def _excess(count: Int, expected: Floats) -> NDArray[np.bool_]:
    return np.asarray(poisson.sf(count - 1, expected) < EXCESS)


def _triple_news(
    triples: Counts,
    found: Counts,
    counts: list[Int],
    together: dict[tuple[int, int], Counts],
    at: tuple[int, int, int],
    widest: int,
) -> NDArray[np.bool_]:
    """Which triples stand together more often than any two of their pairs make likely, and are not one of the pairs over again."""
    i, j, m = at
    pair, c = np.divmod(np.asarray(triples.keys, np.int64), len(counts[m]))
    a, b = np.divmod(np.asarray(found.keys, np.int64)[pair], len(counts[j]))

    def both(x: int, y: int, u: Int, v: Int) -> Int:
        if x > y:
            x, y, u, v = y, x, v, u
        return np.maximum(together.get((x, y), Counts.empty()).of(u * len(counts[y]) + v), triples.counts)

    ab, ac, bc = found.counts[pair], both(i, m, a, c), both(j, m, b, c)
    na, nb, nc = counts[i][a], counts[j][b], counts[m][c]
    expected = np.maximum(np.maximum(ab * ac / na, ab * bc / nb), ac * bc / nc)
    part = np.minimum(np.minimum(ab, ac), bc)
    return _excess(triples.counts, expected) & ((triples.counts < SAME * part) | (part > widest))


def _shared(columns: tuple[int, ...], row: Int, key: Int, found: Counts, news: NDArray[np.bool_], most: int) -> Shared:
    """The proposals `news` among `found`; row `row[i]` holds `key[i]`, below `most`."""
    keys = np.asarray(found.keys, np.int64)[news]
    if not len(keys):
        return Shared(columns, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    slot = _places(keys, key, most)
    mine = np.flatnonzero(slot >= 0)
    return Shared(columns, row[mine], slot[mine].astype(np.int64), found.counts[news])


def _places(keys: Int, key: Int, most: int) -> NDArray[np.int32]:
    """(m,) the place of each `key` among the sorted `keys`, -1 where it is none of them; all are below `most`."""
    if most <= DENSE and len(key) * 16 > most:
        place = np.full(most, -1, np.int32)
        place[keys] = np.arange(len(keys))
        return np.asarray(place[key])
    slot = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
    return np.where(keys[slot] == key, slot, -1).astype(np.int32)


def _affordable(standing: dict[tuple[int, int], float], columns: int, n: int, notes: list[str]) -> frozenset[tuple[int, int]]:
    """The pairs of columns whose triples are counted: all, or those that stand out most, as many as the cost allows."""
    most = min(TRIPLES_AT_MOST, TRIPLE_ROWS_AT_MOST // max(n, 1))
    if columns * (columns - 1) * (columns - 2) // 6 <= most:
        return frozenset(standing)
    ranked = sorted(standing, key=lambda p: (-standing[p], p))[: max(1, most // columns)]
    notes.append(
        f"of {len(standing)} pairs of columns the {len(ranked)} whose values stand together most beyond chance were grown to triples"
    )
    return frozenset(ranked)
