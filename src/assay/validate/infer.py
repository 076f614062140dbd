"""Expectations inferred from trusted rows: `infer_expectations(data)`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset import columns as looks
from assay.dataset.columns import Column
from assay.dataset.data import Columns, Dataset
from assay.dataset.errors import DataError
from assay.screen.statistics import Statistics, row_statistics
from assay.screen.tail import tail_point
from assay.validate.cells import Cells
from assay.validate.characters import KINDS, carries
from assay.validate.expectations import ColumnRules, Expectations, Kind, Numbers, PictureRules, Rate, Values
from assay.validate.sizes import picture_sizes

Float = NDArray[np.float64]

# Fewer rows say nothing of ranges: one new row in eleven lies beyond the range of ten.
FEWEST_ROWS = 30
# A column of more values than this is named by length and characters, not by a list of its values.
MOST_VALUES = 1_000
# Whole numbers of so few different values are codes or counts: their values are listed.
FEW_NUMBERS = 20
# Beyond the limits one value in ten million is expected, if the tail goes on as it is read (screen/tail.py): a million rows of
# thirty columns break one in some six files of honest data whose tails are read right.
BEYOND_LIMITS = 1e-7
# And no limit is nearer than this many times the farthest trusted value's distance from the median: tails read where they are thick
# were too short for lengths of texts and for columns of zeros (honest halves of SMS and Spambase broke them in 4 of 10 splits).
ROOM = 5.0
# The 10 % and the 90 % point: half of the new rows beyond one of them is another scale, not drift.
MIDDLE = (0.1, 0.9)
# Numbers whose 90 % point is more than this many times their 10 % point grow by factors rather than by steps.
WIDE = 10.0
# Zero is taken for an edge that no value passes where as many values lie next to it as one step further in, or nearly.
SHARP = 2.0
TYPES: Mapping[str, Kind] = {"bool": "truth", "integer": "whole", "string": "string", "time": "time", "list": "list"}


def infer_expectations(data: Dataset, *, alpha: float = 0.01, strict: bool = False) -> Expectations:
    """What these trusted rows lead one to expect of new ones.

    Guarantee: rows that are exchangeable with the trusted ones break an inferred rule with probability at most `alpha`, all rules
    together (Holm over exact tests), limits aside, which assume that tails go on as they are read. `strict`: whatever the trusted
    rows never do is never allowed; there is then no such guarantee. Sees single columns only; order of rows, and how columns hang
    together, it does not (`assay.validate.drift` does). Raises DataError for fewer than `FEWEST_ROWS` rows.
    """
    if len(data) < FEWEST_ROWS:
        remedy = f"give at least {FEWEST_ROWS}"
        raise DataError(f"{len(data)} rows are too few to expect anything from", path=data.path, remedy=remedy)
    columns = {name: column_rules(Column(name, data.table.column(name)), data) for name in data.table.column_names}
    pictures = None if data.images is None else picture_rules(data)
    lost = len(data.unreadable)
    found = Expectations(
        columns,
        pictures,
        alpha,
        made_from={"path": data.path, "rows": len(data), "fingerprint": data.fingerprint},
        unreadable=Rate(lost, data.records),
    )
    return _strict(found) if strict else found


def column_rules(look: Column, data: Dataset) -> ColumnRules:
    """The rules of one column."""
    cells = Cells(look)
    kind: Kind = "any" if look.kind == "empty" else TYPES.get(look.kind, "any")
    if look.kind == "float":
        kind = "whole" if look.whole else "number"
    missing = Rate(int(cells.missing.sum()), len(cells))
    if kind in ("any", "list", "time") or look.present == 0:
        return ColumnRules(kind, missing)
    if _names_rows(look, data):
        return ColumnRules(kind, missing, unique=True)
    if look.moments or look.counter:
        return ColumnRules(kind, missing)
    if kind == "truth" or (kind == "string" and not look.text and look.distinct <= min(MOST_VALUES, look.present / 2)):
        return ColumnRules(kind, missing, values=counted(cells))
    if kind in ("whole", "number"):
        listed = kind == "whole" and look.distinct <= min(FEW_NUMBERS, look.present / 10)
        numbers = number_rules(cells.numbers)
        if listed:
            return ColumnRules(kind, missing, values=counted(cells), numbers=Numbers(limits=numbers.limits))
        return ColumnRules(kind, missing, numbers=numbers)
    length = number_rules(cells.lengths()[0])
    rows = {name: int(carries(look.values, name).sum()) for name in KINDS}
    return ColumnRules(kind, missing, length=length, characters=Values(rows, len(cells)))


def _names_rows(look: Column, data: Dataset) -> bool:
    """Whether the column is there to tell rows apart."""
    named = look.name == data.columns.id or look.lower in looks.IDS or look.lower.endswith(("_id", " id", "_key", "_uuid"))
    return named and look.unique


def counted(cells: Cells) -> Values:
    """Each value with its count, the commonest first."""
    codes, names = cells.named()
    count = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.argsort(-count, kind="stable")
    return Values({names[i]: int(count[i]) for i in order if count[i]}, int(count.sum()))


def number_rules(values: Float) -> Numbers:
    """Range, middle and limits of the finite ones among these numbers."""
    x = np.sort(values[np.isfinite(values)])
    if not len(x):
        return Numbers()
    low, high = float(x[0]), float(x[-1])
    first, last = (float(x[rank_of(share, len(x)) - 1]) for share in MIDDLE)
    return Numbers(low, high, len(x), (first, last), _limits(x))


def rank_of(share: float, count: int) -> int:
    """The 1-based rank of the value below which this share of `count` sorted ones lies.

    >>> rank_of(0.9, 99)
    90
    """
    return max(math.ceil(share * count), 1)


def _limits(x: Float) -> tuple[float | None, float | None]:
    """How far a believable value may lie beyond these sorted numbers.

    Read on a logarithmic scale where they are positive, span orders of magnitude and are less skewed there. Whole numbers of which
    none is negative are counts, and stay so.
    """
    first, last = (float(x[rank_of(share, len(x)) - 1]) for share in MIDDLE)
    if x[0] > 0 and last > WIDE * first and _skew(np.log(x)) < _skew(x):
        low, high = _reach(np.log(x))
        return (None if low is None else _exp(low)), (None if high is None else _exp(high))
    low, high = _reach(x)
    whole = bool((x == np.floor(x)).all())
    if x[0] >= 0 and (low is None or low < 0) and (whole or _edge_at_zero(x)):
        low = 0.0
    return low, high


def _reach(x: Float) -> tuple[float | None, float | None]:
    usual = x[len(x) // 2]
    rest = x[x != usual]
    if len(rest) < len(x) / 2:  # a column of zeros: the others among themselves
        if len(rest) < FEWEST_ROWS:
            return None, None
        x = rest
    down = tail_point(-x, BEYOND_LIMITS)
    up = tail_point(x, BEYOND_LIMITS)
    middle = float(usual)
    low = None if down is None or not math.isfinite(down) else min(-down, middle - ROOM * (middle - float(x[0])))
    high = None if up is None or not math.isfinite(up) else max(up, middle + ROOM * (float(x[-1]) - middle))
    return low, high


def _exp(x: float) -> float | None:
    return math.exp(x) if x < 700 else None


def _skew(x: Float) -> float:
    """Absolute skewness from octiles of sorted numbers (Hinkley 1975, Biometrika 62)."""
    low, mid, high = (x[int(q * (len(x) - 1))] for q in (0.125, 0.5, 0.875))
    return float(abs(high + low - 2 * mid) / (high - low)) if high > low else 0.0


def _edge_at_zero(x: Float) -> bool:
    """Whether numbers of at least zero, sorted, stop at zero rather than thin out towards it."""
    if (x == 0).any():
        return True
    step = x[int(0.05 * len(x))]
    near, next_to = int((x <= step).sum()), int(((x > step) & (x <= 2 * step)).sum())
    return next_to <= SHARP * near


def picture_rules(data: Dataset) -> PictureRules:
    """Sizes and modes of the files, where the pictures are files, and plain measurements of the pixels."""
    sizes = picture_sizes(data)
    names, count = np.unique([s for s in sizes if s is not None], return_counts=True)
    read: Statistics = row_statistics(pictures_alone(data))
    measures = {name: number_rules(read.values[:, j]) for j, name in enumerate(read.names)}
    return PictureRules(Values({str(n): int(c) for n, c in zip(names, count, strict=True)}, int(count.sum())), measures)


def pictures_alone(data: Dataset) -> Dataset:
    """The same pictures without columns."""
    return replace(data, columns=Columns(), table=pa.table({}), modality="image")


def _strict(found: Expectations) -> Expectations:
    """The same rules as absolute ones: what the trusted rows never do is never allowed."""

    def numbers(rule: Numbers | None) -> Numbers | None:
        return None if rule is None else Numbers(rule.low, rule.high, limits=rule.limits)

    def values(rule: Values | None) -> Values | None:
        return None if rule is None else Values({name: 0 for name, count in rule.counts.items() if count})

    def rate(rule: Rate | None) -> Rate | None:
        return None if rule is None or rule.of is None else Rate(at_most=rule.rows / max(rule.of, 1))

    columns = {
        name: replace(
            c,
            missing=rate(c.missing),
            values=values(c.values),
            numbers=numbers(c.numbers),
            length=numbers(c.length),
            characters=values(c.characters),
        )
        for name, c in found.columns.items()
    }
    pictures = found.pictures
    if pictures is not None:
        measures = {name: numbers(rule) or Numbers() for name, rule in pictures.measures.items()}
        pictures = PictureRules(values(pictures.sizes), measures)
    return replace(found, columns=columns, pictures=pictures, unreadable=rate(found.unreadable) or Rate())
