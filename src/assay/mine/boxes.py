"""Proposes boxes: ranges of two or three columns of numbers in which more rows lie together than chance would have.

For triggers whose values differ a little from row to row, so that no two carriers share one. Every column of numbers is cut into steps
of half a deviation, on two grids half a step apart, so that a range as wide as a step lies by three quarters in one step at least; what
pairs and triples of steps hold is counted as `mine.cells` counts values. A number that holds half of the rows of its step (forty hours a
week) is a step of its own: a few rows beside it would drown in it. The steps that stand out most are settled: their sides are moved, one
after another, to the range in which rows that meet the others lie most densely beside what the whole column would put there (Kulldorff's
scan statistic, 1997, Communications in Statistics 26). Labels are never read. Of many rows a sample is enough: what matters is that the
carriers in it stand out; `within` finds the others.

Cannot see: of more than `ROWS` rows, boxes with hardly a carrier in a sample of so many; boxes that hold hardly more rows than their sides
make likely; ranges of one column inside its bulk; ranges of one value (those are `mine.cells`' own).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from scipy.stats import poisson

from assay.learn.columns import Bools, Coded, Floats
from assay.mine.cell_combinations import EXCESS
from assay.mine.cells import CENTRE, SUPPORT, WIDEST, WIDEST_ROWS, Shared, shared_cells

Int = NDArray[np.int64]

STEP = 0.5  # of a column's deviation: four times as many carriers as a quarter would hold in two columns, eight times in three
GRIDS = 2  # the second shifted by half a step
FEWEST_VALUES = 8  # different numbers in a column, below which its single values are ranges enough
SPIKE = 0.5  # share of the rows a step around it that one number holds, from which it is a step of its own
ROWS = 25_000  # in which boxes are looked for; of more, a sample: some ten seconds at 30 columns
TRIPLES_AT_MOST = 10_000  # of steps of columns: all where eighteen columns hold numbers; some two seconds' work
SETTLED = 1_000  # boxes of two columns, and of three, that are settled at most: about 1 ms each
A_COMBINATION = 4 * GRIDS**2  # of the same columns at most; a box stands in one step of each grid, or nearly
ROUNDS = 2  # in which each side of a box is moved, given the others
REACH = 4  # steps: how far the sides of a box may lie apart, and what part of a column it is held against
ENDS = 80  # places where a side may begin or end; of more distinct numbers, as many spread over them: a fortieth of the rows is lost
SAMPLE = 20_000  # rows by which it is told where a column's numbers lie
PARTS = 16  # of a column, with as many rows each, in whose runs a third side is looked for
NEARLY_ALL = 0.75  # of a pair's rows: the others may be there by nature
NARROW = 2.0  # steps: a range of half a deviation of the whole column, whose central part may be half as wide
SAME = 0.8  # boxes of the same columns with more of their rows in common (Jaccard) are one


def shared_boxes(coded: Coded, rng: np.random.Generator, notes: list[str] | None = None) -> Iterator[Shared]:
    """The boxes that stand out most, settled, as `Shared` of ranges; rows are those of the sample."""
    rows = np.sort(rng.choice(len(coded), ROWS, replace=False)) if len(coded) > ROWS else np.arange(len(coded))
    seen = Coded(coded.names, coded.numeric, coded.cells[rows])
    sides = Sides(seen)
    source = [j for j in map(int, np.flatnonzero(seen.numeric)) if sides.width(j) is not None]
    if len(source) < 2:
        return
    grids = [_numbered(seen.cells[:, j], sides.width(j) or 0.0, grid / GRIDS) for j in source for grid in range(GRIDS)]
    names = tuple(f"{coded.names[j]}:{grid}" for j in source for grid in range(GRIDS))
    steps = Coded(names, np.zeros(len(grids), bool), np.stack(grids, 1))
    of = tuple(j for j in source for _ in range(GRIDS))
    together = _Together.of(steps.cells)
    standing: dict[tuple[int, ...], list[_Box]] = defaultdict(list)
    for shared in shared_cells(steps, notes, source=of, triples=TRIPLES_AT_MOST, rng=rng):
        if len(shared.columns) < 2 or not len(shared):
            continue
        model = np.zeros(len(shared), np.int64)
        model[shared.cell] = shared.row
        chance = np.asarray(poisson.logsf(shared.support - 1, together.expected(shared.columns, model)))
        able = np.argsort(chance, kind="stable")[:A_COMBINATION]
        able = able[chance[able] < np.log(EXCESS)]
        if not len(able):
            continue
        columns = tuple(sorted(of[j] for j in shared.columns))
        row, end = shared.row[np.argsort(shared.cell, kind="stable")].astype(np.int64), np.cumsum(shared.support)
        standing[columns] += [_Box(float(chance[g]), columns, row[end[g] - shared.support[g] : end[g]]) for g in able]
        standing[columns] = sorted(standing[columns], key=lambda x: x.chance)[:A_COMBINATION]
    pairs = _first(len(rows), [x for c, listed in standing.items() if len(c) == 2 for x in listed])
    triples = _first(len(rows), [x for c, listed in standing.items() if len(c) == 3 for x in listed])
    in_two = _apart(sides, [sides.settled(x) for x in pairs])
    third = _third(sides, source, in_two)  # settled again, a box may shrink to that part of its third side where few others lie
    in_three = _apart(sides, third + [sides.settled(x) for x in [*_third(sides, source, pairs), *triples]])
    boxes: dict[tuple[int, ...], list[Int]] = defaultdict(list)
    for x in in_two + in_three:
        boxes[x.columns].append(x.rows)
    for columns, each in boxes.items():
        support = np.array([len(held) for held in each])
        yield Shared(columns, rows[np.concatenate(each)], np.repeat(np.arange(len(each)), support), support, ranged=True)


def within(coded: Coded, columns: tuple[int, ...], carriers: Int) -> Int:
    """All rows of the box of which these carriers are those in a sample; the carriers themselves where every row was looked at.

    A side reaches beyond them by as much as m evenly spread numbers leave of their range at either end: one part in m - 1.
    """
    if len(coded) <= ROWS:
        return carriers
    rows = np.arange(len(coded))
    for j in columns:
        low, high = coded.cells[carriers, j].min(), coded.cells[carriers, j].max()
        beyond = (high - low) / max(len(carriers) - 1, 1)
        cells = coded.cells[rows, j]
        rows = rows[(cells >= low - beyond) & (cells <= high + beyond)]
    return rows


@dataclass(frozen=True)
class _Box:
    """Its columns and its rows, and the log of the chance of so many in it, or less one of how far they are beyond it."""

    chance: float
    columns: tuple[int, ...]
    rows: Int


def _first(n: int, found: list[_Box]) -> list[_Box]:
    """The `SETTLED` that stand out most, those first in whose rows few others do: what hangs together by nature stands out more than a
    trigger does, but in the same rows time and again."""
    covered, ranked = np.zeros(n, np.int64), []
    for x in sorted(found, key=lambda x: x.chance):
        ranked.append((float(np.median(covered[x.rows])), x.chance, x))
        covered[x.rows] += 1
    return [x for _, _, x in sorted(ranked, key=lambda r: r[:2])[:SETTLED]]


@dataclass
class Sides:
    """Where the numbers of each column lie, and by that where the sides of a box should be."""

    coded: Coded
    _width: dict[int, float | None] = field(default_factory=dict)
    _column: dict[int, Floats] = field(default_factory=dict)
    _usual: dict[int, Floats] = field(default_factory=dict)

    def width(self, j: int) -> float | None:
        """Of a step: `STEP` deviations of the column's central part; None where there are too few different numbers."""
        if j not in self._width:
            known = self.usual(j)
            low, high = (float(np.percentile(known, percent)) if len(known) else 0.0 for percent in CENTRE)
            spread = float(np.clip(known, low, high).std()) if high > low else 0.0
            self._width[j] = STEP * spread if spread > 0 and len(np.unique(known)) >= FEWEST_VALUES else None
        return self._width[j]

    def column(self, j: int) -> Floats:
        """(n,) the column, together in memory: its cells are asked thousands of times."""
        if j not in self._column:
            self._column[j] = np.ascontiguousarray(self.coded.cells[:, j])
        return self._column[j]

    def usual(self, j: int) -> Floats:
        """Sorted numbers of the column, of rows spread over it."""
        if j not in self._usual:
            some = self.coded.cells[:: max(1, len(self.coded) // SAMPLE), j]
            self._usual[j] = np.sort(some[~np.isnan(some)])
        return self._usual[j]

    def settled(self, box: _Box) -> _Box:
        """The box around these rows, each of its sides the range that stands out most given the others. Labels are not read."""
        columns = box.columns
        mine = [self.column(j)[box.rows] for j in columns]
        sides = [(float(x.min()), float(x.max())) for x in mine]
        reach = [REACH * (self.width(j) or 0.0) for j in columns]
        start = [max((low + high - far) / 2, float(self.usual(j)[0])) for j, (low, high), far in zip(columns, sides, reach, strict=True)]
        about = [(first, first + far) for first, far in zip(start, reach, strict=True)]
        near = np.flatnonzero(_all([_between_ends(self.column(j), *ends) for j, ends in zip(columns, about, strict=True)]))
        x = [self.column(j)[near] for j in columns]
        usual = [_between(self.usual(j), *ends) for j, ends in zip(columns, about, strict=True)]
        met = [_between_ends(cells, *ends) for cells, ends in zip(x, sides, strict=True)]
        for _ in range(ROUNDS):
            before = list(sides)
            for place, cells in enumerate(x):
                held = np.sort(cells[_all([m for other, m in enumerate(met) if other != place])])
                sides[place] = densest(held, usual[place]) or sides[place]
                met[place] = _between_ends(cells, *sides[place])
            if sides == before:
                break
        rows = near[_all(met)]
        return _Box(-self._excess(columns, rows), columns, rows)

    def _excess(self, columns: tuple[int, ...], rows: Int) -> float:
        """Kulldorff's log likelihood ratio of so many rows in a box, were its columns to say nothing of one another."""
        share = 1.0
        for j in columns if len(rows) else ():
            cells = self.column(j)[rows]
            share *= (len(_between(self.usual(j), float(cells.min()), float(cells.max()))) + 1) / (len(self.usual(j)) + 2)
        return float(_gain(np.array(float(len(rows))), float(len(self.coded)), np.array(share)))


def densest(inside: Floats, usual: Floats) -> tuple[float, float] | None:
    """The range that holds most of the sorted numbers `inside` beside the share of the sorted `usual` ones that it holds; None of too few.

    By Kulldorff's likelihood ratio of one range with a rate of its own.

    >>> densest(np.array([1.0, 4.0, 5.0, 5.0, 5.0, 5.5, 5.5, 6.0, 6.0, 6.0, 6.0, 6.0, 9.0]), np.arange(0.0, 10.0, 0.1))
    (5.0, 6.0)
    """
    if len(inside) < SUPPORT:
        return None
    ends = inside[np.append(True, inside[1:] != inside[:-1])]
    if len(ends) > ENDS:
        ends = ends[np.linspace(0, len(ends) - 1, ENDS).astype(np.int64)]

    def held(values: Floats) -> NDArray[np.int64]:
        return np.asarray(np.searchsorted(values, ends, "right")[None, :] - np.searchsorted(values, ends, "left")[:, None])

    gain = _gain(np.asarray(held(inside), float), float(len(inside)), (held(usual) + 1) / (len(usual) + 2))
    if not np.isfinite(gain).any():
        return None
    first, last = np.unravel_index(int(gain.argmax()), gain.shape)
    return float(ends[first]), float(ends[last])


def _apart(sides: Sides, found: list[_Box]) -> list[_Box]:
    """Not those that hold too few or too many rows, nor those that are one with one that stands out more."""
    widest = max(WIDEST_ROWS, int(WIDEST * len(sides.coded)))
    kept: dict[tuple[int, ...], list[_Box]] = defaultdict(list)
    mine = np.zeros(len(sides.coded), bool)
    for x in sorted((x for x in found if SUPPORT <= len(x.rows) <= widest), key=lambda x: x.chance):
        mine[x.rows] = True
        common = ((y, int(np.count_nonzero(mine[y.rows]))) for y in kept[x.columns])
        if all(both <= SAME * (len(x.rows) + len(y.rows) - both) for y, both in common):
            kept[x.columns].append(x)
        mine[x.rows] = False
    return [x for listed in kept.values() for x in listed]


def _third(sides: Sides, source: list[int], pairs: list[_Box]) -> list[_Box]:
    """Each pair with a third column in which its rows lie close together beyond chance: the one that tells most, and the one that tells
    most of those in which nearly all of them do. The first may be what a rare class's rows have in common; the second is missed where
    many other rows lie in the pair. A range so wide that counting misses it is a side all the same: what it says of a label must be
    taken out with the others.
    """
    number = len(source)
    edges = [np.quantile(sides.usual(j), np.linspace(0, 1, PARTS + 1)) for j in source]
    place = np.stack([np.searchsorted(e[1:-1], sides.coded.cells[:, j], "left") for e, j in zip(edges, source, strict=True)], 1)
    place[np.isnan(sides.coded.cells[:, source])] = PARTS
    usual = np.stack([np.bincount(column[:: max(1, len(column) // SAMPLE)], minlength=PARTS + 1)[:PARTS] for column in place.T]) + 1.0
    share = _runs(usual / usual.sum(1, keepdims=True))
    width = np.array([sides.width(j) or 0.0 for j in source])
    long = np.stack([e[None, 1:] - e[:-1, None] for e in edges])
    narrow = (long > 0) & (long <= NARROW * width[:, None, None])
    telling = np.log(narrow.sum() / EXCESS)
    found = []
    for box in pairs:
        free, rows = narrow & ~np.isin(source, box.columns)[:, None, None], box.rows
        code = place[rows] + (PARTS + 1) * np.arange(number)
        count = np.bincount(code.ravel(), minlength=number * (PARTS + 1)).reshape(number, PARTS + 1)[:, :PARTS]
        held = _runs(count.astype(float))
        gain = np.where(free, _gain(held, float(len(rows)), share), -np.inf)
        for able in {int(gain.argmax()), int(np.where(held >= NEARLY_ALL * len(rows), gain, -np.inf).argmax())}:
            third, first, last = np.unravel_index(able, gain.shape)
            if gain[third, first, last] >= telling:
                inside = rows[(place[rows, third] >= first) & (place[rows, third] <= last)]
                found.append(_Box(-float(gain[third, first, last]), tuple(sorted((*box.columns, source[third]))), inside))
    return found


def _runs(parts: Floats) -> Floats:
    """(d, p, p) sums of `parts` (d, p) from the first to the last, 0 or less where the last comes first."""
    up_to = np.cumsum(parts, 1)
    return np.asarray(up_to[:, None, :] - up_to[:, :, None] + parts[:, :, None])


def _gain(count: Floats, total: Floats | float, share: Floats) -> Floats:
    """Kulldorff's log likelihood ratio of ranges that hold `count` of `total` where they have a `share` by chance; -inf where no more
    than that, or fewer than `SUPPORT`."""
    rate, share = np.clip(count / np.maximum(total, 1), 0, 1), np.clip(share, 1e-12, 1 - 1e-12)
    gain = total * (xlogy(rate, rate / share) + xlogy(1 - rate, (1 - rate) / (1 - share)))
    return np.where((count >= SUPPORT) & (rate > share), gain, -np.inf)


def _between_ends(cells: Floats, low: float, high: float) -> Bools:
    return np.asarray((cells >= low) & (cells <= high))


def _all(met: list[Bools]) -> Bools:
    return np.asarray(np.logical_and.reduce(met))


def _between(ordered: Floats, low: float, high: float) -> Floats:
    return ordered[np.searchsorted(ordered, low, "left") : np.searchsorted(ordered, high, "right")]


def _numbered(cells: Floats, width: float, shift: float) -> Floats:
    """(m,) the step that each cell is in, from 0; NaN where missing. Numbers that fill their step are steps of their own."""
    step = np.floor(cells / width + shift)
    known = np.sort(cells[~np.isnan(cells)])
    values, count = np.unique(known, return_counts=True)
    around = np.searchsorted(known, values + width / 2, "right") - np.searchsorted(known, values - width / 2, "left")
    spikes = values[(count >= SUPPORT) & (count >= SPIKE * around)]
    of_its_own = np.isin(cells, spikes)
    steps, code = np.unique(step, return_inverse=True)
    code = np.where(of_its_own, len(steps) + np.searchsorted(spikes, cells), code)
    return np.where(np.isnan(cells), np.nan, code)


@dataclass
class _Together:
    """How many rows stand together in steps of two columns; `steps` (n, d) whole numbers from 1, 0 where missing or in too few rows."""

    steps: Int
    kinds: tuple[int, ...]
    _of: dict[tuple[int, ...], Int] = field(default_factory=dict)

    @staticmethod
    def of(steps: Floats) -> _Together:
        made = np.zeros(steps.shape, np.int64, "F")
        for j, column in enumerate(steps.T):
            values, code, count = np.unique(column, return_inverse=True, return_counts=True)
            often = (count >= SUPPORT) & ~np.isnan(values)
            made[:, j] = np.where(often, np.cumsum(often), 0)[code]
        return _Together(made, tuple(int(column.max(initial=0)) + 1 for column in made.T))

    def expected(self, columns: tuple[int, ...], rows: Int) -> Floats:
        """(m,) rows that the parts of such a combination make likely, that of each of `rows` (m,): single steps of a pair, pairs of a
        triple."""
        alone = [self._count((j,), rows) for j in columns]
        if len(columns) == 2:
            return alone[0] * alone[1] / len(self.steps)
        i, j, m = columns
        ab, ac, bc = self._count((i, j), rows), self._count((i, m), rows), self._count((j, m), rows)
        return np.maximum(np.maximum(ab * ac / alone[0], ab * bc / alone[1]), ac * bc / alone[2])

    def _count(self, columns: tuple[int, ...], rows: Int) -> Floats:
        """(m,) how many rows are in the same steps of these columns as each of `rows`."""
        if columns not in self._of:
            self._of[columns] = np.bincount(self._key(columns, np.arange(len(self.steps))))
        return np.asarray(self._of[columns][self._key(columns, rows)], float)

    def _key(self, columns: tuple[int, ...], rows: Int) -> Int:
        key = self.steps[rows, columns[0]]
        for j in columns[1:]:
            key = key * self.kinds[j] + self.steps[rows, j]
        return np.asarray(key)
