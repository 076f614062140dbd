"""How many witnesses the carriers of something in a table are: rows that say the same thing cast one vote among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.learn.columns import Coded
from assay.learn.likeness import Likeness
from assay.learn.serial import reach_by_label, side_by_side
from assay.learn.tables import TableProbe

Floats = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Witnesses:
    """Three ways of saying the same: equal in every cell, repeating one another in most, or side by side in a table that is a series."""

    same: Int  # (n,) rows that are equal in every cell have one number
    likeness: Likeness
    reach: int  # rows within which a series repeats itself; 0 where the table is none

    @staticmethod
    def of(coded: Coded, same: Int, probe: TableProbe, y: Int, rng: np.random.Generator) -> Witnesses:
        """Learnt from rows labelled y (n,), negative where missing; `probe` tells how typical each is of its label."""
        nothing = np.zeros((1, probe.cells.shape[1]), bool)
        return Witnesses(same, Likeness.of(coded, y, rng), reach_by_label(lambda rows: probe.without(rows, nothing), y))

    def votes(self, rows: Int, removed: Sequence[int], rng: np.random.Generator, together: bool = True) -> Floats:
        """(m,) votes of the carriers `rows` (m,) of one proposal, the columns `removed` being those on trial. Without `together` they are
        found sooner, and are no fewer (`Likeness.repeats`).

        Without it a hard row that was drawn into a set twenty times, or one quiet night of a series, would look like a trigger with
        twenty carriers. Rows on trial that were put into a series side by side are one witness too, which loses power.
        """
        on_trial = np.zeros(self.likeness.cells.shape[1], bool)
        on_trial[list(removed)] = True
        equal = 1 / votes(np.zeros(len(rows), np.int64), self.same[rows])
        heard = np.maximum(equal, self.likeness.repeats(rows, on_trial, rng, together))
        return np.asarray(1 / (np.maximum(heard, side_by_side(rows, self.reach)) if self.reach else heard))

    def told(self) -> list[str]:
        """What a report says of a series."""
        if not self.reach:
            return []
        return [f"rows side by side repeat one another (a series): those that share a value within {self.reach} rows cast one vote"]


def votes(cell: Int, same: Int) -> Floats:
    """(m,) one vote for each proposal `cell` (m,) and set of equal rows `same` (m,), shared among them."""
    _, inverse, count = np.unique(cell * (same.max(initial=0) + 1) + same, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / count[inverse])
