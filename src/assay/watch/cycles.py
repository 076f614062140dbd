"""Series that repeat: how far a value is from what its time of day, its weekday and the values before it let one expect.

A number that follows the day (load, requests an hour, a temperature) has no mean that stays. Its *departure* has: the value less the
profile of its cycle, less what the last values and the same time yesterday foretell, in units of what is usual at that hour. Two
scales are looked at: single values, and means over an eighth of a day, in which a weak change that lasts is not lost in noise. What a
forecast learns from a departure is limited (Gelper, Fried and Croux 2010, "Robust forecasting with exponential and Holt-Winters
smoothing"): an outage does not become what is expected at its second value.

A departure counts by how far it is: beyond nine of ten departures of the period that the forecast was learnt from, beyond 99 of 100, and
so on, as far as that period can tell. Large departures come in clusters, even where nothing is wrong. So these rates are bounded twice, for
values after calm and for values after a departure, and where spells of large noise outlast that, as the trusted period shows, what is usual
grows with the departures of lately (by no more than the first tail). Each bound comes from the part of the trusted period that the forecast
has never seen, and is widened by its error. A value counts in units of the bound of its own state.

Assumption, on which the run length rests: while nothing changes, the chance of a departure, given all that came before, is at most
the bound of the state (calm or not) that the series is in. Forecast and scale may be wrong: that makes departures frequent in the
trusted period too, and the detector slow, and no false alarms. Who states a law of the tails assumes that too.

What it cannot see: one value, however far out, since no period of a few hundred values can say how rare it is, unless a law is stated; a
new level, once the forecast has come up with it; a series whose cycle is neither a day nor a week (it is then forecast from the values
before alone).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from assay.dataset.errors import DataError
from assay.stats.sequential import lower_bound
from assay.watch.memory import Clock, Memory, Track, near_steps

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY, WEEK, HOUR = 86_400.0, 604_800.0, 3600.0  # seconds
BINS = 96  # of a day's profile at most: a quarter of an hour
PARTS = 8  # of a day: the wider of the two scales, three hours, within which a profile is nearly level
CYCLES = 2  # days, or weeks, of the first half that a profile needs: with one, nothing says whether it repeats
WITH_YESTERDAY = 3.0  # days of the first half from which on yesterday's value is among the regressors: two pairs to learn it from
TAILS = (0.1, 0.01, 0.001)  # how rare a departure is to count more: ten times as much for each
DEEPEST = 5  # tails where a law says how rare they are: beyond 0.00001 a score's bound would lie below `stats.sequential.SMALLEST`
KNOWN = 5  # departures of the first half beyond a tail, or it is not used: with fewer nobody knows where it begins
LATELY = (
    0.1  # of a departure enters what is usual lately: ten values, for spells of larger noise are no shorter; quicker ones are the states'
)
CALM = 3  # values without a departure make calm: clusters of a forecast from two values before are over by then
SPELLS = 0.1  # probability that a series without spells of larger noise is taken for one with them: it is only slower then
FEWEST = 30  # departures after calm from which spells can be told; with fewer there may be some
SHRINK = 1.0  # cycles' worth of the plainer profile in the finer one: with two weeks, two thirds are theirs
STEADY = 10.0  # values' worth of the common scale in an hour's
FOLDS = 30  # groups of days that are left out in turn: what a longer period would add to this, it does not need
REGULAR = 0.9  # of the values lie on a grid of equal steps, or this is no series
MOST_STEPS = 1440  # of a day: finer ones are to be brought together, for what is remembered is a day of them


@dataclass(frozen=True)
class Scale:
    """Forecasts of means over `width` steps: `weights` of the mean before, the one before that, and (where there are three) yesterday's;
    `usual` (24,) size of a departure by the hour; `far` (tails,) in these units; `limit` (2,) above the mean score after calm, and after
    a departure. With a `law` of the tails only the last tail that the period can tell counts, and those beyond (`further`)."""

    width: int
    weights: tuple[float, ...]
    usual: tuple[float, ...]
    far: tuple[float, ...]
    limit: tuple[float, float] = (1.0, 1.0)
    law: float | None = None
    further: int = 0
    spells: bool = False  # whether what is usual grows with the departures of lately

    @property
    def worth(self) -> Floats:
        """(tails + 1,) score of a departure beyond so many tails, from 0 to 1."""
        share = 10.0 ** np.arange(1, len(self.far) + 1)
        if self.law is not None:
            share[: len(self.far) - self.further - 1] = 0.0
        return np.concatenate(([0.0], np.cumsum(share) / share.sum()))

    def counted(self, tails: Ints, state: Ints) -> Floats:
        """(n,) scores in units in which both states have the bound min(limit); NaN where `tails` is -1, not judged."""
        scaled = self.worth[tails] * (min(self.limit) / np.array(self.limit))[state]
        return np.where(tails < 0, np.nan, scaled)

    def bounded(self, tails: Ints, state: Ints, miss: float) -> Scale:
        """The same with limits from values that its forecast has not seen: each wrong with probability at most miss / 2.

        With a law, s times as far as the last tail is taken to be s ** law times as rare.
        """
        seen = len(self.far)
        further = () if self.law is None else tuple(self.far[-1] * 10 ** (i / self.law) for i in range(1, DEEPEST - seen + 1))
        made, found = replace(self, far=(*self.far, *further), further=len(further)), []
        for which in (0, 1):
            judged = tails[(tails >= 0) & (state == which)]
            rates = [1 - lower_bound((judged <= k) * 1.0, miss / 2 / seen) for k in range(seen)]
            rates += [rates[-1] * 0.1**i for i in range(1, len(further) + 1)]
            found.append(float(np.diff(made.worth) @ rates))
        return replace(made, limit=(found[0], found[1]))


@dataclass(frozen=True)
class Cycle:
    """A feature that repeats. `profile` (bins,) of a day or a week, one bin where nothing repeats; `memory` of the trusted period's end."""

    name: str
    step: float  # seconds
    offset: float  # seconds: times are offset + step * a whole number
    span: float  # seconds of the cycle
    profile: Floats
    scales: tuple[Scale, ...]
    memory: Memory

    @property
    def steps(self) -> int:
        """Steps of a day."""
        return _steps(self.step)

    def said(self) -> list[str]:
        """What each scale counts, in words."""
        found = []
        for scale in self.scales:
            what = self.name if scale.width == 1 else f"the mean of {self.name} over {_duration(scale.width * self.step)}"
            found.append(f"the rate of {'departures' if scale.law is None else 'far departures'} of {what} from its cycle")
        return found

    def deviation(self, step: Ints, value: Floats) -> Floats:
        """Values less the profile."""
        time = np.asarray(self.offset + step * self.step, np.float64)
        return value - self.profile[_bin(time, self.span, len(self.profile))]

    def follow(self, time: Floats, value: Floats, memory: Memory) -> tuple[Floats, Memory]:
        """(n, scales) scores of n values in order of arrival, and what is to be remembered.

        NaN for values that are not judged: those without a time, at a time that is not taken (`Clock`), not the last of their stretch, or
        without enough before them.
        """
        tails, state, memory = self.judge(time, value, memory)
        return np.stack([s.counted(tails[:, k], state[:, k]) for k, s in enumerate(self.scales)], axis=1), memory

    def judge(self, time: Floats, value: Floats, memory: Memory) -> tuple[Ints, Ints, Memory]:
        """(n, scales) how many tails each departure is beyond, -1 where none was judged; (n, scales) 0 after calm, 1 after a departure."""
        tails, state = (np.full((len(value), len(self.scales)), fill, np.int64) for fill in (-1, 0))
        here = np.flatnonzero(np.isfinite(time) & np.isfinite(value))
        step = np.round((time[here] - self.offset) / self.step).astype(np.int64)
        taken = np.zeros(len(here), bool)
        clock, near = memory.clock, near_steps(self.step)
        for i, at in enumerate(step.tolist()):
            taken[i], clock = clock.at(at, near, self.steps)
        here, step = here[taken], step[taken]
        deviation = self.deviation(step, value[here])
        tracks = []
        for k, (scale, packed) in enumerate(zip(self.scales, memory.tracks, strict=True)):
            track = Track.of(packed)
            for row, at, left in zip(here.tolist(), step.tolist(), deviation.tolist(), strict=True):
                found = _advance(self, scale, track, at, left)
                if found is not None:
                    size, was = found
                    tails[row, k], state[row, k] = sum(size > far for far in scale.far), was
            tracks.append(tuple(track.packed()))
        return tails, state, Memory(clock, tuple(tracks))

    def to_json(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "cycle": self.name,
            "step": self.step,
            "offset": self.offset,
            "span": self.span,
            "profile": self.profile.tolist(),
            "scales": [
                [s.width, s.spells, *map(list, (s.weights, s.usual, s.far, s.limit, *([] if s.law is None else [(s.law, s.further)])))]
                for s in self.scales
            ],
            "memory": [None if np.isnan(v) else v for v in self.memory.packed().tolist()],
        }

    @classmethod
    def from_json(cls, data: Any) -> Cycle:
        """The inverse of `to_json`."""
        scales = []
        if any(len(scale) < 6 or not isinstance(scale[1], bool) for scale in data["scales"]):
            raise DataError(
                "a cycle of an earlier version", column=str(data["cycle"]), remedy="make the baseline again with assay watch init"
            )
        for width, spells, *rest in data["scales"]:
            weights, usual, far, limit, *law = (tuple(float(v) for v in part) for part in rest)
            plain = Scale(int(width), weights, usual, far, (limit[0], limit[1]), spells=bool(spells))
            scales.append(replace(plain, law=law[0][0], further=int(law[0][1])) if law else plain)
        memory = Memory.of(np.array([np.nan if v is None else v for v in data["memory"]], float))
        step, offset, span = (float(data[name]) for name in ("step", "offset", "span"))
        return cls(str(data["cycle"]), step, offset, span, np.array(data["profile"], float), tuple(scales), memory)


