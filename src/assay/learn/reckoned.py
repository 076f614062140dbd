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
EXACT = 1e-6  # of the spread of the labels, by which it may miss
KEPT = 0.9  # of the rows, those that it misses by least, from which it is fitted anew
ROUNDS = 20
ROWS_A_TERM = 10  # rows there must be for each column: fewer could be fitted exactly by chance
MOST_COLUMNS, MOST_ROWS = 100, 20_000


@dataclass(frozen=True)
class Reckoning:
    """`holds` (n,): the rows whose label the sum gives exactly; `terms`: columns and what each is multiplied with; and a `constant`."""

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
    spread = float(np.ptp(values[rows])) if len(rows) else 0.0
    if not 0 < len(columns) <= min(MOST_COLUMNS, len(rows) // ROWS_A_TERM) or spread == 0:
        return None
    centre, scale = cells[rows][:, columns].mean(0), cells[rows][:, columns].std(0)
    columns, centre, scale = columns[scale > 0], centre[scale > 0], scale[scale > 0]
    x = (cells[rows][:, columns] - centre) / scale
    terms = np.arange(len(columns))
    weights = _concentrated(x, values[rows], EXACT * spread)
    if weights is None:
        return None
    for j in np.argsort(np.abs(weights[:-1])):  # fewer terms say the same where columns are sums of one another, too
        fewer = terms[terms != j]
        again = _concentrated(x[:, fewer], values[rows], EXACT * spread)
        if again is not None and len(fewer):
            terms, weights = fewer, again
    given = ((cells[:, columns[terms]] - centre[terms]) / scale[terms]) @ weights[:-1] + weights[-1]
    holds = known & (np.abs(given - values) <= EXACT * spread)
    slopes = weights[:-1] / scale[terms]
    order = np.argsort(-slopes, kind="stable")
    constant = float(weights[-1] - centre[terms] @ slopes)
    return Reckoning(tuple((int(columns[terms[i]]), float(slopes[i])) for i in order), constant, np.asarray(holds))


def _concentrated(x: Floats, values: Floats, exact: float) -> Floats | None:
    """(m + 1,) weights and constant of the sum that holds in nearly all rows; None where none does."""
    x = np.column_stack([x, np.ones(len(x))])
    mine = np.arange(len(x))
    for _ in range(ROUNDS):
        weights = np.linalg.lstsq(x[mine], values[mine], rcond=None)[0]
        miss = np.abs(x @ weights - values)
        if (miss <= exact).mean() >= HOLDS:
            return np.asarray(weights)
        nearest = np.sort(np.argsort(miss, kind="stable")[: int(KEPT * len(x))])
        if np.array_equal(nearest, mine):
            return None
        mine = nearest
    return None
