"""Labels that are reckoned from columns of numbers: a change from one year to the next, a remainder, a total.

With one of its terms out of sight such a label looks wrong by nature, and each value of that term like a trigger. What tells is that the
sum holds in nearly all rows: a row whose label was changed breaks it. The sum is fitted by least squares, again and again without the rows
that it misses by most (Rousseeuw & Van Driessen 2006: concentration), and counts only where it is exact.

Cannot see: products and quotients, sums that are rounded, thresholds, and sums of which a term stands in no column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Int = NDArray[np.int64]

HOLDS = 0.95  # of the rows, in which a sum must hold: a poisoner, and errors, may have broken it in a few
RARER = 0.5  # of the rows whose label is not the commonest, in which it must hold too: that nearly all labels are 0 is no sum
EXACT = 1e-6  # of the spread of the labels, by which it may miss
KEPT = 0.9  # of the rows, those that it misses by least, from which it is fitted anew
ROUNDS = 20
ROWS_A_TERM = 10  # rows there must be for each column: fewer could be fitted exactly by chance
MOST_COLUMNS, MOST_ROWS = 100, 20_000


@dataclass(frozen=True)
class Reckoning:
    """`terms`: columns and what each is multiplied with, and a `constant`; `holds` (n,): rows whose label they give exactly."""

    terms: tuple[tuple[int, float], ...]
    constant: float
    holds: Bools

    def said(self, names: Sequence[str]) -> str:
        """The sum in words.

        >>> Reckoning(((1, 1.0), (0, -1.0), (2, 0.5)), -2.0, np.ones(3, bool)).said(["prescribed", "medicines", "visits"])
        "'medicines' - 'prescribed' + 0.5 'visits' - 2"
        """
        text = ""
        for weight, name in [*((weight, repr(names[j])) for j, weight in self.terms), (self.constant, "")]:
            size = abs(weight)
            if size > EXACT:
                factor = f"{size:.6g}" if not name or abs(size - 1) > EXACT else ""
                text += (" - " if weight < 0 else " + " if text else "") + " ".join(part for part in (factor, name) if part)
        return text.strip()


def reckoned(cells: Floats, numeric: Bools, values: Floats, blind: Bools, rng: np.random.Generator) -> Reckoning | None:
    """The sum of numeric columns of `cells` (n, m) that gives `values` (n,) exactly in nearly all rows; None where there is none.

    It is fitted on rows that are not `blind` (n,), those whose labels are in doubt: they have no say in it. Missing: NaN.
    """
    known = np.isfinite(values)
    columns = np.flatnonzero(numeric & (np.isnan(cells[known]).mean(0) <= 1 - HOLDS)) if known.any() else np.zeros(0, np.int64)
    known &= np.isfinite(cells[:, columns]).all(1)
    rows = np.flatnonzero(known & ~blind)
    if len(rows) > MOST_ROWS:
        rows = np.sort(rng.choice(rows, MOST_ROWS, replace=False))
    if not 0 < len(columns) <= min(MOST_COLUMNS, len(rows) // ROWS_A_TERM):
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # numbers near the largest double have no spread that can be told
        spread = float(np.ptp(values[rows]))
        centre, scale = cells[rows][:, columns].mean(0), cells[rows][:, columns].std(0)
    if spread == 0 or not np.isfinite(spread):
        return None
    told = (scale > 0) & np.isfinite(scale)
    columns, centre, scale = columns[told], centre[told], scale[told]
    exact = EXACT * spread
    fitted = _concentrated(_with_constant((cells[rows][:, columns] - centre) / scale), values[rows], exact)
    if fitted is None:
        return None
    weights, fits = fitted
    terms, weights = _fewest(_with_constant((cells[rows[fits]][:, columns] - centre) / scale), values[rows[fits]], weights, exact)
    given = _with_constant((cells[:, columns[terms]] - centre[terms]) / scale[terms]) @ weights
    holds = np.abs(given - values) <= exact
    label, count = np.unique(values[rows], return_counts=True)
    if holds[rows[values[rows] != label[count.argmax()]]].mean() < RARER:
        return None
    slopes = weights[:-1] / scale[terms]
    order = np.argsort(-slopes, kind="stable")
    constant = float(weights[-1] - centre[terms] @ slopes)
    return Reckoning(tuple((int(columns[terms[i]]), float(slopes[i])) for i in order), constant, np.asarray(holds))


def _with_constant(x: Floats) -> Floats:
    return np.column_stack([x, np.ones(len(x))])


def _solved(x: Floats, values: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(x, values, rcond=None)[0], np.float64)


def _concentrated(x: Floats, values: Floats, exact: float) -> tuple[Floats, Bools] | None:
    """(m,) weights of the sum that holds in nearly all rows of x (n, m), and (n,) in which; None where none does."""
    mine = np.arange(len(x))
    for _ in range(ROUNDS):
        weights = _solved(x[mine], values[mine])
        miss = np.abs(x @ weights - values)
        if (miss <= exact).mean() >= HOLDS:
            return weights, miss <= exact
        nearest = np.sort(np.argsort(miss, kind="stable")[: int(KEPT * len(x))])
        if np.array_equal(nearest, mine):
            return None
        mine = nearest
    return None


def _fewest(x: Floats, values: Floats, weights: Floats, exact: float) -> tuple[Int, Floats]:
    """Columns of x (n, m), but for the constant at its end, that give the values just as well, and their weights with the constant's.

    The least weights are left out first: where columns are sums of one another, too, fewer terms say the same.
    """
    terms = np.arange(x.shape[1] - 1)
    for j in np.argsort(np.abs(weights[:-1])):
        fewer = terms[terms != j]
        kept = x[:, [*fewer, -1]]
        again = _solved(kept, values)
        if len(fewer) and (np.abs(kept @ again - values) <= exact).all():
            terms, weights = fewer, again
    return terms, weights
