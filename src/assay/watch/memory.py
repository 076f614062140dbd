"""What a series that repeats is remembered by: where its clock stands, and where each of its forecasts does.

Times are what the machine that sent an event took them for. Order is theirs too, so one value that is dated far ahead must not
make all that follow too late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEAR = 10_800.0  # seconds between neighbours of one clock: an eighth of a day, as the wider scale (`cycles.PARTS`); one may be lost
AHEAD = 2  # values in a row that agree on a time further ahead, before it is believed: one may be a clock that jumped


@dataclass
class Track:
    """Where the forecast of one scale stands: the last `means` as it took them, the stretch being filled, how long it is calm, and how
    large departures were lately, in units of what is usual."""

    means: deque[float]  # a day of them, and two
    at: int  # number of the stretch
    total: float = 0.0
    count: int = 0
    calm: int = 0
    lately: float = 1.0

    def packed(self) -> list[float]:
        """As numbers."""
        return [float(self.at), self.total, float(self.count), float(self.calm), self.lately, *self.means]

    @classmethod
    def of(cls, packed: Sequence[float]) -> Track:
        """The inverse of `packed`."""
        at, total, count, calm, lately, *means = packed
        return cls(deque(means, len(means)), int(at), total, int(count), int(calm), lately)


@dataclass(frozen=True)
class Clock:
    """The `last` step that was taken; and another one that was told since, `doubted`, on which `count` values in a row agree.

    A value near the last one, and later, is taken. One far ahead is not: its clock may have jumped, and all that follow would be too late
    for ever. The next one that goes on from there is. Far behind it takes a day of them: so many are a clock put right.
    """

    last: int
    doubted: int = 0
    count: int = 0

    def at(self, step: int, near: int, day: int) -> tuple[bool, Clock]:
        """Whether a value of this step is taken, and the clock after it; `near` and `day` in steps."""
        if abs(step - self.last) <= near:
            return (True, Clock(step)) if step > self.last else (False, self)
        count = self.count + 1 if self.count and 0 < step - self.doubted <= near else 1
        if count >= (AHEAD if step > self.last else day):
            return True, Clock(step)
        return False, Clock(self.last, step, count)


@dataclass(frozen=True)
class Memory:
    """What is to be remembered: the clock, and a `Track.packed` for each scale."""

    clock: Clock
    tracks: tuple[tuple[float, ...], ...]

    def packed(self) -> Floats:
        """As one array: the last step, the tracks, and, where there is one, what the clock doubts. Each part after its length."""
        parts: list[tuple[float, ...]] = [*self.tracks, *([(self.clock.doubted, self.clock.count)] if self.clock.count else [])]
        return np.array([self.clock.last, *(v for part in parts for v in (len(part), *part))], float)

    @classmethod
    def of(cls, packed: Floats) -> Memory:
        """The inverse of `packed`."""
        last, *rest = packed.tolist()
        tracks: list[tuple[float, ...]] = []
        clock = Clock(int(last))
        while rest:
            part, rest = tuple(rest[1 : int(rest[0]) + 1]), rest[int(rest[0]) + 1 :]
            if len(part) == 2:  # a track is longer
                clock = Clock(int(last), int(part[0]), int(part[1]))
            else:
                tracks.append(part)
        return cls(clock, tuple(tracks))


def near_steps(step: float) -> int:
    """Steps of so many seconds between neighbours at most."""
    return max(1, round(NEAR / step))
