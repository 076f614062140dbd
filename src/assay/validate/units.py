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
# This share of the odd rows must fall where the trusted middle is, once converted back: four in five of the right ones do, a sample's
# chance aside.
EXPLAINED = 0.7
# A scale with another zero has two numbers to fit with where a factor has one: it must fit the spread better by a third (e^0.3). Without
# this, 6 % of weights in pounds among kilograms, of which the lightest pass for kilograms, are named Fahrenheit.
PLAINER = 0.3
FEWEST = 3
SAMPLE = 1_000  # odd values that every conversion is tried on; the chosen one is counted on all


@dataclass(frozen=True)
class Conversion:
    """`words`: "divide by a thousand (...)"; `rows`: how many of the odd rows it explains."""

    words: str
    rows: int


def explain(odd: Float, low: float, high: float) -> Conversion | None:
    """The conversion of the odd values that fits best between `low` and `high`, the 10 % and the 90 % point of the trusted values.

    Of those that bring `EXPLAINED` of at least `FEWEST` values there, the one whose 10-90 % spread is nearest the trusted one: a factor
    that shrinks the values together gets more of them inside, and is no better for it. None where there is none. It is a guess for a
    remedy, never evidence.

    >>> explain(np.array([71_000.0, 64_500, 80_200]), 55.0, 90.0).words
    'divided by a thousand (g and kg, m and km, thousands)'
    >>> explain(np.array([-5.5, -6.2, -8.1]), 5.0, 9.0).words
    'with the other sign'
    >>> explain(np.linspace(35.0, 95.0, 50), 5.0, 30.0).words
    'read as Fahrenheit and turned into Celsius'
    """
    odd = odd[np.isfinite(odd)]
    if len(odd) < FEWEST or not low < high:
        return None
    some = odd[:: max(1, len(odd) // SAMPLE)]
    fitting = [words for words, convert in CONVERSIONS.items() if _inside(convert(some), low, high) >= EXPLAINED * len(some)]
    if not fitting:
        return None
    best = min(fitting, key=lambda words: _apart(CONVERSIONS[words](some), high - low) + PLAINER * (words in SCALES))
    return Conversion(best, _inside(CONVERSIONS[best](odd), low, high))


def _conversions() -> dict[str, Callable[[Float], Float]]:
    """Every conversion in words, the plainest first: the first of equals is named."""
    out: dict[str, Callable[[Float], Float]] = {"with the other sign": np.negative}
    for words, factor in FACTORS.items():
        out[f"divided by {words}"] = partial(np.multiply, 1 / factor)
        out[f"multiplied by {words}"] = partial(np.multiply, factor)
    return out | SCALES


# Scales that differ in their zero, too.
SCALES: dict[str, Callable[[Float], Float]] = {
    "read as Fahrenheit and turned into Celsius": lambda x: (x - 32) / 1.8,
    "read as Celsius and turned into Fahrenheit": lambda x: 1.8 * x + 32,
}
CONVERSIONS = _conversions()


def _apart(values: Float, spread: float) -> float:
    """How many times wider or narrower than `spread` these values lie, as a logarithm; infinite where all are one."""
    low, high = np.quantile(values, (0.1, 0.9))
    return abs(float(np.log((high - low) / spread))) if high > low else np.inf


def _inside(values: Float, low: float, high: float) -> int:
    return int(((values >= low) & (values <= high)).sum())
