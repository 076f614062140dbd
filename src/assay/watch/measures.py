"""Measures: every event as numbers in [0, 1], NaN where it has none. A detector watches the mean of one measure.

A feature is measured against values of the trusted period: by its rank among them (its place), by how far that is from the middle (its
spread), and by how often it is missing; a feature of few values, by the rate of each; one that repeats, by its departures from what is
foretold (`assay.watch.cycles`). An embedding is measured along the main directions
of the period and by what is left over. What measures fix is fitted on one half of the trusted period, and their means are taken
from the other, so that no value is measured against itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.watch import cycles
from assay.watch.beside import MANY, beside
from assay.watch.checks import check_flat, check_vectors
from assay.watch.cycles import Cycle
from assay.watch.estimate import Estimate
from assay.watch.events import Batch, coded, numbers, words
from assay.watch.fields import Fields
from assay.watch.memory import Memory

Floats = NDArray[np.float64]
Family = Literal["performance", "confidence", "decisions", "inputs"]

KNOTS = 513  # of the period's values that ranks are taken among: a step of 0.2 %, far below any interval of a mean
CELLS = 4096  # of the grid in which a value's place among the knots is looked up
DEEP = 8  # knots of a cell up to which the grid is quicker than a search
FEW = 12  # different values up to which a feature of whole numbers is one of kinds
MOST_CLASSES = 50  # whose rates are watched; rarer ones are watched together
MOST_VALUES = 8  # of a feature of kinds; rarer ones together
DIRECTIONS = 4  # of an embedding
OTHER = "any other"


@dataclass(frozen=True)
class Measure:
    """One number of an event, and which way its mean may move that matters."""

    name: str  # in words, as the subject of "rose": "the rate of errors"
    family: Family
    up: bool = True
    down: bool = True
    limit: float | None = None  # a bound of the mean that is known already


ERROR = Measure("the rate of errors", "performance", down=False)
CALIBRATION = Measure("confidence against correctness", "performance")
CONFIDENCE = Measure("the mean confidence", "confidence")
ESTIMATED = Measure("the least rate of errors that the confidence means", "confidence", down=False)


@dataclass(frozen=True)
class Number:
    """A numeric feature: `knots` are values of the period, sorted."""

    name: str
    knots: Floats

    def measures(self) -> list[Measure]:
        return [
            Measure(f"the place of {self.name}", "inputs"),
            Measure(f"the spread of {self.name}", "inputs"),
            Measure(f"the rate of missing {self.name}", "inputs", down=False),
        ]

    def encode(self, values: Floats) -> Floats:
        """(n, 3) of (n,) values."""
        out, missing = np.empty((3, len(values))).T, np.isnan(values)  # each column along the memory
        some = bool(missing.any())
        known = np.where(missing, self.knots[0], values) if some else values
        below = self._below(known)
        np.divide(below, len(self.knots), out=out[:, 0])
        tied = np.flatnonzero(self._padded.take(below) == known)
        if len(tied):
            out[tied, 0] = (below[tied] + np.searchsorted(self.knots, known[tied], "right")) / (2 * len(self.knots))
        if some:
            out[missing, 0] = np.nan
        np.abs(2 * out[:, 0] - 1, out=out[:, 1])
        out[:, 2] = missing
        return out

    def _below(self, values: Floats) -> NDArray[np.int64]:
        """(n,) how many knots are below each known value: `np.searchsorted`, several times quicker where knots are spread over their range.

        A value's cell in an even grid says which knots are below it, but for those of its own cell, which are counted one by one.
        """
        cells, depth, low, scale = self._grid
        if depth > DEEP:
            return np.searchsorted(self.knots, values, "left")
        with np.errstate(over="ignore"):
            at = (values - low) * scale
        np.clip(at, 0, CELLS - 1, out=at)
        below = cells.take(at.astype(np.int64))
        for _ in range(depth):
            below += self._padded.take(below) < values
        return below

    @cached_property
    def _padded(self) -> Floats:
        return np.append(self.knots, np.inf)

    @cached_property
    def _grid(self) -> tuple[NDArray[np.int64], int, float, float]:
        """(knots below each cell, most knots of a cell, where the grid begins, cells a unit)."""
        low, high = float(self.knots[0]), float(self.knots[-1])
        if not np.finfo(float).tiny * CELLS < high - low < np.inf:  # one knot, or no even grid in these numbers
            return np.zeros(CELLS, np.int64), len(self.knots) + DEEP, low, 0.0
        scale = CELLS / (high - low)
        held = np.bincount(np.minimum((self.knots - low) * scale, CELLS - 1).astype(np.int64), minlength=CELLS)
        return np.cumsum(held) - held, int(held.max()), low, scale


@dataclass(frozen=True)
class Kinds:
    """A feature of few values: the rate of each of `values`, and of any other."""

    name: str
    values: tuple[str, ...]
    family: Family = "inputs"

    def measures(self) -> list[Measure]:
        named = [Measure(f"the rate of {self.name} = {value}", self.family) for value in self.values]
        return [*named, Measure(f"the rate of {OTHER} {self.name}", self.family, down=False)]

    def encode(self, column: pa.Array) -> Floats:
        """(n, values + 1); a missing value is any other."""
        out = np.zeros((len(column), len(self.values) + 1))
        out[np.arange(len(column)), coded(column, self.values, len(self.values))] = 1.0
        return out


@dataclass(frozen=True)
class Embedding:
    """A feature that is a vector: `centre` (d,), `axes` (r, d), and a `Number` for each axis and for what is left over."""

    name: str
    centre: Floats
    axes: Floats
    along: tuple[Number, ...]

    def measures(self) -> list[Measure]:
        return [m for number in self.along for m in number.measures()[:2]]

    def encode(self, vectors: Floats) -> Floats:
        """(n, 2 (r + 1)) of vectors (n, d)."""
        return np.concatenate(
            [n.encode(v)[:, :2] for n, v in zip(self.along, _along(vectors, self.centre, self.axes).T, strict=True)], axis=1
        )


@dataclass(frozen=True)
class Repeating:
    """A feature that repeats by the day or the week."""

    cycle: Cycle

    @property
    def name(self) -> str:
        """Its column."""
        return self.cycle.name

    def measures(self) -> list[Measure]:
        limits = (min(scale.limit) for scale in self.cycle.scales)
        return [Measure(said, "inputs", down=False, limit=limit) for said, limit in zip(self.cycle.said(), limits, strict=True)]


Feature = Number | Kinds | Embedding | Repeating


@dataclass(frozen=True)
class Measures:
    """All measures of an event: of its outcome, its confidence, its decision, and its inputs."""

    labelled: bool
    confident: bool
    classes: Kinds
    features: tuple[Feature, ...]
    estimate: Estimate | None = None

    @property
    def all(self) -> list[Measure]:
        """In the order of `encode`'s columns."""
        outcome = [ERROR, *([CALIBRATION] if self.confident else [])] if self.labelled else []
        sure = [*([CONFIDENCE] if self.confident else []), *([ESTIMATED] if self.estimate else [])]
        decisions = self.classes.measures()
        if len(self.classes.values) == 2:  # of two classes one rate says both
            decisions = [decisions[0], decisions[2]]
        return [*outcome, *sure, *decisions, *(m for f in self.features for m in f.measures())]

    def encode(self, batch: Batch) -> Floats:
        """(n, measures). A late label is all NaN here: its outcome is known to who remembers the prediction."""
        parts = []
        if self.labelled:
            parts.append(self.outcome(batch.prediction, batch.label, batch.confidence))
        if self.confident:
            parts.append(batch.confidence[:, None])
        if self.estimate:
            parts.append(self.estimate.least(batch.confidence)[:, None])
        decisions = self.classes.encode(pa.array(batch.prediction, pa.string()))
        parts.append(decisions[:, [0, 2]] if len(self.classes.values) == 2 else decisions)
        rest = np.concatenate(parts, axis=1).T
        edges = np.cumsum([len(rest), *self._widths])
        out = np.empty(
            (int(edges[-1]), len(batch))
        )  # a measure along the memory, and turned once: several times quicker than event by event
        out[: len(rest)] = rest

        def some(start: int) -> None:
            for i in range(start, len(self.features), 2):
                out[edges[i] : edges[i + 1]] = _feature(self.features[i], batch.column(self.features[i].name)).T

        beside(lambda: some(0), lambda: some(1), len(batch) >= MANY and len(self.features) > 1)
        if None in batch.prediction:
            out[:, [p is None for p in batch.prediction]] = np.nan
        return np.ascontiguousarray(out.T)

    @cached_property
    def _widths(self) -> list[int]:
        """Measures of each feature."""
        return [len(f.measures()) for f in self.features]

    def memories(self) -> dict[str, Memory]:
        """What features that repeat are to remember at the end of the trusted period."""
        return {f.name: f.cycle.memory for f in self.features if isinstance(f, Repeating)}

    def bounded(self, batch: Batch, miss: Mapping[str, float]) -> Measures:
        """The same, features that repeat with limits and memories from the part of the trusted period that they were not fitted on.

        `miss` measure name -> probability that its limit may be wrong.
        """
        features: list[Feature] = []
        for feature in self.features:
            if isinstance(feature, Repeating):
                cycle = feature.cycle
                tails, state, memory = cycle.judge(batch.time, numbers(batch.column(cycle.name), cycle.name), cycle.memory)
                shares = [miss[said] for said in cycle.said()]
                scales = [s.bounded(tails[:, k], state[:, k], shares[k]) for k, s in enumerate(cycle.scales)]
                feature = Repeating(replace(cycle, scales=tuple(scales), memory=memory))
            features.append(feature)
        return replace(self, features=tuple(features))

    def follow(self, x: Floats, batch: Batch, memories: dict[str, Memory]) -> None:
        """Fill in what rests on the events before: the departures of features that repeat. `x` and `memories` are changed in place."""
        if not memories:
            return
        here = np.array([p is not None for p in batch.prediction], bool)
        column = x.shape[1] - sum(self._widths)
        for feature, width in zip(self.features, self._widths, strict=True):
            if isinstance(feature, Repeating):
                name = feature.name
                value = np.where(here, numbers(batch.column(name), name), np.nan)
                x[:, column : column + width], memories[name] = feature.cycle.follow(batch.time, value, memories[name])
            column += width

    def outcome(self, prediction: list[str | None], label: list[str | None], confidence: Floats) -> Floats:
        """(n, 1 or 2) error, and confidence against correctness: (1 + confidence - correct) / 2."""
        known = np.array([p is not None and t is not None for p, t in zip(prediction, label, strict=True)], bool)
        wrong = np.array([p != t for p, t in zip(prediction, label, strict=True)], float)
        wrong[~known] = np.nan
        return np.stack((wrong, (confidence + wrong) / 2), axis=1) if self.confident else wrong[:, None]

    def to_json(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "labelled": self.labelled,
            "confident": self.confident,
            "classes": list(self.classes.values),
            "features": [_feature_json(f) for f in self.features],
            "estimate": None if self.estimate is None else self.estimate.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measures:
        """The inverse of `to_json`."""
        features = tuple(_feature_of(f) for f in data["features"])
        estimate = None if data["estimate"] is None else Estimate.from_json(data["estimate"])
        classes = Kinds("class", tuple(data["classes"]), "decisions")
        return cls(bool(data["labelled"]), bool(data["confident"]), classes, features, estimate)


def fit(batch: Batch, fields: Fields, tail: float | None = None) -> Measures:
    """The measures of a period; `tail` is the law of those that repeat.

    Raises DataError where a named feature is not there, or it holds no predictions.
    """
    here = [p for p in batch.prediction if p is not None]
    if not here:
        raise DataError("the period holds no predictions", column=fields.prediction, remedy="give events that hold what the model said")
    names, counts = np.unique(here, return_counts=True)
    common = [str(names[i]) for i in np.argsort(-counts, kind="stable")[:MOST_CLASSES]]
    labelled = any(p is not None and t is not None for p, t in zip(batch.prediction, batch.label, strict=True))
    missing = [name for name in (*fields.features, *fields.cycles) if name not in batch.table.column_names]
    if missing:
        raise DataError("the period has no such feature", column=missing[0], remedy=f"it has: {', '.join(batch.table.column_names)}")
    features: tuple[Feature, ...] = tuple(_fit(name, batch.column(name)) for name in fields.features)
    features += tuple(Repeating(cycles.fit(name, batch.time, numbers(batch.column(name), name), tail)) for name in fields.cycles)
    return Measures(labelled, not np.isnan(batch.confidence).all(), Kinds("class", tuple(common), "decisions"), features)


def _fit(name: str, column: pa.Array) -> Feature:
    if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type) or pa.types.is_large_list(column.type):
        return _fit_embedding(name, _vectors(column, name, None))
    numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
    if numeric:
        values = numbers(column, name)
        values = values[~np.isnan(values)]
        if len(values) == 0:
            raise DataError("holds no value in the trusted period", column=name, remedy="leave it out, or give a period that has it")
        if not (pa.types.is_integer(column.type) and len(np.unique(values)) <= FEW):
            return _number(name, values)
    names, counts = np.unique([w for w in words(column) if w is not None], return_counts=True)
    return Kinds(name, tuple(str(names[i]) for i in np.argsort(-counts, kind="stable")[:MOST_VALUES]))


