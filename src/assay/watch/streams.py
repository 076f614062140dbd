"""Streams: one measure, in one slice, in one direction, against its bound; and their shares of the one false-alarm budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.watch.measures import ESTIMATED, Family, Measure
from assay.watch.slices import Slices

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# What is watched in the whole traffic, in the slices of one value, and in pairs. A pair is watched for errors only: they are many.
FAMILIES: tuple[tuple[Family, ...], ...] = (
    ("performance", "confidence", "decisions", "inputs"),
    ("performance", "confidence", "decisions"),
    ("performance",),
)
SHARES = (0.5, 0.25, 0.25)  # of a family's budget: to the whole traffic, to single values, to pairs
YEAR = 365.25 * 86400


@dataclass(frozen=True)
class Streams:
    """k streams, sorted by slice: `slice` (k,), `measure` (k,), `up` (k,), and `weight` (k,), their shares of the budget, adding to 1."""

    slice: Ints
    measure: Ints
    up: NDArray[np.bool_]
    weight: Floats

    def __len__(self) -> int:
        return len(self.slice)


def lay_out(measures: Sequence[Measure], slices: Slices) -> Streams:
    """Every stream, and its weight: families share equally, then the whole, values and pairs by SHARES, then each stream in these alike."""
    rows: list[tuple[int, int, bool]] = []
    cells: list[tuple[Family, int]] = []
    for s, part in enumerate(slices.parts):
        level = len(part)
        for m, measure in enumerate(measures):
            if measure.family not in FAMILIES[level]:
                continue
            # In a pair only the first measure of performance, the error, is watched.
            if level == 2 and m > 0:
                continue
            # What a confidence means is known of all traffic; in a slice it may mean more or less by nature.
            if level > 0 and measure == ESTIMATED:
                continue
            for up in (True, False):
                if measure.up if up else measure.down:
                    rows.append((s, m, up))
                    cells.append((measure.family, level))
    families = {family for family, _ in cells}
    share: dict[tuple[Family, int], float] = {}
    for family in families:
        levels = sorted({level for f, level in cells if f == family})
        for level in levels:
            share[family, level] = SHARES[level] / sum(SHARES[one] for one in levels) / len(families) / cells.count((family, level))
    table = np.array(rows, np.int64)
    return Streams(table[:, 0], table[:, 1], table[:, 2].astype(bool), np.array([share[cell] for cell in cells]))


def in_words(run_length: float, per_second: float | None) -> str:
    """The budget as people say it.

    >>> in_words(1e6, None)
    'at most one false alarm in 1,000,000 predictions on average'
    >>> in_words(1e6, 1e6 / YEAR)
    'at most one false alarm in 1.0 years on average, at the 2,738 predictions a day of the trusted period'
    """
    if not per_second:
        return f"at most one false alarm in {run_length:,.0f} predictions on average"
    seconds = run_length / per_second
    span = f"{seconds / YEAR:.1f} years" if seconds >= 0.95 * YEAR else f"{seconds / 86400:.1f} days"
    return f"at most one false alarm in {span} on average, at the {per_second * 86400:,.0f} predictions a day of the trusted period"
