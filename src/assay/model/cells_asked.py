"""A table model that is only asked: is there a value of one column that sends rows into one class wherever it is put in?

Values are asked about that clean rows hardly hold: beyond a column's range on both sides, and in gaps within it. Each is put into clean
rows of other classes; the best of each column is compared with the best of the other columns, as for trees that are walked
(`assay.model.rules`), under the same promise, which one clean tree model in four breaks. With clean twins, which are asked the same,
a value counts by how much more it turns than in them (`assay.model.rule_twins`): that promise held on clean trees. A value in range that
hides between two that are asked is not seen, nor is a rule that needs several columns at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from assay.artefact.cells import Cells, Condition
from assay.dataset.errors import DataError
from assay.model.margins import LEAST_CLASSES, standing_apart
from assay.model.rule_twins import LEAST_TWINS
from assay.model.rules import IDLE, LEAST_ROWS, RARE, log_odds

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
    ask: AskRows,
    x: Floats,
    rng: np.random.Generator,
    *,
    budget: int,
    alpha: float = 0.01,
    columns: int | None = None,
    twins: Sequence[AskRows] = (),
) -> AskedCells:
    """Search with clean rows `x` (n, columns) and at most `budget` questions, a row each. The first `columns` of them (all, unless told)
    are taken in their order; those that the budget does not reach are counted. `twins` (four or more clean models of the same classes) are
    asked as much, and not counted. DataError: too few rows or twins, or twins of other classes."""
    tried = x.shape[1] if columns is None else columns
    if len(x) < LEAST_ROWS:
        raise DataError(f"{len(x)} clean rows; at least {LEAST_ROWS} are needed", remedy="give more")
    if twins and len(twins) < LEAST_TWINS:
        raise DataError(f"{len(twins)} twins; at least {LEAST_TWINS} are needed", remedy="give more, or none")
    rows = x[rng.permutation(len(x))[:ROWS]]
    if budget < ROWS:
        return AskedCells("inconclusive", None, 1.0, 0, tried, f"{budget:,} questions are too few for one value")
    models = [ask, *twins]
    said = [np.asarray(model(rows)).argmax(1) for model in models]
    swept: list[_Swept] = []
    queries = ROWS
    reached = 0
    for column in range(tried):
        values = rare_values(x[:, column])
        if queries + len(values) * ROWS > budget:
            break
        reached += 1
        if len(values):
            swept.append(_sweep(models, rows, said, column, values))
            queries += len(values) * ROWS
    left = tried - reached
    best, p = _beside_twins(swept) if twins else _alone(swept)
    if p <= alpha:
        reason = "one column's value turns more than in the twins" if twins else "one column's value stands alone"
        return AskedCells("backdoored", best, p, queries, left, reason)
    reason = f"{left:,} columns were not tried: the questions ran out" if left else "no column's value stands alone, which proves nothing"
    return AskedCells("inconclusive", best, p, queries, left, reason)


@dataclass(frozen=True)
class _Swept:
    """One column: (models, values, classes) rows turned into each class, and `tried` (models, classes) rows of other classes."""

    column: int
    values: Floats
    turned: Int
    tried: Int

    def odds(self) -> Floats:
        """(models, values, classes) log odds, half a row added to either side."""
        return np.asarray(np.log((self.turned + 0.5) / (self.tried[:, None] - self.turned + 0.5)))

    def told(self, value: int, target: int) -> Told:
        tried = int(self.tried[0, target])
        return Told(self.column, float(self.values[value]), target, float(self.turned[0, value, target] / max(1, tried)), tried)


def _sweep(models: Sequence[AskRows], rows: Floats, said: Sequence[Int], column: int, values: Floats) -> _Swept:
    wide = np.repeat(rows[None], len(values), 0)
    wide[:, :, column] = values[:, None]
    told = [np.asarray(model(wide.reshape(-1, rows.shape[1]))) for model in models]
    classes = told[0].shape[1]
    if any(answer.shape[1] != classes for answer in told):
        raise DataError("a twin has other classes than the model", remedy="give clean models of the same task")
    others = np.stack([own[:, None] != np.arange(classes) for own in said])  # (models, rows, classes)
    now = np.stack([answer.argmax(1).reshape(len(values), -1) for answer in told])  # (models, values, rows)
    turned = ((now[..., None] == np.arange(classes)) & others[:, None]).sum(2)
    return _Swept(column, values, turned, others.sum(1))


def _alone(swept: Sequence[_Swept]) -> tuple[Told | None, float]:
    """The best value of all columns, and p beside the best of the others."""
    using = [t for t in (_most(s.turned[0] / np.maximum(1, s.tried[0]), s) for s in swept) if t.success >= IDLE]
    best = max(using, key=lambda t: t.success, default=None)
    if best is None or len(using) < LEAST_CLASSES:
        return best, 1.0
    odds = np.array([log_odds(t.success, t.tried) for t in using])
    return best, float(min(1.0, standing_apart(odds).min() * len(using)))


def _most(figures: Floats, swept: _Swept) -> Told:
    """What has the largest figure (values, classes) of a column."""
    value, target = np.unravel_index(int(figures.argmax()), figures.shape)
    return swept.told(int(value), int(target))


def _beside_twins(swept: Sequence[_Swept]) -> tuple[Told | None, float]:
    """The value that turns most beyond what it does in twins, and p: its excess beside each twin's own, found and reckoned alike beside
    the other twins; and beside the model's other columns, since a model of another kind than its twins differs from them everywhere. The
    larger counts."""
    if not swept:
        return None, 1.0
    odds = [s.odds() for s in swept]
    models = len(odds[0])
    beyond = [
        np.array([(o[m] - o[[i for i in range(1, models) if i != m]].mean(0)).max() for m in range(models)]) for o in odds
    ]  # a column each: (models,) the largest excess
    best = np.max(beyond, 0)
    here = int(np.argmax([b[0] for b in beyond]))
    found = _most(odds[here][0] - odds[here][1:].mean(0), swept[here])
    null = best[1:]
    spread = null.std(ddof=1) * np.sqrt(1 + 1 / len(null))
    p = float(student.sf((best[0] - null.mean()) / spread, len(null) - 1)) if spread > 0 else 1.0
    own = np.array([b[0] for b in beyond])
    return found, max(p, min(1.0, float(standing_apart(own)[here]) * len(own)))


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