def _number(name: str, values: Floats) -> Number:
    values = np.sort(values)
    if len(values) > KNOTS:
        values = values[np.linspace(0, len(values) - 1, KNOTS).round().astype(int)]
    return Number(name, values)


def _fit_embedding(name: str, vectors: Floats) -> Embedding:
    vectors = vectors[~np.isnan(vectors).any(axis=1)]
    if len(vectors) < 2:
        raise DataError("holds no vectors in the trusted period", column=name, remedy="leave it out, or give a period that has it")
    centre = vectors.mean(axis=0)
    axes = np.linalg.svd(vectors - centre, full_matrices=False)[2][: min(DIRECTIONS, vectors.shape[1])]
    names = [*(f"{name}, direction {i + 1}" for i in range(len(axes))), f"{name}, what is left over"]
    return Embedding(name, centre, axes, tuple(_number(n, v) for n, v in zip(names, _along(vectors, centre, axes).T, strict=True)))


def _along(vectors: Floats, centre: Floats, axes: Floats) -> Floats:
    """(n, r + 1) coordinates along the axes, and the length of the rest."""
    moved = vectors - centre
    along = moved @ axes.T
    return np.concatenate((along, np.linalg.norm(moved - along @ axes, axis=1)[:, None]), axis=1)


def _vectors(column: pa.Array, name: str, width: int | None) -> Floats:
    """(n, d) NaN rows where null. Raises DataError where lengths differ, or it does not hold lists of numbers."""
    check_vectors(column.type, name)
    rows = column.to_pylist()
    lengths = {len(r) for r in rows if r is not None}
    width = width if width is not None else max(lengths, default=0)
    if lengths - {width}:
        raise DataError(f"holds vectors of {sorted(lengths)} numbers, and {width} are expected", column=name, remedy="give one length")
    return np.array([[np.nan] * width if r is None else r for r in rows], float).reshape(len(rows), width)


