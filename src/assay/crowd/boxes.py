"""Boxes that several annotators draw: which are the same thing, whether it is there, what it is, and where.

Boxes of different annotators on a row are joined, best overlap first, while their mean intersection over union is LEAST_OVERLAP and nobody
has two in one thing. Each thing is then a row of a crowd: who drew it says its class, who saw the row and did not says NOTHING. So every
method, test and review of votes holds for boxes too; a thing exists as surely as it is not NOTHING. Its place is the median of each edge,
weighted by how near its annotator's boxes come to others' in general: the inverse square of the distance, as for variances.

Cannot see: things that nobody drew; one thing drawn so differently that its boxes overlap by less; many things that overlap one
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.crowd.aggregate import Aggregate
from assay.crowd.read import ANNOTATOR_NAMES, LABEL_NAMES, ROW_NAMES, column_named, read_table
from assay.crowd.votes import Floats, Int, Votes, check, summed
from assay.dataset.errors import DataError
from assay.dataset.labels import class_name
from assay.dataset.numbers import as_doubles

NOTHING = "(nothing)"  # what an annotator says of a thing that they did not draw
THING = "thing"  # the class of all boxes where none is given
LEAST_OVERLAP = 0.5  # intersection over union from which two boxes count as one thing, as in PASCAL VOC
LEAST_AWAY = 0.01  # one less intersection over union: nearer than this is the rounding of pixels
WEIGHT_PRIOR = 5.0  # boxes of average agreement added to each annotator's
EDGES = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("left", "top", "right", "bottom"))
SIZES = (("x", "y", "width", "height"), ("x", "y", "w", "h"))


@dataclass(frozen=True)
class Boxes:
    """`votes` have a row for each thing, named "row#number". Of the b boxes: `thing` (b,) code into votes.rows, `annotator` (b,) code,
    `box` (b, 4) left, top, right, bottom. `of` (things,) the row's name."""

    votes: Votes
    thing: Int
    annotator: Int
    box: Floats
    of: tuple[str, ...]

    def places(self) -> tuple[Floats, Floats]:
        """((things, 4) where each thing is, (things,) mean overlap of its boxes with that; 1 where only one drew it)."""
        n = len(self.of)
        middle = np.stack([_medians(self.thing, self.box[:, e], np.ones(len(self.box)), n) for e in range(4)], axis=1)
        away = 1 - overlap(self.box, middle[self.thing])
        many = np.bincount(self.thing, minlength=n)[self.thing] > 1
        a = len(self.votes.annotators)
        average = max(float(away[many].mean()), LEAST_AWAY) if many.any() else 1.0
        spread = (summed(self.annotator, away * many, a) + WEIGHT_PRIOR * average) / (
            summed(self.annotator, many.astype(float), a) + WEIGHT_PRIOR
        )
        weight = 1 / np.maximum(spread, LEAST_AWAY)[self.annotator] ** 2
        place = np.stack([_medians(self.thing, self.box[:, e], weight, n) for e in range(4)], axis=1)
        return place, summed(self.thing, overlap(self.box, place[self.thing]), n) / np.bincount(self.thing, minlength=n)


def overlap(one: Floats, other: Floats) -> Floats:
    """Intersection over union of boxes (..., 4), pair by pair.

    >>> overlap(np.array([0.0, 0, 2, 2]), np.array([1.0, 0, 3, 2])).round(3).item()
    0.333
    """
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = np.prod(one[..., 2:] - one[..., :2], axis=-1) + np.prod(other[..., 2:] - other[..., :2], axis=-1)
    return np.asarray(shared / np.maximum(areas - shared, 1e-12))


