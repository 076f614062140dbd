"""How often one caller may ask: a bucket of tokens each, in memory. One process answers, so its memory is enough."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assay.serve.errors import TooMany
from assay.serve.settings import Bounds

REMEMBERED = 50_000  # callers; those that asked longest ago are forgotten first: their buckets are full again


class Buckets:
    """Each caller has `burst` requests, which come back at `rate` a second.

    >>> clock = iter([0.0, 0.0, 0.0, 10.0])
    >>> buckets = Buckets(0.1, 2, lambda: next(clock))
    >>> buckets.take("ann"), buckets.take("ann")
    (None, None)
    >>> buckets.take("ann")
    Traceback (most recent call last):
    assay.serve.errors.TooMany: too many requests. Remedy: wait 10 s
    >>> buckets.take("ann")
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self.clock = rate, burst, clock
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._mutex = threading.Lock()

    def take(self, caller: str) -> None:
        """Raises TooMany where nothing is left."""
        with self._mutex:
            moment = self.clock()
            left, since = self._held.pop(caller, (float(self.burst), moment))
            left = min(float(self.burst), left + (moment - since) * self.rate)
            self._held[caller] = (left - 1 if left >= 1 else left, moment)
            if len(self._held) > REMEMBERED:
                self._held.popitem(last=False)
            if left < 1:
                raise TooMany("too many requests", (1 - left) / self.rate)


class Slots:
    """How much one caller may hold open at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: Counter[str] = Counter()
        self._mutex = threading.Lock()

    @contextmanager
    def one(self, caller: str) -> Iterator[None]:
        """Raises TooMany where `most` are open."""
        with self._mutex:
            if self._held[caller] >= self.most:
                raise TooMany(f"{self.most} progress streams are open already", 10.0)
            self._held[caller] += 1
        try:
            yield
        finally:
            with self._mutex:
                self._held[caller] -= 1


class Seldom:
    """Whether something was not done for a caller for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._last: OrderedDict[str, float] = OrderedDict()

    def due(self, caller: str) -> bool:
        moment = time.monotonic()
        last = self._last.get(caller)
        if last is not None and moment - last < self.seconds:
            return False
        self._last[caller] = moment
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)
        return True


class Rates:
    """The buckets of one service."""

    def __init__(self, bounds: Bounds) -> None:
        self.requests = Buckets(bounds.requests, bounds.burst)
        self.logins = Buckets(bounds.logins, bounds.login_burst)
        self.failures = Buckets(bounds.logins, 5 * bounds.login_burst)  # secrets that were wrong, by address
        self.streams = Slots(bounds.streams)
