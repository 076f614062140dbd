"""The baseline: what a trusted period looked like, with how little is known of it.

A fixed sample is not the truth. Tests that take it for the truth raise false alarms however strict they are (measured: 27 % where 5 % was
promised, with 200 values). Here every bound of a mean is widened until it is wrong, over all streams together, with probability at most
`miss`; the run length holds whenever no bound is wrong. Events of the period are taken as independent of each other; where neighbours
resemble each other, give `block`, and means of so many neighbours are taken for one value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.stats.sequential import lower_bound
from assay.watch.checks import check_named
from assay.watch.detectors import Alarm, Detectors
from assay.watch.estimate import calibrate
from assay.watch.events import Batch, kept_batch, read_batch, table_of
from assay.watch.fields import Fields
from assay.watch.measures import ERROR, ESTIMATED, Measure, Measures, fit
from assay.watch.slices import Slices, divide
from assay.watch.streams import YEAR, Streams, in_words, lay_out

Floats = NDArray[np.float64]

VERSION = "assay.watch.baseline/1"
SMALLEST_PERIOD = 300  # predictions: a third of them is what a period is checked with
RUN_LENGTH = 1_000_000  # predictions to a false alarm, where no times say how many there are in a year
MISS = 0.01  # probability that any bound of the baseline is wrong
OUTERMOST = 100  # one time in so many, at either end, is left out of the rate of predictions
REFUSE = 0.01  # probability that a period in which nothing changes is refused


@dataclass(frozen=True)
class Baseline:
    """What is watched, and the bound of every stream."""

    fields: Fields
    measures: Measures
    slices: Slices
    bound: Floats  # (streams,) above the mean of x, or of 1 - x for streams that look down
    mean: Floats  # (streams,) of the measure in the period
    rows: int  # predictions in the period
    run_length: float
    miss: float
    block: int
    per_second: float | None  # predictions, where times are known
    tail: float | None = None  # the law that departures of cycles are taken to follow; see `learn`

    @cached_property
    def streams(self) -> Streams:
        """Every stream, in the order of `bound`."""
        return lay_out(self.measures.all, self.slices)

    def detectors(self) -> Detectors:
        """New detectors, from nothing."""
        return Detectors(self.streams, self.slices, self.bound, self.run_length)

    def measure(self, stream: int) -> Measure:
        """What this stream measures."""
        return self.measures.all[int(self.streams.measure[stream])]

    def name(self, stream: int) -> str:
        """In words: "the rate of errors, country = de, rising"."""
        streams = self.streams
        return (
            f"{self.measure(stream).name}, {self.slices.name(int(streams.slice[stream]))}, {'rising' if streams.up[stream] else 'falling'}"
        )

    def promise(self) -> str:
        """The budget in words, with what it rests on."""
        return (
            f"{in_words(self.run_length, self.per_second)}; for {len(self.bound):,} streams together, "
            f"with probability {1 - self.miss:.0%} over the {self.rows:,} predictions of the trusted period"
            + ("" if self.tail is None else f", and if departures s times as far as it can tell are s**{self.tail:g} times as rare")
        )

    def to_json(self) -> dict[str, Any]:
        """JSON types only, with the digest of all the rest."""
        data: dict[str, Any] = {
            "schema": VERSION,
            "fields": self.fields.to_json(),
            "measures": self.measures.to_json(),
            "slices": self.slices.to_json(),
            "bound": self.bound.tolist(),
            "mean": [None if np.isnan(v) else v for v in self.mean.tolist()],
            "rows": self.rows,
            "run_length": self.run_length,
            "miss": self.miss,
            "block": self.block,
            "per_second": self.per_second,
        }
        if self.tail is not None:  # baselines that were made before keep their digest
            data["tail"] = self.tail
        return {**data, "digest": _digest(data)}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the rest: what a signature is put under."""
        return str(self.to_json()["digest"])

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """The baseline in a file. Raises DataError where it is none."""
        try:
            said = json.loads(path.read_bytes())
            if not isinstance(said, dict):
                raise TypeError("no object")
            made = cls.from_json(said, path)
            if not made.bound.shape == made.mean.shape == (len(made.streams),):
                raise ValueError(f"{made.bound.shape} bounds and {made.mean.shape} means for {len(made.streams)} streams")
            return made
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
            raise DataError(
                f"is no baseline ({type(error).__name__}: {error})", path=path, remedy="bring it back from a copy, or assay watch init"
            ) from error

    @classmethod
    def from_json(cls, data: Mapping[str, Any], path: Path | None = None) -> Baseline:
        """The inverse of `to_json`. Raises DataError where the version is another, or the digest is not that of the content."""
        if data.get("schema") != VERSION:
            raise DataError(f"not a baseline of version {VERSION}", path=path, remedy="make it again with assay watch init")
        rest = {name: v for name, v in data.items() if name != "digest"}
        if _digest(rest) != data.get("digest"):
            raise DataError("the baseline is not what its digest says: it was changed", path=path, remedy="bring it back from a copy")
        return cls(
            Fields.from_json(data["fields"]),
            Measures.from_json(data["measures"]),
            Slices.from_json(data["slices"]),
            np.array(data["bound"], float),
            np.array(data["mean"], float),
            int(data["rows"]),
            float(data["run_length"]),
            float(data["miss"]),
            int(data["block"]),
            data["per_second"],
            data.get("tail"),
        )