def _advance(cycle: Cycle, scale: Scale, track: Track, step: int, left: float) -> tuple[float, int] | None:
    """Take one deviation; (size of the departure, 0 or 1 for the state before it) where it ends a stretch that was foretold."""
    at = step // scale.width
    if not 0 <= at - track.at <= len(track.means):  # nothing that is remembered is near
        track.means.extend([np.nan] * len(track.means))
        track.at, track.total, track.count, track.calm, track.lately = at, 0.0, 0, 0, 1.0
    while track.at < at:
        _close(cycle, scale, track)
    track.total += left
    track.count += 1
    return _close(cycle, scale, track) if (step + 1) % scale.width == 0 else None


def _close(cycle: Cycle, scale: Scale, track: Track) -> tuple[float, int] | None:
    """End a stretch: judge its mean where half of it is known, and let the forecast learn from it, within limits."""
    means, day = track.means, cycle.steps // scale.width
    foretold = sum(weight * means[-back] for weight, back in zip(scale.weights, (1, 2, day), strict=False))
    mean = track.total / track.count if 2 * track.count >= scale.width else np.nan
    found = None
    if np.isnan(foretold):
        means.append(mean)
    elif np.isnan(mean):
        means.append(foretold)
    else:
        hour = int((cycle.offset + ((track.at + 1) * scale.width - 1) * cycle.step) % DAY // HOUR)
        unit = scale.usual[hour] * (max(1.0, track.lately) if scale.spells else 1.0)
        size = abs(mean - foretold) / unit
        most = scale.far[0] * scale.usual[hour]
        means.append(foretold + min(max(mean - foretold, -most), most))
        found = size, int(track.calm < CALM)
        track.lately += LATELY * (min(abs(mean - foretold) / scale.usual[hour], scale.far[0]) - track.lately)
        track.calm = 0 if size > scale.far[0] else min(track.calm + 1, CALM)
    track.at, track.total, track.count = track.at + 1, 0.0, 0
    return found


def fit(name: str, time: Floats, value: Floats, law: float | None = None) -> Cycle:
    """The cycle of a trusted series, learnt from all that is given; its limits come from what follows (`Scale.bounded`). With a `law` of
    the tails each scale is there twice: all departures, and the far ones.

    Which profile (none, a day's, a week's) is decided by which foretells days that it has not seen best. Raises DataError where it is no
    series of equal steps.
    """
    here = np.isfinite(time) & np.isfinite(value)
    time, value = time[here], value[here]
    gaps = np.diff(time)
    if len(gaps) < 2 or not (gaps > 0).any():
        raise DataError("a series that repeats has a time for each value", column=name, remedy="give times, or name it as a feature")
    step = float(np.median(gaps[gaps > 0]))
    offset = float(time[0] % step)
    off = np.abs((time - offset) / step - np.round((time - offset) / step))
    if (gaps > 0).mean() < REGULAR or (off < 0.25).mean() < REGULAR:
        raise DataError(
            "values do not come in order and at equal steps", column=name, remedy="give one value a step (the mean of an hour, say)"
        )
    if _steps(step) > MOST_STEPS:
        raise DataError(f"a value every {step:g} seconds", column=name, remedy="give one a minute at most: its mean")
    at, once = np.unique(np.round((time - offset) / step).astype(np.int64), return_index=True)
    apart = np.diff(at, prepend=at[0] - near_steps(step) - 1, append=at[-1] + near_steps(step) + 1) > near_steps(step)
    alone = apart[1:] & apart[:-1]  # a clock that jumped, and no part of the series
    at, once = at[~alone], once[~alone]
    time, value = np.asarray(at * step + offset, np.float64), value[once]
    days = (time[-1] - time[0] + step) / DAY
    bins = min(BINS, _steps(step))
    spans = [(0.0, 1)]
    spans += [(DAY, bins)] if days >= CYCLES else []
    spans += [(WEEK, 7 * bins)] if days >= CYCLES * 7 else []
    unseen = [_left_out(time, value, span, n) for span, n in spans]
    best = int(np.argmin([np.abs(d).mean() for d in unseen]))
    span, n = spans[best]
    steps = _steps(step)
    widths = sorted({1, max(w for w in range(1, max(1, steps // PARTS) + 1) if steps % w == 0)})
    cycle = Cycle(name, step, offset, span, _profile(time, value, span, n), (), Memory(Clock(int(at[0]) - 1), ()))
    scales = tuple(_scale(cycle, at, unseen[best], width, 3 if days >= WITH_YESTERDAY else 2) for width in widths)
    scales += () if law is None else tuple(replace(scale, law=law) for scale in scales)
    tracks = tuple(tuple(_track(cycle, scale.width, int(at[0])).packed()) for scale in scales)
    cycle = replace(cycle, scales=scales, memory=replace(cycle.memory, tracks=tracks))
    return replace(cycle, memory=cycle.judge(time, value, cycle.memory)[2])


def _scale(cycle: Cycle, at: Ints, left: Floats, width: int, n: int) -> Scale:
    """Learn to foretell, what is usual at each hour, and what is far."""
    grid = np.full((int(at[-1]) // width - int(at[0]) // width + 1) * width, np.nan)
    grid[at - int(at[0]) // width * width] = left
    parts = grid.reshape(-1, width)
    known = ~np.isnan(parts)
    with np.errstate(invalid="ignore"):
        means = np.where(known, parts, 0.0).sum(axis=1) / np.where(2 * known.sum(axis=1) >= width, known.sum(axis=1), np.nan)
    before = np.full((len(means), n), np.nan)
    for column, back in enumerate((1, 2, cycle.steps // width)[:n]):
        before[back:, column] = means[:-back]
    here = ~np.isnan(before).any(axis=1) & ~np.isnan(means)
    weights = np.zeros(n)
    if here.sum() > 2 * n:
        weights = np.linalg.lstsq(before[here], means[here], rcond=None)[0]
    plain = Scale(width, tuple(weights.tolist()), (1.0,) * 24, (np.inf,))
    scale = _settled(cycle, plain, at, left)
    return _settled(cycle, replace(plain, spells=True), at, left) if _spells(cycle, scale, at, left) else scale


def _settled(cycle: Cycle, plain: Scale, at: Ints, left: Floats) -> Scale:
    """With what is usual and far, measured twice: what is learnt from a departure is limited then, which makes departures larger."""
    scale = _measured(plain, *_sizes(cycle, plain, at, left))
    return _measured(scale, *_sizes(cycle, scale, at, left))


def _spells(cycle: Cycle, scale: Scale, at: Ints, left: Floats) -> bool:
    """Whether departures come in spells that outlast the states: whether those after calm are larger where they were larger lately."""
    track, lately, sizes = _track(cycle, scale.width, int(at[0])), [], []
    for step, one in zip(at.tolist(), left.tolist(), strict=True):
        before = track.lately
        found = _advance(cycle, scale, track, step, one)
        if found is not None and found[1] == 0:
            lately.append(before)
            sizes.append(found[0])
    return len(sizes) < FEWEST or bool(spearmanr(lately, sizes, alternative="greater").pvalue < SPELLS)


def _sizes(cycle: Cycle, scale: Scale, at: Ints, left: Floats) -> tuple[Floats, Ints]:
    """Departures of a series from the forecast, and the hour of each."""
    track, sizes, hours = _track(cycle, scale.width, int(at[0])), [], []
    for step, one in zip(at.tolist(), left.tolist(), strict=True):
        found = _advance(cycle, scale, track, step, one)
        if found is not None:
            hours.append(int((cycle.offset + step * cycle.step) % DAY // HOUR))
            sizes.append(found[0] * scale.usual[hours[-1]])
    return np.array(sizes), np.array(hours, np.int64)


def _measured(scale: Scale, left: Floats, hour: Ints) -> Scale:
    """What is usual, and far, of departures `left` at each `hour`."""
    common = (float(left.mean()) if len(left) else 0.0) or 1.0  # a series that never departs: whatever does, is far
    usual = (np.bincount(hour, left, 24) + STEADY * common) / (np.bincount(hour, minlength=24) + STEADY)
    tails = [t for t in TAILS if t * len(left) >= KNOWN] or [TAILS[0]]
    far = np.quantile(left / usual[hour], 1 - np.array(tails)) if len(left) else np.ones(1)
    return replace(scale, usual=tuple(usual.tolist()), far=tuple(far.tolist()))


def _track(cycle: Cycle, width: int, first: int) -> Track:
    """Before the first value."""
    kept = cycle.steps // width + 2
    return Track(deque([np.nan] * kept, kept), first // width)


def _profile(time: Floats, value: Floats, span: float, bins: int) -> Floats:
    """(bins,) means at each time of the cycle, drawn towards the plainer cycle where there are few."""
    if span == 0:
        return np.array([value.mean()])
    plain = np.full(bins, value.mean()) if span == DAY else np.tile(_profile(time, value, DAY, bins // 7), 7)
    which = _bin(time, span, bins)
    length = span / bins
    a_bin = max(1.0, len(time) * length / max(time[-1] - time[0] + length, length))  # values that one cycle has in a bin
    count = np.bincount(which, minlength=bins) / a_bin
    return (np.bincount(which, value, minlength=bins) / a_bin + SHRINK * plain) / (count + SHRINK)


def _left_out(time: Floats, value: Floats, span: float, bins: int) -> Floats:
    """Each value less the profile that is learnt from the other days."""
    day = (time // DAY).astype(np.int64)
    names, number = np.unique(day, return_inverse=True)
    if len(names) < 2:
        return value - _profile(time, value, span, bins)[_bin(time, span, bins)]
    out = np.empty(len(value))
    for fold in range(min(FOLDS, len(names))):
        own = number % FOLDS == fold
        out[own] = value[own] - _profile(time[~own], value[~own], span, bins)[_bin(time[own], span, bins)]
    return out


def _bin(time: Floats, span: float, bins: int) -> Ints:
    if span == 0:
        return np.zeros(len(time), np.int64)
    return np.minimum((time % span / span * bins).astype(np.int64), bins - 1)


def _steps(step: float) -> int:
    return max(1, round(DAY / step))


def _duration(seconds: float) -> str:
    """In the unit that a person would take.

    >>> _duration(10800.0), _duration(900.0)
    ('3 hours', '15 minutes')
    """
    return f"{seconds / HOUR:g} hours" if seconds >= HOUR else f"{seconds / 60:g} minutes"
