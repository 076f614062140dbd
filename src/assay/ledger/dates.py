"""Events that are dated ahead, by a clock that jumped into the future and back.

No event is dated before the one before it, so all that follow bear the date ahead until it is reached; then they have the clock's again.
Meanwhile the rules go by it: approvals and keys that end before it count no more, and what a source may bring in a day is counted on that
day. The log is whole, and stays as it is; a reader is told from which event on its dates are not to be believed.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta

from assay.ledger.events import decode, moment
from assay.ledger.log import Log

TOLERANCE = timedelta(minutes=5)  # between two clocks that are both right, as Kerberos has it (RFC 4120, section 1.6)


@dataclass(frozen=True)
class Ahead:
    """Events `first` to `last` are dated `time` and later, and were there at `known`."""

    first: int
    last: int
    time: str
    known: str


def is_ahead(time: str, known: str) -> bool:
    """Whether something dated `time` that was there at `known` is dated ahead.

    >>> is_ahead("2026-11-21T07:04:00Z", "2026-11-21T07:00:00Z"), is_ahead("2027-11-21T07:04:00Z", "2026-11-21T07:00:00Z")
    (False, True)
    """
    return time > moment((datetime.fromisoformat(known) + TOLERANCE).isoformat())


def ahead(log: Log, known: str, size: int | None = None) -> Ahead | None:
    """Which of the first `size` published events, which were there at the time `known`, are dated ahead; None where none is.

    Reads a few events only: of a log in which the time never goes back, as the rules have it.
    """
    size = log.tiles().size if size is None else size

    def time_of(number: int) -> str:
        return decode(log.entry(number), number).time

    if not size or not is_ahead(time_of(size - 1), known):
        return None
    first = bisect_right(range(size), False, key=lambda number: is_ahead(time_of(number), known))
    return Ahead(first, size - 1, time_of(first), known)