def _digest(data: Mapping[str, Any]) -> str:
    return sha256(json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()


class Unfit(DataError):
    """The trusted period changes within itself: nothing can be learnt from it."""


def learn(
    events: Any,
    fields: Fields,
    *,
    run_length: float | None = None,
    alarms_a_year: float = 1.0,
    miss: float = MISS,
    block: int = 1,
    pairs: bool = True,
    find: bool = True,
    tail: float | None = None,
) -> Baseline:
    """The baseline of a trusted period, labels included where they are known.

    `run_length` in predictions; where it is not given, it is that of `alarms_a_year` false alarms at the rate of the period, or
    RUN_LENGTH where the events have no times. Raises DataError where the period is too short or lacks a named column, and Unfit
    where it changes within itself: its last third is watched with the first two as baseline. With `find`, features too divide the
    traffic (their values, or quarters of a number's range), and with `pairs` every usual pair of values is a slice. With `tail`, the
    promise rests on a law too, and far departures of cycles are watched by themselves: one that is s times as far as any that the period
    can tell is s ** tail times as rare.
    """
    table = table_of(events)
    check_named(table, fields)
    batch = read_batch(table, fields)
    predictions = np.flatnonzero([p is not None for p in batch.prediction])
    if len(predictions) < SMALLEST_PERIOD:
        raise DataError(
            f"the trusted period holds {len(predictions)} predictions; {SMALLEST_PERIOD} are the least", remedy="give a longer one"
        )
    if len(predictions) < len(batch):
        raise DataError("the trusted period holds late labels", remedy="give each prediction with its label on one record")
    third = len(batch) // 3
    first = _learn(_part(batch, 0, 2 * third, fields), fields, 1.0, miss, block, pairs, find, tail)
    rest = _part(batch, 2 * third, len(batch), fields)
    checked = Detectors(first.streams, first.slices, first.bound, len(rest) / REFUSE)
    x = first.measures.encode(rest)
    first.measures.follow(x, rest, first.measures.memories())
    alarms = checked.update(x, first.slices.codes(rest), np.ones(len(rest), np.int64))
    if alarms:
        raise Unfit(_unfit(first, alarms, 2 * third), remedy="give a period in which nothing changed, or block= where neighbours are alike")
    per_second = _rate(batch.time)
    length = run_length or (per_second * YEAR / alarms_a_year if per_second else RUN_LENGTH)
    return _learn(batch, fields, length, miss, block, pairs, find, tail, per_second)


def _learn(
    batch: Batch,
    fields: Fields,
    run_length: float,
    miss: float,
    block: int,
    pairs: bool,
    find: bool,
    tail: float | None,
    per_second: float | None = None,
) -> Baseline:
    half = len(batch) // 2
    measures = fit(_part(batch, 0, half, fields), fields, tail)
    if measures.labelled and measures.confident:
        wrong = measures.outcome(batch.prediction, batch.label, batch.confidence)[:, 0]
        measures = replace(measures, estimate=calibrate(batch.confidence, wrong, miss / 2))
    miss = miss if measures.estimate is None else miss / 2
    slices = divide(batch, fields.slices, fields.features if find else (), pairs=pairs)
    names = measures.all
    streams = lay_out(names, slices)
    x, codes = measures.encode(batch), slices.codes(batch)
    fresh = measures.memories()  # of the first half's end
    unseen = _part(batch, half, len(batch), fields)
    measures = measures.bounded(unseen, {names[m].name: miss * float(w) for m, w in zip(streams.measure, streams.weight, strict=True)})
    names = measures.all
    measures.follow(x[half:], unseen, fresh)
    fitted = np.array([m.family == "inputs" for m in measures.all])
    x[:half, fitted] = np.nan  # what was fitted on the first half is measured on the second
    rows = dict(slices.members(codes))
    bound, mean = np.ones(len(streams)), np.full(len(streams), np.nan)
    for k in range(len(streams)):
        # What the confidence means is held against the rate of errors itself.
        measure = names.index(ERROR) if names[streams.measure[k]] == ESTIMATED else streams.measure[k]
        values = x[rows[int(streams.slice[k])], measure]
        values = values[~np.isnan(values)]
        if len(values):
            mean[k] = values.mean()
        if (limit := names[int(streams.measure[k])].limit) is not None:
            bound[k] = limit
            continue
        # 1 minus a bound below the mean of the complement is a bound above the mean
        values = _blocks(values if streams.up[k] else 1 - values, block)
        bound[k] = 1 - lower_bound(1 - values, miss * float(streams.weight[k]))
    total = miss if measures.estimate is None else 2 * miss
    return Baseline(fields, measures, slices, bound, mean, len(batch), float(run_length), total, block, per_second, tail)


def _rate(time: Floats) -> float | None:
    """Events a second, from the times but the outermost of them: one that is dated ahead does not make the rate; None where no time passes.

    >>> _rate(np.array([*range(99), 1e9]))
    1.0
    """
    known = np.sort(time[~np.isnan(time)])
    beyond = -(-len(known) // OUTERMOST)
    inner = known[beyond : len(known) - beyond]
    span = float(inner[-1] - inner[0]) if len(inner) else 0.0
    return (len(inner) - 1) / span * len(time) / len(known) if span > 0 else None


def _blocks(values: Floats, block: int) -> Floats:
    if block == 1:
        return values
    whole = len(values) // block * block
    return np.asarray(values[:whole].reshape(-1, block).mean(axis=1))


def _part(batch: Batch, start: int, stop: int, fields: Fields) -> Batch:
    return kept_batch(batch.table.slice(start, stop - start), fields)


def _unfit(baseline: Baseline, alarms: list[Alarm], start: int) -> str:
    worst = max(alarms, key=lambda a: a.strength)
    return (
        f"the trusted period changes within itself: {baseline.name(worst.stream)} from {baseline.mean[worst.stream]:.3g} to "
        f"{worst.recent:.3g} at prediction {start + worst.clock:,}" + (f", and {len(alarms) - 1} more" if len(alarms) > 1 else "")
    )
