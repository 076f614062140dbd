"""Sets of rows whose numbers are in another unit: grams among kilograms, cents among euros.

Guarantee, as far as the ratio of a value to what its row leads one to expect thins out away from one: a set of rows is named by chance in
at most `ALPHA` of all data sets (each factor is tested against the next place towards one, Bonferroni over columns and factors).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from assay.finding import RowScore
from assay.screen.context import Context
from assay.screen.foreseen import Foreseen
from assay.screen.robust_z import TO_SIGMA

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

# What a number is multiplied by in another unit, in words that a person knows.
FACTORS: dict[str, float] = {
    "1,000": 1_000.0,
    "100": 100.0,
    "10": 10.0,
    "a million": 1e6,
    "60": 60.0,
    "3,600": 3_600.0,
    "24": 24.0,
    "12": 12.0,
    "2.2046 (pounds, kg)": 2.2046226,
    "2.54 (inches, cm)": 2.54,
    "25.4 (inches, mm)": 25.4,
    "3.2808 (feet, m)": 3.2808399,
    "1.6093 (miles, km)": 1.609344,
    "3.7854 (gallons, litres)": 3.7854118,
    "28.35 (ounces, g)": 28.349523,
}
ALPHA = 0.01
POSITIVE = 0.95  # of a column's numbers must be positive: a ratio says nothing of others
BAND = 3.0  # robust deviations about a factor within which a ratio counts for it
APART = 6.0  # a factor nearer to one than this many deviations cannot be told from chance


def wrong_units(found: Foreseen) -> list[tuple[str, str, Bool]]:
    """(column, factor in words, (n,) rows) for every set of rows whose ratio to what is expected heaps up at a factor.

    The middle of the ratios is taken for the right unit: a column of which half is wrong names the other half. Rows of a wrong unit
    whose other columns do not foresee them within a factor are not seen.
    """
    told: list[tuple[str, str, Bool]] = []
    tests = max(2 * len(FACTORS) * len(found.names), 1)
    for j, name in enumerate(found.names):
        ratio = _log_ratio(found, j)
        known = np.isfinite(ratio)
        if known.sum() < POSITIVE * np.isfinite(found.actual[:, j]).sum() or not known.any():
            continue
        centre = float(np.median(ratio[known]))
        spread = TO_SIGMA * float(np.median(np.abs(ratio[known] - centre)))
        if spread <= 0:
            continue
        best: tuple[float, str, Bool] | None = None
        for words, factor in FACTORS.items():
            for sign, verb in ((1, "times"), (-1, "divided by")):
                at = sign * math.log(factor)
                if abs(at) < APART * spread:
                    continue
                rows = known & (np.abs(ratio - centre - at) <= BAND * spread)
                inner = at - sign * 2 * BAND * spread
                nearer = int((known & (np.abs(ratio - centre - inner) < BAND * spread)).sum())
                count = int(rows.sum())
                p = float(binom.sf(count - 1, count + nearer, 0.5)) if count else 1.0
                if p <= ALPHA / tests and (best is None or p < best[0]):
                    best = (p, f"{verb} {words}", rows)
        if best is not None:
            told.append((name, best[1], best[2]))
    return told


def _log_ratio(found: Foreseen, j: int) -> Float:
    actual, expected = found.numbers(j), found.expected_numbers(j)
    good = np.isfinite(actual) & np.isfinite(expected) & (actual > 0) & (expected > 0)
    out = np.full(len(actual), np.nan)
    out[good] = np.log(actual[good] / expected[good])
    return out


def run(context: Context) -> RowScore:
    """The screen: rows of a set that is named are flagged; all others score 0."""
    told = wrong_units(context.foreseen)
    n = len(context.data)
    flag = np.zeros(n, bool)
    for _, _, rows in told:
        flag |= rows
    named = "; ".join(f"{name} {words} in {int(rows.sum()):,} rows" for name, words, rows in told[:3])
    reason = "a number in another unit than the column's" + (f" ({named})" if named else "")
    return RowScore("units", flag.astype(np.float64), flag, reason)
