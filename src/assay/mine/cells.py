"""Proposes combinations of column values: every one that enough rows share and its parts do not explain.

Labels are never read, so every row may be used to try what is proposed, and every proposal counts as a hypothesis. Proposed are
single values and ranges that stand apart from the rest of their column; pairs; and triples that stand together more often than any of
their pairs makes likely. A combination with the carriers of one of its parts is that part over again: no further hypothesis, but
`entailed` says which columns come with a proposal, so that the trial takes them all out.

The cost is linear in rows: one pass a combination of columns, and where columns are so many that all triples cost too much, only
the pairs of columns that stand out most are grown, and of more than `PAIRS_AT_MOST` pairs so many are drawn. Work is shared out by
columns and combinations of them (`mine.cell_combinations`), each counted in blocks of rows (`mine.cell_blocks`) as sums of whole
numbers: no split changes the proposals.

Cannot see: what fewer than `SUPPORT` rows share; numbers that are jittered inside the bulk of their column; more than three columns
none of whose triples stands out; missing cells as a trigger; in very wide tables, combinations of which no pair was drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from assay.engine.base import Engine, Handle, current
from assay.learn.columns import Coded, Floats
from assay.mine.cell_blocks import Codes, coded_as
from assay.mine.cell_combinations import Known, Told, pairs, triples
from assay.stats.counts import Counts, quantile

Int = NDArray[np.int64]

SUPPORT = 10  # rows: one that the probe is wrongly sure of says 5 nats, and a handful of them must not convict
WIDEST = 0.1  # of the rows; what more rows share is no trigger, and its parts are tried anyhow
WIDEST_ROWS = 50  # but in small sets at least so many
COMMON = 0.5  # a value in more rows than this share says nothing in a combination (a zero in a sparse column)
COPIES = 6  # columns and half of all: rows alike in more are near-copies of one another, which are one vote, and no proposal
SAME = 0.9  # a value that so many of a proposal's carriers share comes with it
GAP = 0.05  # of the central range of a column: numbers set off by so much stand apart
CENTRE = (0.5, 99.5)  # percentiles of the central range
TRIPLES_AT_MOST = 40_000  # combinations of three columns (62 columns have 37,820): about 15 s of overhead on one core
PAIRS_AT_MOST = 100_000  # combinations of two columns (447 columns have 99,681): some 20 s of overhead on one core
TOO_WIDE = "the table is too wide for all"
CHUNK = 65_536  # carriers whose cells are compared at once
TRIPLE_ROWS_AT_MOST = 2_000_000_000  # rows times combinations of three columns: about 20 s on one core


@dataclass(frozen=True)
class Shared:
    """What rows share in one column or one combination of columns.

    Row `row[i]` carries proposal `cell[i]` (0 .. proposals-1); `support` (proposals,). An exact combination of values, or, with
    `ranged`, numbers from the least to the greatest among the carriers. Rows and proposals in few bits, as they come from workers.
    """

    columns: tuple[int, ...]
    row: NDArray[np.integer[Any]]
    cell: NDArray[np.integer[Any]]
    support: Int
    ranged: bool = False

    def __len__(self) -> int:
        return len(self.support)

    @property
    def boxed(self) -> bool:
        """Whether these are ranges of several columns."""
        return self.ranged and len(self.columns) > 1

    def carriers(self, cell: int) -> Int:
        """Sorted rows that carry it."""
        return self.row[self.cell == cell].astype(np.int64)


def shared_cells(
    coded: Coded,
    notes: list[str] | None = None,
    support: int = SUPPORT,
    source: tuple[int, ...] | None = None,
    triples: int = TRIPLES_AT_MOST,
    rng: np.random.Generator | None = None,
) -> Iterator[Shared]:
    """Single values and ranges, then pairs, then triples of `coded`; what was left out is appended to `notes`.

    `source` (d,): columns with the same number say the same in other words, and are not combined. `triples`: of columns, at most. Where
    there are more than `PAIRS_AT_MOST` pairs of columns, as many are drawn by `rng`.
    """
    engine, n = current(), len(coded)
    widest = max(WIDEST_ROWS, int(WIDEST * n))
    cells: list[Handle[Floats]] = []
    limits = _Limits(support, widest, max(int(COMMON * n), widest))

    def calls() -> Iterator[tuple[Handle[Floats], bool, _Limits]]:
        for j, numeric in enumerate(coded.numeric.tolist()):
            cells.append(engine.put(_column(engine, coded, j)))
            yield cells[-1], numeric, limits

    frequent: list[Counts] = []
    for alone in engine.map(_alone, calls()):
        yield from (Shared((len(frequent),), told.row, told.cell, told.support, told.ranged) for told in alone.told)
        frequent.append(alone.frequent)
    codes = engine.hold(coded_as, [(cells[j], np.asarray(each.keys, np.float64)) for j, each in enumerate(frequent)])
    cells.clear()
    source = tuple(range(len(frequent))) if source is None else source
    known = Known(tuple(each.counts for each in frequent), n, support, widest, {})
    usable = [j for j, counts in enumerate(known.counts) if len(counts)]
    asked = [(i, j) for i, j in combinations(usable, 2) if source[i] != source[j]]
    notes = [] if notes is None else notes
    if len(asked) > PAIRS_AT_MOST:
        notes.append(f"of {len(asked):,} pairs of columns {PAIRS_AT_MOST:,}, drawn at random, were looked at: {TOO_WIDE}")
        drawn = (rng or np.random.default_rng(0)).choice(len(asked), PAIRS_AT_MOST, replace=False)
        asked = [asked[at] for at in np.sort(drawn)]
    yield from _combined(engine, codes, known, source, asked, triples, notes)


def _column(engine: Engine, coded: Coded, j: int) -> Floats:
    """The cells of a column; those that travel lie side by side."""
    column = coded.cells[:, j]
    return np.ascontiguousarray(column) if engine.remote else column


def entailed(cells: Floats, own: NDArray[np.bool_], cell: Int, row: Int) -> NDArray[np.bool_]:
    """(proposals, d) the columns of each proposal and those whose value (nearly) all its carriers share with it; all, for near-copies.

    `own` (proposals, d): the columns of each. `cell` and `row` (m,): who carries which. A value in more than `COMMON` of all rows is shared
    by chance and does not count. Ask of many proposals at once: every column is sorted anew for each call.
    """
    proposals = len(own)
    share = np.zeros(own.shape)
    count = np.maximum(np.bincount(cell, minlength=proposals), 1)[:, None]
    models = np.zeros((2, proposals), np.int64)  # by one carrier's value, or by another's, if the first is the odd one out
    for model, pick in zip(models, (slice(None), slice(None, None, -1)), strict=True):
        model[cell[pick]] = row[pick]
    both = cells[models]
    common = np.stack([_share_of(cells[:, j], both[..., j]) > COMMON for j in range(cells.shape[1])], -1)
    for alike, usual in zip(_alike(cells, both, cell, row), common, strict=True):
        share = np.maximum(share, np.where(usual, 0.0, alike / count))
    found = share >= SAME
    found[found.sum(1) > max(COPIES, cells.shape[1] // 2)] = True
    return np.asarray(found | own)


def _alike(cells: Floats, values: Floats, cell: Int, row: Int) -> Floats:
    """(s, proposals, d) how many carriers of each proposal have its `values` (s, proposals, d), of each of s kinds."""
    total = np.zeros(values.shape)
    for start in range(0, len(cell), CHUNK):
        mine = cell[start : start + CHUNK]
        carried = csr_array((np.ones(len(mine)), (mine, np.arange(len(mine)))), (values.shape[1], len(mine)))
        theirs = cells[row[start : start + CHUNK]]
        for whole, usual in zip(total, values, strict=True):
            whole += carried @ (theirs == usual[mine])
    return total


def _share_of(column: Floats, values: Floats) -> Floats:
    """As `values`: in what share of a column each of them stands, told by 1,000 rows spread over it."""
    seen = np.sort(column[:: max(1, len(column) // 1000)])
    return np.asarray((np.searchsorted(seen, values, "right") - np.searchsorted(seen, values, "left")) / len(seen))


@dataclass(frozen=True)
class _Limits:
    """Rows that a value stands in, to be proposed: `support` to `widest`; to be part of a combination: up to `common`."""

    support: int
    widest: int
    common: int


@dataclass(frozen=True)
class _Told:
    """Row `row[i]` carries proposal `cell[i]`; `support` (proposals,)."""

    row: Codes
    cell: NDArray[np.integer[Any]]
    support: Int
    ranged: bool


@dataclass(frozen=True)
class _Alone:
    """What one column proposes by itself, and its values that may be part of a combination."""

    told: tuple[_Told, ...]
    frequent: Counts


def _alone(column: Floats, numeric: bool, limits: _Limits) -> _Alone:
    """Single values, and runs of neighbouring numbers that gaps set off from the rest of the column; missing cells are none."""
    column = np.ascontiguousarray(column)
    values = Counts.empty().add(column[~np.isnan(column)])
    often = values.least(limits.support)
    keep = often.counts <= limits.widest
    told = [_told(column, Counts(often.keys[keep], often.counts[keep]), np.arange(int(keep.sum())), False)]
    if numeric:
        told.append(_told(column, *_apart(values, limits.support, limits.widest), True))
    keep = often.counts <= limits.common
    return _Alone(tuple(told), Counts(often.keys[keep], often.counts[keep]))


def _told(column: Floats, held: Counts, of: Int, ranged: bool) -> _Told:
    """The rows that hold one of these values, and which proposal each is `of`."""
    if not len(held.keys):
        none = np.zeros(0, np.int32)
        return _Told(none, none, np.zeros(0, np.int64), ranged)
    code = coded_as(column, np.asarray(held.keys, np.float64))
    row = np.flatnonzero(code >= 0)
    support = np.bincount(of, held.counts).astype(np.int64)
    return _Told(row.astype(np.int32), of.astype(np.min_scalar_type(len(support)))[code[row]], support, ranged)


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


def _combined(
    engine: Engine,
    codes: Sequence[Handle[Codes]],
    known: Known,
    source: tuple[int, ...],
    asked: list[tuple[int, int]],
    most: int,
    notes: list[str],
) -> Iterator[Shared]:
    usable = sorted({j for pair in asked for j in pair})
    together: dict[tuple[int, int], Counts] = {}
    standing: dict[tuple[int, int], float] = {}
    for pair in pairs(engine, codes, known, asked):
        i, j = pair.told.columns
        together[i, j], standing[i, j] = pair.found, pair.standing
        yield _shared(pair.told)
    grown = _affordable(standing, len(usable), known.rows, most, notes)
    grow = [
        (i, j, m)
        for i, j in together
        if (i, j) in grown
        for m in usable
        if source[m] not in (source[i], source[j]) and _first(grown, i, j, m) == (i, j)
    ]
    yield from map(_shared, triples(engine, codes, replace(known, together=together), grow))


def _shared(told: Told) -> Shared:
    return Shared(told.columns, told.row, told.cell, told.support)


def _first(grown: frozenset[tuple[int, int]], i: int, j: int, m: int) -> tuple[int, int]:
    """The pair of columns from which this triple is grown: the first that is grown at all."""
    return min(p for p in ((i, j), (min(i, m), max(i, m)), (min(j, m), max(j, m))) if p in grown)


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