def matched(box: Floats, annotator: Int) -> Int:
    """(b,) which thing each box of one row shows: average linkage, best overlap first, one box an annotator.

    >>> matched(np.array([[0, 0, 9, 9], [0, 0, 10, 10], [50, 50, 60, 60.0]]), np.array([0, 1, 1])).tolist()
    [0, 0, 1]
    """
    table = overlap(box[:, None], box[None])
    groups = [[i] for i in range(len(box))]
    while len(groups) > 1:
        best, pair = LEAST_OVERLAP, (-1, -1)
        for i, one in enumerate(groups):
            for j in range(i + 1, len(groups)):
                if np.intersect1d(annotator[one], annotator[groups[j]]).size == 0:
                    mean = float(table[np.ix_(one, groups[j])].mean())
                    if mean > best or (mean == best and pair == (-1, -1)):
                        best, pair = mean, (i, j)
        if pair == (-1, -1):
            break
        groups[pair[0]] += groups.pop(pair[1])
    found = np.zeros(len(box), np.int64)
    for number, group in enumerate(groups):
        found[group] = number
    return found


def read_boxes(source: Any, *, row: str | None = None, annotator: str | None = None, label: str | None = None) -> Boxes:
    """A record a box: the row, who drew it, its edges (x1, y1, x2, y2, or x, y, width, height), perhaps its class.

    A record with no edges says that the annotator saw the row and drew nothing. DataError where columns cannot be told, for boxes
    without an area or with a part of their edges, and where votes cannot be worked with (`assay.crowd.votes.check`).
    """
    table, path = read_table(source)
    row = row or column_named(table, ROW_NAMES)
    annotator = annotator or column_named(table, ANNOTATOR_NAMES, (row,))
    label = label or column_named(table, LABEL_NAMES, (row, annotator))
    for role, name in (("row", row), ("annotator", annotator)):
        if name is None or name not in table.column_names:
            raise DataError(f"cannot tell which column holds the {role} of a box", path=path, remedy=f"name it with --{role} COLUMN")
    assert row is not None
    assert annotator is not None
    box = _edges(table, path)
    drawn: NDArray[np.bool_] = np.asarray(np.isfinite(box).all(1))
    names = [[None if v is None else class_name(v) for v in table.column(name).to_pylist()] for name in (row, annotator)]
    for column, values in zip((row, annotator), names, strict=True):
        if None in values:
            raise DataError("a box without it", path=path, row=values.index(None), column=column, remedy="fill it in")
    said = [THING] * len(box) if label is None else [class_name(v) if v is not None else "" for v in table.column(label).to_pylist()]
    bare = next((i for i in np.flatnonzero(drawn).tolist() if not said[i]), None)
    if bare is not None:
        raise DataError("a box without a class", path=path, row=bare, column=label, remedy="fill it in, or leave the column out")
    return _boxes([str(v) for v in names[0]], [str(v) for v in names[1]], said, box, drawn, path)


def _boxes(rows: Sequence[str], who: Sequence[str], said: Sequence[str], box: Floats, drawn: NDArray[np.bool_], path: str) -> Boxes:
    seen: dict[str, dict[str, None]] = {}
    held: dict[str, list[int]] = {}
    for i, (r, a) in enumerate(zip(rows, who, strict=True)):
        seen.setdefault(r, {})[a] = None
        if drawn[i]:
            held.setdefault(r, []).append(i)
    people = {name: code for code, name in enumerate(sorted(set(who)))}
    vote_row, vote_who, vote_label = [], [], []
    of: list[str] = []
    thing: list[int] = []
    order: list[int] = []
    for r, places in held.items():
        groups = matched(box[places], np.array([people[who[i]] for i in places]))
        for number in range(int(groups.max()) + 1):
            members = {who[i]: said[i] for i, g in zip(places, groups.tolist(), strict=True) if g == number}
            for name in seen[r]:
                vote_row.append(len(of))
                vote_who.append(people[name])
                vote_label.append(members.get(name, NOTHING))
            of.append(r)
        thing += [len(of) - 1 - int(groups.max()) + int(g) for g in groups]
        order += places
    if not of:
        raise DataError("there is no box", path=path, remedy="give a record for each box")
    number_in = dict.fromkeys(held, 0)
    titles = []
    for r in of:
        number_in[r] += 1
        titles.append(f"{r}#{number_in[r]}")
    classes, label = np.unique(np.array(vote_label), return_inverse=True)
    who_voted = np.array(vote_who, np.int64)  # codes of `people`: whoever looked at rows in which nobody drew has no vote, and keeps theirs
    notes = (_told(titles, held, drawn),)
    votes = Votes(np.array(vote_row), who_voted, label.astype(np.int64), tuple(titles), tuple(people), tuple(classes.tolist()), notes=notes)
    return Boxes(check(votes, path=path), np.array(thing), np.array([people[who[i]] for i in order]), box[order], tuple(of))


