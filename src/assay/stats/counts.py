"""How often things occur: a state that may be gathered in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

DENSE = 1 << 22  # possible keys up to which counting is by table (32 MB), above by sorting


@dataclass(frozen=True)
class Counts:
    """How often each key occurs, a mergeable state: sorted distinct keys and their counts.

    >>> a, b = Counts.empty().add(np.array([3, 1, 3])), Counts.empty().add(np.array([3]))
    >>> a.merge(b).keys.tolist(), b.merge(a).counts.tolist()
    ([1, 3], [1, 3])
    """

    keys: NDArray[np.generic]
    counts: Int

    @staticmethod
    def empty() -> Counts:
        return Counts(np.zeros(0, np.int64), np.zeros(0, np.int64))

    def add(self, keys: NDArray[np.generic], most: int | None = None) -> Counts:
        """With a batch of keys counted in; `most`: they are whole numbers from 0 to below it."""
        if most is not None and most <= DENSE and len(keys) * 16 > most:
            table = np.bincount(keys.astype(np.int64, copy=False), minlength=1)
            distinct = np.flatnonzero(table)
            return self.merge(Counts(distinct, table[distinct]))
        distinct, counts = np.unique(keys, return_counts=True)
        return self.merge(Counts(distinct, counts))

    def merge(self, other: Counts) -> Counts:
        return self.merge_all((other,))

    def merge_all(self, others: Sequence[Counts]) -> Counts:
        """Of all at once: one sort of their keys, where one after another would copy the growing list each time."""
        parts = [part for part in (self, *others) if len(part.keys)]
        if len(parts) < 2:
            return parts[0] if parts else self
        keys = np.concatenate([part.keys for part in parts])
        counts = np.concatenate([part.counts for part in parts])
        return Counts.of_equal(keys, counts, len(parts))

    @staticmethod
    def of_equal(keys: NDArray[np.generic], counts: Int, lists: int) -> Counts:
        """Of keys that may recur, with the counts of each; they lie in so many sorted lists, one after another."""
        order = np.argsort(keys, kind="stable" if lists <= 2 else None)  # the stable one sees that two lists are to be zipped
        keys = keys[order]
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        return Counts(keys[first], np.add.reduceat(counts[order], first))

    def of(self, keys: NDArray[np.generic]) -> Int:
        """How often each of these occurs."""
        if not len(self.keys):
            return np.zeros(len(keys), np.int64)
        slot = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[slot] == keys, self.counts[slot], 0)

    def least(self, support: int) -> Counts:
        """Only the keys that occur at least so often."""
        often = self.counts >= support
        return Counts(self.keys[often], self.counts[often])


def part_of(number: int, parts: int, states: Sequence[Counts], support: int) -> Counts:
    """Of several counts merged, the keys that occur at least `support` times in one of so many neighbouring ranges of keys.

    The ranges are those that cut the longest list into equal parts; together, in their order, they are the whole.

    >>> a, b = Counts.empty().add(np.array([1, 2, 3, 4])), Counts.empty().add(np.array([2, 4, 9]))
    >>> [part_of(i, 2, [a, b], 2).keys.tolist() for i in range(2)]
    [[2], [4]]
    """
    longest = max(states, key=lambda state: len(state.keys)).keys
    edges = [longest[len(longest) * i // parts] for i in range(1, parts)] if len(longest) else []
    cut = []
    for state in states:
        low = np.searchsorted(state.keys, edges[number - 1]) if edges and number else 0
        high = np.searchsorted(state.keys, edges[number]) if edges and number < parts - 1 else len(state.keys)
        cut.append(Counts(state.keys[low:high], state.counts[low:high]))
    return (cut[0].merge_all(cut[1:]) if edges or not number else Counts.empty()).least(support)


@dataclass(frozen=True)
class Tally:
    """Whole numbers, one a known thing, that add up over parts: a state as large as the list of things."""

    counts: NDArray[np.signedinteger[Any]]

    def merge(self, other: Tally) -> Tally:
        return Tally(self.counts + other.counts)


def quantiles(values: Counts, shares: Sequence[float]) -> Floats:
    """The numbers below which these shares of what was counted lie: what `numpy.quantile` gives of the numbers themselves, to the bit.

    >>> quantiles(Counts.empty().add(np.array([1.0, 2.0, 2.0, 5.0])), (0.25, 0.75)).tolist()
    [1.75, 2.75]
    """
    ends = np.cumsum(values.counts)
    at = (int(ends[-1]) - 1) * np.asarray(shares, np.float64)
    low = np.floor(at)
    a, b = _ordered(values, ends, low), _ordered(values, ends, np.minimum(low + 1, ends[-1] - 1))
    part = at - low
    return np.where(part >= 0.5, b - (b - a) * (1 - part), a + (b - a) * part)  # from the nearer of the two


def quantile(values: Counts, share: float) -> float:
    """One of `quantiles`."""
    return float(quantiles(values, (share,))[0])


def median(values: Counts) -> float:
    """The middle number, or the mean of the two in the middle: what `numpy.median` gives of the numbers themselves, to the bit."""
    ends = np.cumsum(values.counts)
    rows = int(ends[-1])
    return float(_ordered(values, ends, np.array([(rows - 1) // 2, rows // 2])).mean())


def _ordered(values: Counts, ends: Int, at: NDArray[Any]) -> Floats:
    """The numbers at these places of all, in their order; `ends`: cumulative counts."""
    return np.asarray(values.keys[np.searchsorted(ends, at, side="right")], np.float64)
