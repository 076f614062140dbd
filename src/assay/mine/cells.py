"""Proposes combinations of column values: every one that enough rows share and its parts do not explain.

Labels are never read, so every row may be used to try what is proposed, and every proposal counts as a hypothesis. Proposed are
single values and ranges that stand apart from the rest of their column; pairs; and triples that stand together more often than any of
their pairs makes likely. A combination with the carriers of one of its parts is that part over again: no further hypothesis, but
`entailed` says which columns come with a proposal, so that the trial takes them all out.

The cost is linear in rows: one pass a combination of columns, and where columns are so many that all triples cost too much, only
the pairs of columns that stand out most are grown. Rows are counted in blocks (`mine.cell_blocks`) as mergeable integer states: any
split of the rows and any order of merging gives the same proposals.

Cannot see: what fewer than `SUPPORT` rows share; numbers that are jittered inside the bulk of their column; more than three columns
none of whose triples stands out; missing cells as a trigger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrc

from assay.engine.base import current
from assay.learn.columns import Coded, Floats
from assay.mine.cell_blocks import Place, RowBlocks
from assay.stats.counts import Counts, quantile

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


def shared_cells(
    coded: Coded,
    notes: list[str] | None = None,
    support: int = SUPPORT,
    source: tuple[int, ...] | None = None,
    triples: int = TRIPLES_AT_MOST,
) -> Iterator[Shared]:
    """Single values and ranges, then pairs, then triples of `coded`; what was left out is appended to `notes`.

    `source` (d,): columns with the same number say the same in other words, and are not combined. `triples`: of columns, at most.
    """
    n = len(coded)
    widest = max(WIDEST_ROWS, int(WIDEST * n))
    blocks = RowBlocks(current(), coded)
    values = blocks.values()
    yield from _alone(blocks, coded, values, support, widest)
    frequent: list[Floats] = []
    counts: list[Int] = []
    for each in values:
        often = (each.counts >= support) & (each.counts <= max(COMMON * n, widest))
        frequent.append(np.asarray(each.keys, np.float64)[often])
        counts.append(each.counts[often])
    blocks.code(frequent)
    source = tuple(range(len(counts))) if source is None else source
    yield from _combined(blocks, counts, n, widest, support, source, triples, notes if notes is not None else [])


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


def _alone(blocks: RowBlocks, coded: Coded, values: Sequence[Counts], support: int, widest: int) -> Iterator[Shared]:
    """Single values of each column, and runs of neighbouring numbers that gaps set off from the rest of it."""
    proposed: list[tuple[int, Counts, Int, bool]] = []
    for j, each in enumerate(values):
        keep = (each.counts >= support) & (each.counts <= widest)
        proposed.append((j, Counts(each.keys[keep], each.counts[keep]), np.arange(int(keep.sum())), False))
        if coded.numeric[j]:
            proposed.append((j, *_apart(each, support, widest), True))
    told = blocks.carriers([(j, held) for j, held, _, _ in proposed])
    for (j, held, of, ranged), (row, code) in zip(proposed, told, strict=True):
        yield Shared((j,), row, of[code], np.bincount(of, held.counts).astype(np.int64), ranged)


def _apart(values: Counts, support: int, widest: int) -> tuple[Counts, Int]:
    """The numbers inside such runs, and which run each belongs to."""
    numbers = np.asarray(values.keys, np.float64)
    if len(numbers) < 3:
        return Counts.empty(), np.zeros(0, np.int64)
    low, high = (quantile(values, percent / 100) for percent in CENTRE)
    gap = GAP * (high - low if high > low else numbers[-1] - numbers[0])
    run = np.concatenate([[0], np.cumsum(np.diff(numbers) > gap)])
    size = np.bincount(run, values.counts).astype(np.int64)
    kinds = np.bincount(run)
    keep = (size >= support) & (size <= widest) & (kinds > 1)
    inside = keep[run]
    return Counts(numbers[inside], values.counts[inside]), (np.cumsum(keep) - 1)[run[inside]]


def _nothing(columns: tuple[int, ...]) -> Shared:
    none = np.zeros(0, np.int64)
    return Shared(columns, none, none, none)


def _combined(
    blocks: RowBlocks, counts: list[Int], n: int, widest: int, support: int, source: tuple[int, ...], most: int, notes: list[str]
) -> Iterator[Shared]:
    usable = [j for j in range(len(counts)) if len(counts[j])]
    together: dict[tuple[int, int], Counts] = {}
    standing: dict[tuple[int, int], float] = {}
    pairs = [Place((i, j), (len(counts[i]), len(counts[j]))) for i, j in combinations(usable, 2) if source[i] != source[j]]
    for group in blocks.combined(pairs, support):
        proposed = []
        for place, found in zip(group.places, group.counts, strict=True):
            i, j = place.columns
            found = found.least(support)
            if not len(found.keys):
                continue
            together[i, j] = found
            a, b = np.divmod(np.asarray(found.keys, np.int64), len(counts[j]))
            part = np.minimum(counts[i][a], counts[j][b])
            expected = counts[i][a] * counts[j][b] / n
            standing[i, j] = float(((found.counts - expected) / np.sqrt(expected)).max())
            # no test of excess here: values that exclude each other by nature, put together by a trigger, need not be in excess
            proposed.append((place, found, (found.counts <= widest) & ((found.counts < SAME * part) | (part > widest))))
        yield from _shared(blocks, proposed)
    grown = _affordable(standing, len(usable), n, most, notes)
    triples = []
    for i, j in together:
        if (i, j) not in grown:
            continue
        keys, holding = np.asarray(together[i, j].keys, np.int64), int(together[i, j].counts.sum())
        for m in usable:
            if source[m] not in (source[i], source[j]) and _first(grown, i, j, m) == (i, j):
                triples.append(Place((i, j, m), (len(counts[i]), len(counts[j]), len(counts[m])), keys, holding))
    for group in blocks.combined(triples, support):
        proposed = []
        for place, found in zip(group.places, group.counts, strict=True):
            often = (found.counts >= support) & (found.counts <= widest)
            found = Counts(found.keys[often], found.counts[often])
            if len(found.keys):
                i, j, m = place.columns
                news = _triple_news(found, together[i, j], counts, together, (i, j, m), widest)
                proposed.append((place, found, news))
        yield from _shared(blocks, proposed)


def _first(grown: frozenset[tuple[int, int]], i: int, j: int, m: int) -> tuple[int, int]:
    """The pair of columns from which this triple is grown: the first that is grown at all."""
    return min(p for p in ((i, j), (min(i, m), max(i, m)), (min(j, m), max(j, m))) if p in grown)


def _excess(count: Int, expected: Floats) -> NDArray[np.bool_]:
    return np.asarray(pdtrc(count - 1, expected) < EXCESS)


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


def _shared(blocks: RowBlocks, proposed: list[tuple[Place, Counts, NDArray[np.bool_]]]) -> Iterator[Shared]:
    """Of each combination the proposals `news` among what was found, with the rows that hold them."""
    wanted = [(place, Counts(found.keys[news], found.counts[news])) for place, found, news in proposed]
    told = blocks.rows_of([(place, held) for place, held in wanted if len(held.keys)])
    for place, held in wanted:
        if len(held.keys):
            row, slot = next(told)
            yield Shared(place.columns, row, slot, held.counts)
        else:
            yield _nothing(place.columns)


def _affordable(standing: dict[tuple[int, int], float], columns: int, n: int, most: int, notes: list[str]) -> frozenset[tuple[int, int]]:
    """The pairs of columns whose triples are counted: all, or those that stand out most, as many as the cost allows."""
    most = min(most, TRIPLE_ROWS_AT_MOST // max(n, 1))
    if columns * (columns - 1) * (columns - 2) // 6 <= most:
        return frozenset(standing)
    ranked = sorted(standing, key=lambda p: (-standing[p], p))[: max(1, most // columns)]
    notes.append(
        f"of {len(standing)} pairs of columns the {len(ranked)} whose values stand together most beyond chance were grown to triples"
    )
    return frozenset(ranked)
