"""The numbers of a column counted by value: all that its quartiles, its tail and its ranks are told from, gathered over blocks of rows.

The guarantee: counts are whole numbers, so that any split into blocks and any order of merging give the same state, and quantiles read
from it are those of the column itself, to the bit. Nothing is sketched: a state grows with the different values that a column has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.stats.counts import Counts, Int

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Counted:
    """A mergeable state: how often each value occurs, infinite ones too, and how many are missing (NaN).

    >>> a, b = Counted.of(np.array([1.0, np.nan, 2.0])), Counted.of(np.array([2.0, np.inf]))
    >>> whole = a.merge(b)
    >>> whole.values.keys.tolist(), whole.values.counts.tolist(), whole.missing
    ([1.0, 2.0, inf], [1, 2, 1], 1)
    """

    values: Counts
    missing: int

    @staticmethod
    def of(column: Float) -> Counted:
        known = column[~np.isnan(column)]
        return Counted(Counts.empty().add(known), len(column) - len(known))

    def merge(self, other: Counted) -> Counted:
        return self.merge_all((other,))

    def merge_all(self, others: Sequence[Counted]) -> Counted:
        return Counted(self.values.merge_all([other.values for other in others]), self.missing + sum(o.missing for o in others))

    @property
    def finite(self) -> Counts:
        """The same without what is infinite."""
        known = np.isfinite(self.values.keys.astype(np.float64))
        return self.values if known.all() else Counts(self.values.keys[known], self.values.counts[known])

    @property
    def numbers(self) -> Float:
        """The different finite values, in their order."""
        return np.asarray(self.finite.keys, np.float64)

    def scored(self, score: Float) -> Counts:
        """The scores that rows have, counted: `score` of each of `every`, in its order."""
        return Counts.of_equal(score, self._weights, 2)

    @property
    def every(self) -> Float:
        """Every value that rows have, NaN last where there is one: what `scored` is to be given the scores of."""
        keys = np.asarray(self.values.keys, np.float64)
        return np.append(keys, np.nan) if self.missing else keys

    @property
    def _weights(self) -> Int:
        return np.append(self.values.counts, self.missing) if self.missing else self.values.counts