def _feature(feature: Feature, column: pa.Array) -> Floats:
    if isinstance(feature, Number):
        return feature.encode(numbers(column, feature.name))
    if isinstance(feature, Kinds):
        check_flat(column.type, feature.name)
        return feature.encode(column)
    if isinstance(feature, Repeating):
        numbers(column, feature.name)  # what is no number is found before the batch is acknowledged
        return np.full((len(column), len(feature.measures())), np.nan)
    if pa.types.is_null(column.type):
        return np.full((len(column), 2 * len(feature.along)), np.nan)
    return feature.encode(_vectors(column, feature.name, len(feature.centre)))


def _feature_json(feature: Feature) -> dict[str, Any]:
    if isinstance(feature, Number):
        return {"name": feature.name, "knots": feature.knots.tolist()}
    if isinstance(feature, Repeating):
        return feature.cycle.to_json()
    if isinstance(feature, Kinds):
        return {"name": feature.name, "values": list(feature.values)}
    along = [_feature_json(n) for n in feature.along]
    return {"name": feature.name, "centre": feature.centre.tolist(), "axes": feature.axes.tolist(), "along": along}


def _feature_of(data: Mapping[str, Any]) -> Feature:
    if "cycle" in data:
        return Repeating(Cycle.from_json(data))
    if "knots" in data:
        return Number(data["name"], np.array(data["knots"], float))
    if "values" in data:
        return Kinds(data["name"], tuple(data["values"]))
    along = tuple(Number(n["name"], np.array(n["knots"], float)) for n in data["along"])
    return Embedding(data["name"], np.array(data["centre"], float), np.array(data["axes"], float), along)
