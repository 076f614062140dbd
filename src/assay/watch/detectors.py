"""Detectors: an e-detector a stream, moved on by batches of events. Their size does not grow.

Guarantee (`assay.stats.sequential`): if, given what came before, the mean of every measure stays within its bound, the average run
length before any alarm is at least `run_length` predictions, and P(an alarm within T) <= T / run_length; for all streams together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assay.stats.sequential import FRACTIONS, advance, which_alarm
from assay.watch.slices import Slices
from assay.watch.streams import Streams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RECENT = 200  # values: the recent mean that is shown forgets half of what is this old

PIECE = 512  # events moved on together: what they need stays within a processor's cache


@dataclass(frozen=True)
class Alarm:
    """One stream has left its bound. `clock` is the number of predictions when it was known; `strength` is S times its weight."""

    stream: int
    clock: int
    strength: float
    recent: float  # mean of recent values, of the measure and not of its complement


@dataclass
class Detectors:
    """The state of k detectors: `state` (k, bets), `last` (slices,) the clock at which each slice was last seen, and recent means."""

    streams: Streams
    slices: Slices
    bound: Floats  # (k,) of the mean of x, or of 1 - x for streams that look down
    run_length: float
    clock: int = 0
    state: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    last: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    total: Floats = field(default_factory=lambda: np.zeros(0))
    count: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        k = len(self.streams)
        if not len(self.state):
            self.state = np.zeros((k, len(FRACTIONS)))
            self.last = np.zeros(len(self.slices), np.int64)
            self.total, self.count = np.zeros(k), np.zeros(k)
        self._edges = np.searchsorted(self.streams.slice, np.arange(len(self.slices) + 1))

    @property
    def value(self) -> Floats:
        """(k,) S of each stream."""
        return np.asarray(self.state.mean(axis=1))

    @property
    def recent(self) -> Floats:
        """(k,) the recent mean of each measure, NaN where nothing was seen."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self.total / self.count
        return np.where(self.streams.up, mean, 1 - mean)

    def update(self, x: Floats, codes: Ints, ticks: Ints) -> list[Alarm]:
        """Move on by a batch: `x` (n, measures), `codes` (n, columns) of slices, `ticks` (n,) 1 for a prediction and 0 for a late label.

        Streams in alarm start again from nothing. An alarm names the first event at which its own stream crossed; one that is
        only convicted beside others (e-BH), the last event of the batch.
        """
        clock = self.clock + np.cumsum(ticks)
        crossed: dict[int, tuple[int, float]] = {}
        for s, rows in self.slices.members(codes):
            for start in range(0, len(rows), PIECE):
                piece = rows[start : start + PIECE]
                self._move(s, x[piece], clock[piece], crossed)
        if len(clock):
            self.clock = int(clock[-1])
        value = self.value
        for k in np.flatnonzero(which_alarm(value, self.streams.weight, self.run_length)).tolist():
            crossed.setdefault(k, (self.clock, float(value[k] * self.streams.weight[k])))
        recent = self.recent
        alarms = [Alarm(k, when_, strength_, float(recent[k])) for k, (when_, strength_) in crossed.items()]
        self.state[list(crossed)] = 0.0
        return sorted(alarms, key=lambda a: (a.clock, -a.strength))

    def _move(self, s: int, x: Floats, clock: Ints, crossed: dict[int, tuple[int, float]]) -> None:
        """Move on the streams of one slice by its events, and note the first that crosses."""
        part = slice(int(self._edges[s]), int(self._edges[s + 1]))
        if part.start == part.stop:
            return
        values = x[:, self.streams.measure[part]]
        down = ~self.streams.up[part]
        values[:, down] = 1 - values[:, down]
        seen = ~np.isnan(values).all(axis=1)
        if not seen.all():
            values, clock = values[seen], clock[seen]
        if not len(values):
            return
        path = advance(self.state[part], values, self.bound[part], np.diff(clock, prepend=self.last[s]).astype(float))
        self.last[s] = clock[-1]
        self._remember(part, values)
        path *= self.streams.weight[part]
        for k in np.flatnonzero(path.max(axis=0) >= self.run_length).tolist():
            first = int((path[:, k] >= self.run_length).argmax())
            crossed.setdefault(part.start + k, (int(clock[first]), float(path[first, k])))

    def _remember(self, part: slice, values: Floats) -> None:
        fade = 0.5 ** (np.arange(len(values) - 1, -1, -1) / RECENT)
        old = 0.5 ** (len(values) / RECENT)
        here = ~np.isnan(values)
        self.total[part] = self.total[part] * old + fade @ np.where(here, values, 0.0)
        self.count[part] = self.count[part] * old + fade @ here
