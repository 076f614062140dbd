"""Detectors: an e-detector a stream, moved on by batches of events. Their size does not grow.

Guarantee (`assay.stats.sequential`): if, given what came before, the mean of every measure stays within its bound, the average run
length before any alarm is at least `run_length` predictions, and P(an alarm within T) <= T / run_length; for all streams together.

Slices of one kind (all traffic, single values, pairs) have the same measures, and are moved on together, a few events of each at a time;
all traffic and its parts beside each other, where a second core is free.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.stats.sequential import BLOCK, CEILING, FRACTIONS, SMALLEST, grown, grown_in_turn, which_alarm
from assay.watch.beside import MANY, beside
from assay.watch.slices import Slices
from assay.watch.streams import Streams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RECENT = 200  # values: the recent mean that is shown forgets half of what is this old

PIECE = 1024  # events whose parts are moved on together: what they need stays within a processor's cache
WHOLE = 256  # the same of all traffic, which has the most streams: 260 of them, eight bets and 64 blocks are a MiB
FADES = 0.5 ** (np.arange(PIECE + 1) / RECENT)
FADED = np.concatenate(([0.0], np.cumsum(FADES)))  # what so many values are together


@dataclass(frozen=True)
class Alarm:
    """One stream has left its bound. `clock` is the number of predictions when it was known, `event` the place in the batch of the event
    that made it known; `strength` is S times its weight."""

    stream: int
    clock: int
    strength: float
    recent: float  # mean of recent values, of the measure and not of its complement
    event: int


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
        self._kinds = _kinds(self.streams, len(self.slices))

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
        if not len(x):
            return []
        clock = self.clock + np.cumsum(ticks)
        crossed: dict[int, tuple[int, float]] = {}
        elsewhere: dict[int, tuple[int, float]] = {}

        def whole() -> None:
            for start in range(0, len(x), WHOLE):
                self._whole(x[start : start + WHOLE], clock[start : start + WHOLE], start, crossed)

        def parts() -> None:
            for start in range(0, len(x) if len(self._kinds) > 1 else 0, PIECE):
                piece = slice(start, start + PIECE)
                number, position = self.slices.sorted_members(codes[piece])
                for kind in self._kinds[1:]:
                    part = slice(*np.searchsorted(number, (kind.first, kind.first + kind.slices)))
                    if part.start < part.stop:
                        self._parts(kind, x[piece], clock[piece], start, number[part] - kind.first, position[part], elsewhere)

        beside(whole, parts, len(x) >= MANY)  # they touch no stream in common
        crossed |= elsewhere
        self.clock = int(clock[-1])
        value = self.value
        for k in np.flatnonzero(which_alarm(value, self.streams.weight, self.run_length)).tolist():
            crossed.setdefault(k, (len(x) - 1, float(value[k] * self.streams.weight[k])))
        recent = self.recent
        alarms = [Alarm(k, int(clock[event]), strength, float(recent[k]), event) for k, (event, strength) in crossed.items()]
        self.state[list(crossed)] = 0.0
        return sorted(alarms, key=lambda a: (a.clock, -a.strength))

    def _whole(self, x: Floats, clock: Ints, start: int, crossed: dict[int, tuple[int, float]]) -> None:
        """Move on the streams of all traffic, which every event belongs to; `start` is the place of the first of these in the batch."""
        kind = self._kinds[0]
        streams, blocks = slice(kind.stream, kind.stream + len(kind.of)), -(-len(x) // BLOCK)
        values, here = _known(x, kind)
        factor, shift = self._scaled(kind, streams)
        flat = np.zeros((blocks * BLOCK, len(kind.of)))
        over = flat[: len(x)]
        np.take(values, kind.of, axis=1, out=over, mode="clip")  # the mode that writes where it is told, without a copy
        over *= factor
        over += shift
        if here is not None:
            over *= here[:, kind.of]
        fade = FADES[len(x) - 1 :: -1, None]
        known = np.full(len(kind.of), FADED[len(x)]) if here is None else (here * fade).sum(axis=0)[kind.of]
        self._remember(kind, streams, (values * fade).sum(axis=0)[kind.of], known, FADES[len(x)])
        ends = np.minimum(np.arange(BLOCK, BLOCK * blocks + 1, BLOCK), len(x)) - 1
        until = clock[ends]
        ticks = np.diff(until, prepend=self.last[kind.first]).astype(np.float64)
        path = grown_in_turn(flat.reshape(blocks, BLOCK, -1))
        state = np.ascontiguousarray(self.state[streams].T)
        with np.errstate(over="ignore"):  # what overflows is far above any threshold, and is cut below
            for block, tick in zip(path, ticks.tolist(), strict=True):
                block *= state + tick
                state = block
        self.state[streams] = np.minimum(state, CEILING).T
        self.last[kind.first] = until[-1]
        self._cross(kind, path.sum(axis=1), start + ends, np.arange(blocks + 1), np.zeros(1, np.int64), crossed)

    def _parts(
        self, kind: _Kind, x: Floats, clock: Ints, start: int, number: Ints, position: Ints, crossed: dict[int, tuple[int, float]]
    ) -> None:
        """Move on the streams of the slices of one kind; `number` (m,) of the slice among them, `position` (m,) of its events."""
        shape = (kind.slices, len(kind.of))
        streams = slice(kind.stream, kind.stream + shape[0] * shape[1])
        values, here = _known(x, kind)
        count = np.bincount(number, minlength=kind.slices)
        rank = np.arange(len(number)) - np.repeat(np.cumsum(count) - count, count)
        self._recall(kind, streams, values, here, count, position, rank)
        # The slices with the most events come first: those that have a j-th block are then the first of them, and lie together.
        order = np.argsort(-count, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        blocks = -(-count[order] // BLOCK)
        live = (blocks[None, :] > np.arange(blocks[0])[:, None]).sum(axis=1)  # slices that have a j-th block
        edges = np.concatenate(([0], np.cumsum(live)))
        turn, n_blocks = rank // BLOCK, int(edges[-1])
        block_of = edges[turn] + np.repeat(place, count)
        factor, shift = self._scaled(kind, streams)
        given = np.take(values[:, kind.of], position, axis=0)
        given *= np.repeat(factor, count, axis=0)
        given += np.repeat(shift, count, axis=0)
        if here is not None:
            given *= np.take(here[:, kind.of], position, axis=0)
        over = np.zeros((n_blocks * BLOCK, shape[1]))
        over[block_of * BLOCK + (rank - turn * BLOCK)] = given
        last_of = np.empty(n_blocks, np.int64)
        last_of[block_of] = position  # the last of a block is written last
        until = clock[last_of]
        path = grown(over.reshape(n_blocks, BLOCK, shape[1]))
        state = np.ascontiguousarray(np.moveaxis(self.state[streams].reshape(*shape, -1)[order], 2, 0))
        last, seen = self.last[kind.first + order], int(live[0])
        # Ticks since the block before of the same slice, which lies as many places back as there were slices in that round.
        before = np.concatenate((last[:seen], until[np.arange(seen, n_blocks) - np.repeat(live[:-1], live[1:])]))
        ticks = np.repeat((until - before).astype(np.float64), shape[1])
        flat, now = path.reshape(len(path), -1), state.reshape(len(state), -1)
        with np.errstate(over="ignore"):
            for begin, stop in pairwise((edges * shape[1]).tolist()):
                block = flat[:, begin:stop]
                block *= now[:, : stop - begin] + ticks[begin:stop]
                now = block
        ends = edges[blocks[:seen] - 1] + np.arange(seen)
        state[:, :seen], last[:seen] = path[:, ends], until[ends]
        np.minimum(state, CEILING, out=state)
        self.state[streams] = np.moveaxis(state, 0, 2)[place].reshape(-1, len(state))
        self.last[kind.first + order] = last
        self._cross(kind, path.sum(axis=0), start + last_of, edges, order, crossed)

    def _scaled(self, kind: _Kind, streams: slice) -> tuple[Floats, Floats]:
        """(slices, streams of one) what makes of x its excess x / m - 1, or (1 - x) / m - 1 for streams that look down: a multiplication
        and an addition either way."""
        bound = np.maximum(self.bound[streams].reshape(kind.slices, -1), SMALLEST)
        return np.where(kind.down, -1.0, 1.0) / bound, np.where(kind.down, 1.0, 0.0) / bound - 1.0

    def _cross(self, kind: _Kind, total: Floats, event: Ints, edges: Ints, order: Ints, crossed: dict[int, tuple[int, float]]) -> None:
        """Note the first crossing of each stream; `total` (blocks, streams of a slice) over all bets, of which S is the mean, and `event`
        (blocks,) the place in the batch of the last event of each."""
        path = np.minimum(total / len(FRACTIONS), CEILING) * self.streams.weight[kind.stream : kind.stream + len(kind.of)]
        for b, m in np.argwhere(path >= self.run_length).tolist():  # in the order of blocks
            j = int(np.searchsorted(edges, b, "right")) - 1
            stream = kind.stream + int(order[b - edges[j]]) * len(kind.of) + m
            crossed.setdefault(stream, (int(event[b]), float(path[b, m])))

    def _recall(
        self, kind: _Kind, streams: slice, values: Floats, here: NDArray[np.bool_] | None, count: Ints, position: Ints, rank: Ints
    ) -> None:
        """Recent means of the slices of one kind."""
        fade = FADES[np.repeat(count, count) - 1 - rank]
        seen = count > 0
        starts = (np.cumsum(count) - count)[seen]

        def summed(of: Any) -> Floats:
            sums = np.zeros((kind.slices, len(kind.measure)))
            sums[seen] = np.add.reduceat(np.take(of, position, axis=0) * fade[:, None], starts)
            return sums[:, kind.of].ravel()

        known = np.repeat(FADED[count], len(kind.of)) if here is None else summed(here)
        self._remember(kind, streams, summed(values), known, np.repeat(FADES[count], len(kind.of)))

    def _remember(self, kind: _Kind, streams: slice, total: Floats, known: Floats, old: Any) -> None:
        """Recent means: sums that fade, of each measure, from which those of streams that look down follow."""
        down = np.tile(kind.down, kind.slices)
        self.total[streams] = self.total[streams] * old + np.where(down, known - total, total)
        self.count[streams] = self.count[streams] * old + known


def _known(x: Floats, kind: _Kind) -> tuple[Floats, NDArray[np.bool_] | None]:
    """(n, measures) of this kind, 0 where there is no value; and where there is one, None where there is one everywhere."""
    values = x if len(kind.measure) == x.shape[1] else x[:, kind.measure]
    missing = np.isnan(values)
    return (np.where(missing, 0.0, values), ~missing) if missing.any() else (values, None)


@dataclass(frozen=True)
class _Kind:
    """Slices that follow each other and have the same measures in the same directions."""

    first: int  # slice
    slices: int
    stream: int  # the first
    measure: Ints  # those that are looked at, each once
    of: Ints  # (streams of a slice,) place in `measure`
    down: NDArray[np.bool_]


def _kinds(streams: Streams, slices: int) -> list[_Kind]:
    """All traffic first and by itself, then the others."""
    edges = np.searchsorted(streams.slice, np.arange(slices + 1))
    found: list[_Kind] = []
    for s in range(slices):
        part = slice(int(edges[s]), int(edges[s + 1]))
        (measure, of), down = np.unique(streams.measure[part], return_inverse=True), ~streams.up[part]
        like = found[-1] if s > 1 and found else None
        if (
            like is not None
            and np.array_equal(like.measure[like.of], streams.measure[part])
            and np.array_equal(like.down, down)
            and np.array_equal(streams.weight[part], streams.weight[like.stream : like.stream + len(down)])
        ):
            found[-1] = replace(like, slices=like.slices + 1)
        elif len(down):
            found.append(_Kind(s, 1, part.start, measure, of, down))
    return found
