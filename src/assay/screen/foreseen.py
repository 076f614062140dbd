"""What the other columns of a row lead one to expect of each of its numbers: cross-fitted boosted trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from assay.dataset.data import Dataset
from assay.engine.base import current
from assay.learn.columns import Coded, code_columns, never_empty
from assay.learn.forest import GONE, Forest, Places
from assay.learn.threads import in_parallel, spread

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Int = NDArray[np.int64]

MOST_COLUMNS = 40  # columns foreseen, the first ones; all are learnt from
MOST_LEARNT = 10_000  # rows of each fold: residuals settle long before
RATE = 0.2
TREES = (30, 15)  # trees, and leaves of each
LARGE, TREES_LARGE = 100_000, (15, 8)  # above LARGE rows smaller ones: a million rows are judged in a third of the time
LINEAR = 3.0  # robust deviations: nearly all of a Gaussian column
CODES = 250  # categories past this many share a code (boosted trees take at most 255)
PARTS, SAMPLE = 255, 50_000  # of a column of numbers, as boosted trees cut it; and the rows spread over it by which it is cut
LINES = np.where(np.arange(256) == GONE, np.nan, np.arange(256.0))[:, None]  # what stands at each place
FEWEST_VALUES = 10  # a column of fewer different numbers is a category, and its residuals are no distances
FEWEST_ROWS = 200


@dataclass(frozen=True)
class Foreseen:
    """`names` (m,) columns; `actual`, `expected` (n, m) on the scale asinh((x - middle) / spread), NaN where missing, a column together in
    memory."""

    names: tuple[str, ...]
    actual: Float
    expected: Float
    middle: Float
    spread: Float

    def expected_numbers(self, j: int) -> Float:
        """(n,) what is expected of column j, in its own unit."""
        return np.asarray(self.middle[j] + self.spread[j] * np.sinh(self.expected[:, j]), np.float64)

    def numbers(self, j: int) -> Float:
        """(n,) column j as it stands."""
        return np.asarray(self.middle[j] + self.spread[j] * np.sinh(self.actual[:, j]), np.float64)


def foresee(data: Dataset, rng: np.random.Generator) -> Foreseen:
    """Each number of a table, foreseen from the other content columns by a model that never saw the row.

    asinh keeps distances within `LINEAR` deviations of the median and turns factors into distances beyond, so that a wrong unit is far
    and one wild value does not rule the fit. Two folds; rows equal in all cells may fall into both.
    """
    coded = code_columns(data.table, data.columns.content)
    named, chosen, n = ~coded.numeric, _chosen(coded), len(coded)
    places = np.stack(in_parallel(lambda j: _places(coded.cells[:, j], bool(named[j])), range(len(named))), 1)
    half = rng.random(n) < 0.5
    size = TREES_LARGE if n > LARGE else TREES
    engine = current()
    folds = engine.put([(rows, places[rows]) for rows in (np.flatnonzero(half), np.flatnonzero(~half))])
    seeds = [int(rng.integers(2**31)) for _ in chosen]
    columns = (np.ascontiguousarray(coded.cells[:, j]) if engine.remote else coded.cells[:, j] for j in chosen)  # as they travel
    parts = spread(_foresee_column, ((x, folds, named, j, size, seed) for x, j, seed in zip(columns, chosen, seeds, strict=True)))
    return Foreseen(
        tuple(coded.names[j] for j in chosen),
        np.stack([p[0] for p in parts]).T if parts else np.zeros((n, 0)),
        np.stack([p[1] for p in parts]).T if parts else np.zeros((n, 0)),
        np.array([p[2] for p in parts]),
        np.array([p[3] for p in parts]),
    )


def _places(column: Float, named: bool) -> Places:
    """(n,) the part of its column that each cell is in, as many rows in each; of categories the code."""
    missing = np.isnan(column)
    if named:
        return np.where(missing, GONE, np.minimum(np.nan_to_num(column), CODES)).astype(np.uint8)
    some = column[:: max(1, len(column) // SAMPLE)]
    values = np.unique(some[~np.isnan(some)])
    if len(values) > PARTS:
        values = np.unique(np.quantile(some[~np.isnan(some)], np.linspace(0, 1, PARTS + 1)[1:-1]))
    else:
        values = (values[1:] + values[:-1]) / 2
    return np.where(missing, GONE, np.searchsorted(values, column)).astype(np.uint8)


def _foresee_column(
    x: Float, folds: Sequence[tuple[Int, Places]], named: Bool, j: int, size: tuple[int, int], seed: int
) -> tuple[Float, Float, float, float]:
    """(n,) actual and expected of column j on its scale, and the scale's middle and spread. `folds`: rows, and where their cells lie."""
    rng = np.random.default_rng(seed)
    known = np.isfinite(x)
    low, middle, high = np.quantile(x[known], [0.25, 0.5, 0.75])
    spread = LINEAR * ((high - low) / 1.349 or float(x[known].std()) or 1.0)
    actual, expected = np.full(len(x), np.nan), np.full(len(x), np.nan)
    actual[known] = np.arcsinh((x[known] - middle) / spread)
    for (rows, cells), (judged, others) in (folds, folds[::-1]):
        learnt = np.flatnonzero(known[rows])
        if not len(learnt) or not len(judged):
            continue
        learnt = np.sort(rng.choice(learnt, MOST_LEARNT, replace=False)) if len(learnt) > MOST_LEARNT else learnt
        seen = LINES[cells[learnt], 0]
        seen[:, j] = 0.0  # no tree asks a constant, so that the column itself need not be cut out of every row judged
        model = HistGradientBoostingRegressor(
            max_iter=size[0],
            max_leaf_nodes=size[1],
            learning_rate=RATE,
            early_stopping=False,
            categorical_features=named,
            random_state=int(rng.integers(2**31)),
        )
        model.fit(never_empty(seen), actual[rows[learnt]])
        expected[judged] = Forest.of(model).recoded(np.repeat(LINES, cells.shape[1], 1)).raw(others)[:, 0]
    return actual, expected, float(middle), float(spread)


def can_foresee(data: Dataset) -> bool:
    """Whether there are a column of numbers to foresee and others to foresee it from."""
    if data.modality != "table" or len(data.columns.content) < 2 or len(data) < FEWEST_ROWS:
        return False
    one_by_one = (code_columns(data.table, [name]) for name in data.columns.content)  # the first that will do is enough
    return any(_chosen(coded) for coded in one_by_one)


def _chosen(coded: Coded) -> list[int]:
    return [int(j) for j in np.flatnonzero(coded.numeric) if _measured(coded.cells[:, j])][:MOST_COLUMNS]


def _measured(x: Float) -> bool:
    known = x[np.isfinite(x)]
    return len(known) >= FEWEST_ROWS / 2 and len(np.unique(known[:20_000])) >= FEWEST_VALUES