def _told(titles: Sequence[str], held: dict[str, list[int]], drawn: NDArray[np.bool_]) -> str:
    return f"{int(drawn.sum()):,} boxes on {len(held):,} rows are of {len(titles):,} things; each is a row of its own below."


def _edges(table: pa.Table, path: str) -> Floats:
    plain = {name.lower(): name for name in table.column_names}
    names = next((names for names in (*EDGES, *SIZES) if all(name in plain for name in names)), None)
    if names is None:
        raise DataError("has no columns of boxes", path=path, remedy="name them x1, y1, x2, y2, or x, y, width, height")
    try:
        columns = [as_doubles(table.column(plain[name])) for name in names]
    except pa.ArrowInvalid as error:
        raise DataError(
            f"edges that are no numbers: {error}", path=path, remedy="give numbers, or nothing where nothing was drawn"
        ) from error
    box = np.stack(columns, axis=1)
    if names in SIZES:
        box[:, 2:] += box[:, :2]
    some = np.isfinite(box).any(1)
    wrong = np.flatnonzero(some & ~(np.isfinite(box).all(1) & (box[:, 2:] > box[:, :2]).all(1)))
    if len(wrong):
        told = ", ".join(f"{v:g}" for v in box[wrong[0]])
        raise DataError(
            f"no box: its edges are {told}", path=path, row=int(wrong[0]), remedy="the right and lower edges are the greater ones"
        )
    return box


def _medians(place: Int, value: Floats, weight: Floats, size: int) -> Floats:
    """(size,) the weighted median of the values at each place; of two middles their mean."""
    order = np.lexsort((value, place))
    place, value, weight = place[order], value[order], weight[order]
    start = np.flatnonzero(np.r_[True, np.diff(place) != 0])
    upto = np.cumsum(weight)
    before = np.r_[0.0, upto][start][np.cumsum(np.r_[False, np.diff(place) != 0])]
    half = summed(place, weight, size)[place] / 2
    tolerance = 1e-9 * half
    low = (upto - before) >= half - tolerance
    high = (upto - before) > half + tolerance
    found = np.zeros(size)
    for mask in (low, high):
        at = np.flatnonzero(mask)
        first = at[np.r_[True, np.diff(place[at]) != 0]]
        found[place[first]] += value[first] / 2
    return found


def box_table(boxes: Boxes, found: Aggregate) -> pa.Table:
    """A line a thing: its row, its likeliest class, the chance that it is there, its edges, how well its boxes agree, how many drew it."""
    place, agreed = boxes.places()
    names = list(found.votes.classes)
    chance = found.posterior.copy()
    nothing = chance[:, names.index(NOTHING)].copy() if NOTHING in names else np.zeros(len(chance))
    if NOTHING in names:
        chance[:, names.index(NOTHING)] = -1
    return pa.table(
        {
            "row": pa.array(boxes.of, pa.string()),
            "thing": pa.array(boxes.votes.rows, pa.string()),
            "label": pa.array([names[i] for i in chance.argmax(1)], pa.string()),
            "chance": 1 - nothing,
            **{edge: place[:, i] for i, edge in enumerate(EDGES[0])},
            "overlap": agreed,
            "drawn_by": np.bincount(boxes.thing, minlength=len(boxes.of)),
            "seen_by": boxes.votes.votes_on,
        }
    )
