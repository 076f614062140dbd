"""When an event was, for people: the middle one of the last five known times up to it, in the order of arrival.

One event that is dated ahead, by a clock that jumped, dates nothing. What it cannot see: three of five that are.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TIMES = 5  # events whose middle time it is


class Dates:
    """The times of the last batch, and of the few known ones before it: a date is the same however the events are cut into batches.

    >>> dates = Dates()
    >>> dates.take(np.array([1.0, 2.0, 900.0, np.nan, 4.0]))
    >>> [dates.at(event) for event in range(5)]
    [1.0, 2.0, 2.0, 2.0, 4.0]
    >>> dates.take(np.array([5.0, 6.0]))
    >>> dates.at(1), dates.now()
    (5.0, 5.0)
    """

    def __init__(self, last: Iterable[float] = ()) -> None:
        """`last`: known times of events, of which the last few count."""
        self._known: Floats = np.array(list(last), np.float64)[-TIMES:]
        self._seen = np.zeros(0, np.int64)  # of each event of the batch: how many of the known times there were then

    @property
    def last(self) -> list[float]:
        """The known times from which the next batch goes on."""
        return [float(time) for time in self._known[-TIMES:]]

    def take(self, times: Floats) -> None:
        """A batch: (n,) seconds since 1970, NaN where there is none."""
        before, known = self._known[-TIMES:], ~np.isnan(times)
        self._seen = len(before) + np.cumsum(known)
        self._known = np.concatenate((before, times[known]))

    def at(self, event: int) -> float | None:
        """The date of an event of the last batch; None where no time is known yet."""
        return _middle(self._known[: int(self._seen[event])])

    def now(self) -> float | None:
        """The date of what comes after the last event."""
        return _middle(self._known)


def _middle(times: Floats) -> float | None:
    last = sorted(times[-TIMES:].tolist())
    return float(last[len(last) // 2]) if last else None
