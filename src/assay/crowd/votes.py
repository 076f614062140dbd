"""Votes: who gave which label to which row, as integers; and what cannot be worked with, said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from assay.dataset.errors import DataError

Int = NDArray[np.int64]
Floats = NDArray[np.float64]
Duplicates = Literal["refuse", "first", "last", "all"]

SHOWN = 5  # names spelt out in a message


@dataclass(frozen=True)
class Votes:
    """m votes on n rows by a annotators over k classes, as codes into the three tuples of names.

    The order of the votes is that of the source. `time` (m,) is in seconds, or None where it is not known.
    """

    row: Int
    annotator: Int
    label: Int
    rows: tuple[str, ...]
    annotators: tuple[str, ...]
    classes: tuple[str, ...]
    time: Floats | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)  # what was inferred or passed over, for people

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def counts(self) -> Floats:
        """(n, k) how many annotators gave each row each label."""
        n, k = len(self.rows), len(self.classes)
        return np.bincount(self.row * k + self.label, minlength=n * k).reshape(n, k).astype(float)

    @cached_property
    def votes_of(self) -> Int:
        """(a,) votes by each annotator."""
        return np.bincount(self.annotator, minlength=len(self.annotators))

    @cached_property
    def votes_on(self) -> Int:
        """(n,) votes on each row."""
        return np.bincount(self.row, minlength=len(self.rows))

    def take(self, positions: NDArray[np.integer] | NDArray[np.bool_]) -> Votes:
        """Some of the votes under the same codes; rows and annotators without votes keep theirs."""
        time = None if self.time is None else self.time[positions]
        return replace(self, row=self.row[positions], annotator=self.annotator[positions], label=self.label[positions], time=time)

    def without(self, annotators: NDArray[np.integer]) -> Votes:
        """The votes of everybody else."""
        return self.take(~np.isin(self.annotator, annotators))


def from_arrays(
    row: Sequence[object] | NDArray[np.generic],
    annotator: Sequence[object] | NDArray[np.generic],
    label: Sequence[object] | NDArray[np.generic],
    time: Sequence[float] | NDArray[np.floating] | None = None,
) -> Votes:
    """Votes of three columns of the same length; names are the values as text, in sorted order.

    >>> votes = from_arrays(["a", "a", "b"], ["x", "y", "x"], [1, 0, 1])
    >>> votes.counts.tolist(), votes.annotators, votes.classes
    ([[1.0, 1.0], [0.0, 1.0]], ('x', 'y'), ('0', '1'))
    """
    if not len(row) == len(annotator) == len(label):
        raise DataError(f"columns of different lengths: {len(row)}, {len(annotator)} and {len(label)}")
    (r, rows), (a, annotators), (y, classes) = (_codes(column) for column in (row, annotator, label))
    return Votes(r, a, y, rows, annotators, classes, None if time is None else np.asarray(time, float))


def _codes(column: Sequence[object] | NDArray[np.generic]) -> tuple[Int, tuple[str, ...]]:
    values, codes = np.unique(np.asarray(column), return_inverse=True)
    return codes.astype(np.int64), tuple(str(v) for v in values.tolist())


def summed(place: Int, weight: Floats, size: int) -> Floats:
    """(size,) the sum of the weights that fall on each place."""
    return np.asarray(np.bincount(place, weight, size), float)


def check(votes: Votes, *, path: object = None, duplicates: Duplicates = "refuse") -> Votes:
    """The votes, once they can be worked with: at least two annotators who meet on some row, no vote twice.

    `duplicates`: an annotator's several votes on one row are refused, or the first or the last counts, or all do (as when
    one doctor sees a patient three times). Raises DataError for a single annotator, for annotators who never label the
    same row, and for repeated votes. Annotators who fall into groups that never meet are noted: between such groups
    nothing tells who is right.
    """
    if not len(votes):
        raise DataError("there are no votes", path=path, remedy="give a record for each label that an annotator gave")
    if np.count_nonzero(votes.votes_of) < 2:
        only = votes.annotators[int(votes.annotator[0])]
        raise DataError(
            f"all {len(votes):,} votes are by one annotator ({only!r}): there is nobody to compare with",
            path=path,
            remedy="name the column that tells annotators apart with --annotator, or have some rows labelled twice",
        )
    votes, repeated = _distinct(votes, path, duplicates)
    if not (votes.votes_on > 1).any() or _single_voices(votes):
        raise DataError(
            f"no row has votes of two annotators: {np.count_nonzero(votes.votes_of):,} annotators do not overlap",
            path=path,
            remedy="check the column that names the row (--row), or have some rows labelled twice",
        )
    if len(votes.classes) < 2:
        raise DataError(
            f"every vote says {votes.classes[int(votes.label[0])]!r}: there is nothing to decide", path=path, remedy="check --label"
        )
    return replace(votes, notes=(*votes.notes, *repeated, *_strangers(votes)))


def _single_voices(votes: Votes) -> bool:
    """Whether each row has one annotator only (who may have spoken several times)."""
    pairs = np.unique(votes.row * len(votes.annotators) + votes.annotator)
    return bool(np.bincount(pairs // len(votes.annotators)).max() < 2)


def _distinct(votes: Votes, path: object, duplicates: Duplicates) -> tuple[Votes, list[str]]:
    pair = votes.row * len(votes.annotators) + votes.annotator
    order = np.argsort(pair, kind="stable")
    again = np.zeros(len(votes), bool)
    again[order[1:]] = pair[order[1:]] == pair[order[:-1]]
    if not again.any():
        return votes, []
    count = int(again.sum())
    if duplicates == "all":
        return votes, [f"{count:,} votes repeat an annotator's vote on the same row; all of them count."]
    if duplicates == "refuse":
        second = int(np.flatnonzero(again)[0])
        first = int(np.flatnonzero(pair == pair[second])[0])
        said = [votes.classes[int(votes.label[i])] for i in (first, second)]
        raise DataError(
            f"annotator {votes.annotators[int(votes.annotator[second])]!r} votes more than once on row "
            f"{votes.rows[int(votes.row[second])]!r} ({said[0]!r}, then {said[1]!r}); {count:,} votes are such",
            path=path,
            remedy="say which counts: --duplicates first, last or all",
        )
    if duplicates == "first":
        keep = ~again
    else:
        keep = np.ones(len(votes), bool)
        keep[order[:-1]] = pair[order[1:]] != pair[order[:-1]]
    return votes.take(keep), [f"{count:,} votes repeat an annotator's vote on the same row; the {duplicates} one counts."]


def _strangers(votes: Votes) -> list[str]:
    """A note where annotators fall into groups without a row in common."""
    a = len(votes.annotators)
    bipartite = coo_array((np.ones(len(votes), np.int8), (votes.annotator, a + votes.row)), shape=(a + len(votes.rows),) * 2)
    _, group = connected_components(csr_array(bipartite), directed=False)
    active = votes.votes_of > 0
    sizes = np.bincount(group[:a][active])
    groups = np.sort(sizes[sizes > 0])[::-1]
    if len(groups) < 2:
        return []
    return [
        f"The annotators fall into {len(groups):,} groups that never label the same row (the largest: {groups[0]:,} of "
        f"{active.sum():,}); what one group is like says nothing of another."
    ]


def names_shown(names: Sequence[str], most: int = SHOWN) -> str:
    """The first few names, quoted, and how many more there are.

    >>> names_shown(["a", "b", "c"], 2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")
