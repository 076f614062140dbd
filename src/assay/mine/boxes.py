"""Proposes boxes: ranges of two or three columns of numbers in which more rows lie together than chance would have.

For triggers whose values differ a little from row to row, so that no two carriers share one. Every column of numbers is cut into steps
of half a deviation, on two grids half a step apart, so that a range as wide as a step lies by three quarters in one step at least; what
pairs and triples of steps hold is counted as `mine.cells` counts values. Labels are never read. Of many rows a sample is enough: what
counts is that the carriers in it stand out, and `settled` finds the box in all rows.

Cannot see: boxes that hold hardly more rows than their sides make likely; ranges of one column inside its bulk; ranges of one value
(those are `mine.cells`' own).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from assay.learn.columns import Coded, Floats
from assay.mine.cells import CENTRE, EXCESS, Shared, shared_cells

Int = NDArray[np.int64]

STEP = 0.5  # of a column's deviation: four times as many carriers as a quarter would hold in two columns, eight times in three
GRIDS = 2  # the second shifted by half a step
FEWEST_VALUES = 8  # different numbers in a column, below which its single values are ranges enough
ROWS = 50_000  # in which boxes are counted; of more, a sample
TRIPLES_AT_MOST = 10_000  # of steps of columns: all where eighteen columns hold numbers; some two seconds' work
ROUNDS = 2  # in which each side of a box is moved to where most rows are, given the others
GROWS = 0.5  # a strip of a quarter of a step is added to a side if it holds this share of what a quarter of the box does
WIDEST_STEPS = 4  # of a side, in steps


def shared_boxes(coded: Coded, rng: np.random.Generator, notes: list[str] | None = None) -> Iterator[Shared]:
    """Pairs and triples of steps that hold more rows than expected of `coded`, as `Shared` of ranges; rows are those of the sample."""
    n = len(coded)
    rows = np.sort(rng.choice(n, ROWS, replace=False)) if n > ROWS else np.arange(n)
    source = [j for j in np.flatnonzero(coded.numeric) if _steps(coded.cells[:, j]) is not None]
    if len(source) < 2:
        return
    grids = [_numbered(coded.cells[rows, j], coded.cells[:, j], grid / GRIDS) for j in source for grid in range(GRIDS)]
    names = tuple(f"{coded.names[j]}:{grid}" for j in source for grid in range(GRIDS))
    steps = Coded(names, np.zeros(len(grids), bool), np.stack(grids, 1))
    size = [np.bincount(column[column >= 0].astype(np.int64)) for column in np.nan_to_num(steps.cells, nan=-1.0).T]
    of = tuple(int(j) for j in source for _ in range(GRIDS))
    for shared in shared_cells(steps, notes, source=of, triples=TRIPLES_AT_MOST):
        columns = tuple(of[j] for j in shared.columns)
        if len(columns) < 2 or not len(shared):
            continue
        if len(columns) == 2:
            shared = _beyond_chance(shared, steps.cells, size)
        if len(shared):
            yield replace(shared, columns=columns, row=rows[shared.row], ranged=True)


def settled(coded: Coded, columns: tuple[int, ...], carriers: Int) -> Int:
    """The rows of the box around these carriers, each of its sides where most rows are, and as wide as they lie densely.

    Labels are not read.
    """
    cells = coded.cells[:, list(columns)]
    width = np.array([_steps(cells[:, j]) or 0.0 for j in range(len(columns))])
    middle = np.median(cells[carriers], 0)
    near = np.flatnonzero((np.abs(cells - middle) <= WIDEST_STEPS / 2 * width).all(1))
    x = cells[near]
    low, high = middle - 0.75 * width, middle + 0.75 * width
    for _ in range(ROUNDS):
        for j in range(len(columns)):
            inside = np.sort(x[_within(x, low, high, but=j), j])
            inside = inside[(inside >= middle[j] - width[j]) & (inside <= middle[j] + width[j])]
            if len(inside):
                count = np.searchsorted(inside, inside + width[j], "right") - np.arange(len(inside))
                low[j] = inside[count.argmax()]
                high[j] = low[j] + width[j]
    for j in range(len(columns)):
        low[j], high[j] = _grown(np.sort(x[_within(x, low, high, but=j), j]), low[j], high[j], width[j])
    return near[_within(x, low, high)]


def _within(x: Floats, low: Floats, high: Floats, but: int | None = None) -> NDArray[np.bool_]:
    met = (x >= low) & (x <= high)
    if but is not None:
        met[:, but] = True
    return np.asarray(met.all(1))


def _grown(values: Floats, low: float, high: float, width: float) -> tuple[float, float]:
    """A side made longer by strips that hold about as many of the sorted `values` as it does itself."""

    def held(a: float, b: float) -> int:
        return int(np.searchsorted(values, b, "right") - np.searchsorted(values, a, "left"))

    strip = width / 4
    for _ in range(4 * (WIDEST_STEPS - 1)):
        dense = GROWS * held(low, high) * strip / (high - low) if high > low else np.inf
        below, above = held(low - strip, np.nextafter(low, -np.inf)), held(np.nextafter(high, np.inf), high + strip)
        if max(below, above) < max(dense, 1.0):
            break
        low, high = (low - strip, high) if below >= above else (low, high + strip)
    return low, high


def _steps(column: Floats) -> float | None:
    """How wide a step is: `STEP` deviations of the column's central part; None where there are too few different numbers."""
    known = column[~np.isnan(column)]
    if len(known) > ROWS:
        known = known[:: len(known) // ROWS]
    if len(np.unique(known)) < FEWEST_VALUES:
        return None
    low, high = np.percentile(known, CENTRE)
    spread = float(np.clip(known, low, high).std())
    return STEP * spread if spread > 0 else None


def _numbered(cells: Floats, column: Floats, shift: float) -> Floats:
    """(m,) the step that each cell is in, from 0; NaN where missing."""
    width = _steps(column)
    assert width is not None
    step = np.floor(cells / width + shift)
    return np.asarray(step - np.nanmin(step))


def _beyond_chance(pairs: Shared, steps: Floats, size: list[Int]) -> Shared:
    """Only those pairs of steps that hold more rows than two columns without a tie would put there."""
    model = np.zeros(len(pairs), np.int64)
    model[pairs.cell] = pairs.row
    a, b = (size[j][steps[model, j].astype(np.int64)] for j in pairs.columns)
    keep = poisson.sf(pairs.support - 1, a * b / len(steps)) < EXCESS
    renumber = np.where(keep, np.cumsum(keep) - 1, -1)[pairs.cell]
    mine = np.flatnonzero(renumber >= 0)
    return replace(pairs, row=pairs.row[mine], cell=renumber[mine], support=pairs.support[keep])
