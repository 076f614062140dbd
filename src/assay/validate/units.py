"""Which change of units would explain numbers that lie elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

# What a value is multiplied by when it is written in another unit. Each is tried both ways.
FACTORS: dict[str, float] = {
    "a thousand (g and kg, m and km, thousands)": 1_000.0,
    "a hundred (per cent and share, cm and m, cents)": 100.0,
    "ten (mm and cm)": 10.0,
    "a million (millions, microseconds)": 1e6,
    "sixty (minutes and hours, seconds and minutes)": 60.0,
    "3,600 (seconds and hours)": 3_600.0,
    "24 (hours and days)": 24.0,
    "2.2046 (pounds and kg)": 2.2046226,
    "2.54 (inches and cm)": 2.54,
    "25.4 (inches and mm)": 25.4,
    "3.2808 (feet and m)": 3.2808399,
    "1.6093 (miles and km)": 1.609344,
    "3.7854 (US gallons and litres)": 3.7854118,
    "28.35 (ounces and g)": 28.349523,
}
# This share of the odd rows must fall where the trusted middle is, once converted back.
EXPLAINED = 0.8
FEWEST = 3
SAMPLE = 1_000  # odd values that every conversion is tried on; the best is counted on all


@dataclass(frozen=True)
class Conversion:
    """`words`: "divide by a thousand (...)"; `rows`: how many of the odd rows it explains."""

    words: str
    rows: int


def explain(odd: Float, low: float, high: float) -> Conversion | None:
    """The conversion that brings most of the odd values between `low` and `high`, where the middle of the trusted values lies.

    None where no conversion explains `EXPLAINED` of at least `FEWEST` values. It is a guess for a remedy, never evidence.

    >>> explain(np.array([71_000.0, 64_500, 80_200]), 55.0, 90.0).words
    'divided by a thousand (g and kg, m and km, thousands)'
    >>> explain(np.array([-5.5, -6.2, -8.1]), 5.0, 9.0).words
    'with the other sign'
    """
    odd = odd[np.isfinite(odd)]
    if len(odd) < FEWEST or not low < high:
        return None
    some = odd[:: max(1, len(odd) // SAMPLE)]
    best = max(CONVERSIONS, key=lambda words: _inside(CONVERSIONS[words](some), low, high))
    rows = _inside(CONVERSIONS[best](odd), low, high)
    return Conversion(best, rows) if rows >= EXPLAINED * len(odd) else None


def _conversions() -> dict[str, Callable[[Float], Float]]:
    """Every conversion in words, the plainest first: the first of equals is named."""
    out: dict[str, Callable[[Float], Float]] = {"with the other sign": np.negative}
    for words, factor in FACTORS.items():
        out[f"divided by {words}"] = partial(np.multiply, 1 / factor)
        out[f"multiplied by {words}"] = partial(np.multiply, factor)
    out["read as Fahrenheit and turned into Celsius"] = lambda x: (x - 32) / 1.8
    out["read as Celsius and turned into Fahrenheit"] = lambda x: 1.8 * x + 32
    return out


CONVERSIONS = _conversions()


def _inside(values: Float, low: float, high: float) -> int:
    return int(((values >= low) & (values <= high)).sum())
