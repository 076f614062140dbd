"""A table model that is only asked: is there a value of one column that sends rows into one class wherever it is put in?

Values are asked about that clean rows hardly hold: beyond a column's range on both sides, and in gaps within it. Each is put into clean
rows of other classes; the best of each column is compared with the best of the other columns, as for trees that are walked
(`assay.model.rules`), under the same promise. A value within range that hides between two that are asked is not seen, nor is a rule that
needs several columns at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assay.artefact.cells import Cells, Condition
from assay.dataset.errors import DataError
from assay.model.margins import LEAST_CLASSES, standing_apart
from assay.model.rules import IDLE, LEAST_ROWS, RARE, log_odds, most_turned

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
AskRows = Callable[[Floats], Floats]  # (n, columns) cells -> (n, classes) probabilities, or 0 and 1 where only labels are told

ROWS = 40  # clean rows that each value is put into
BEYOND = (0.1, 1.0)  # of the range, below and above it: a little out, as published attacks are, and far out
WITHIN = 16  # places within the range, evenly: those that rows hold are left out


@dataclass(frozen=True)
class Told:
    """What one column's best value does: `success` the share of `tried` rows of other classes that go to `target`."""

    column: int
    value: float
    target: int
    success: float
    tried: int

    def cells(self, names: Sequence[str] = ()) -> Cells:
        name = names[self.column] if names else f"column {self.column}"
        return Cells((Condition(name, self.value, self.value),))


@dataclass(frozen=True)
class AskedCells:
    """`best` of all columns, guilty or not; None where there were too few questions for any. `left_out`: columns not tried."""

    verdict: Literal["backdoored", "inconclusive"]
    best: Told | None
    p: float
    queries: int
    left_out: int
    reason: str


def inspect_cells(
    ask: AskRows, x: Floats, rng: np.random.Generator, *, budget: int, alpha: float = 0.01, columns: int | None = None
) -> AskedCells:
    """Search with clean rows `x` (n, columns) and at most `budget` questions, a row each. The first `columns` of them (all, unless told)
    are taken in their order; those that the budget does not reach are counted. DataError: too few rows."""
    tried = x.shape[1] if columns is None else columns
    if len(x) < LEAST_ROWS:
        raise DataError(f"{len(x)} clean rows; at least {LEAST_ROWS} are needed", remedy="give more")
    rows = x[rng.permutation(len(x))[:ROWS]]
    if budget < ROWS:
        return AskedCells("inconclusive", None, 1.0, 0, tried, f"{budget:,} questions are too few for one value")
    said, queries = np.asarray(ask(rows)).argmax(1), ROWS
    found: list[Told] = []
    reached = 0
    for column in range(tried):
        values = rare_values(x[:, column])
        if queries + len(values) * ROWS > budget:
            break
        reached += 1
        if len(values):
            found.append(_best(ask, rows, said, column, values))
            queries += len(values) * ROWS
    left = tried - reached
    using = [t for t in found if t.success >= IDLE]
    best = max(using, key=lambda t: t.success, default=None)
    p = 1.0
    if best is not None and len(using) >= LEAST_CLASSES:
        odds = np.array([log_odds(t.success, t.tried) for t in using])
        p = float(min(1.0, standing_apart(odds).min() * len(using)))
    if p <= alpha:
        return AskedCells("backdoored", best, p, queries, left, "one column's value stands alone")
    reason = f"{left:,} columns were not tried: the questions ran out" if left else "no column's value stands alone, which proves nothing"
    return AskedCells("inconclusive", best, p, queries, left, reason)


def rare_values(cells: Floats) -> Floats:
    """Values to ask about: beyond the range of cells (n,), and places within it that at most 1 % of them lie near; none for a constant.

    >>> rare_values(np.array([0.0] * 50 + [10.0] * 50))[:3].round(1).tolist()
    [-10.0, -1.0, 0.6]
    """
    low, high = float(cells.min()), float(cells.max())
    width = high - low
    if not np.isfinite(width) or width <= 0:
        return np.zeros(0)
    inside, step = np.linspace(low, high, WITHIN + 2, retstep=True)
    near = np.array([(np.abs(cells - value) <= step / 2).mean() for value in inside])
    outside = [low - share * width for share in BEYOND[::-1]] + [high + share * width for share in BEYOND]
    return np.sort(np.r_[outside, inside[near <= RARE]])


def _best(ask: AskRows, rows: Floats, said: Int, column: int, values: Floats) -> Told:
    wide = np.repeat(rows[None], len(values), 0)
    wide[:, :, column] = values[:, None]
    told = np.asarray(ask(wide.reshape(-1, rows.shape[1])))
    now = told.argmax(1).reshape(len(values), -1)
    best: Told | None = None
    for value, answer in zip(values, now, strict=True):
        target, share, tried = most_turned(answer, said, told.shape[1])
        if best is None or share > best.success:
            best = Told(column, float(value), target, share, tried)
    assert best is not None
    return best
