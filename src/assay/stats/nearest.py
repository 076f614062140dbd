"""The nearest of an index that lies in parts: each part answers for its own rows, and the answers are merged exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.engine.base import spans

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

NOBODY = -1  # the place of a neighbour that is not there


@dataclass(frozen=True)
class Nearest:
    """Of q questions the k nearest of some rows, a mergeable state: nearest first, the earlier of two that are equally near.

    `near` (q, k) is the greater the nearer, -inf where there are fewer than k; `place` (q, k) in the whole index, `NOBODY` there. As
    equal ones are told by place, any parts of an index and any order of merging give the same, as long as `near` of two rows does not
    depend on the others.

    >>> a, b = Nearest.of(np.array([[0.5, 0.9, 0.1]]), 2, 0), Nearest.of(np.array([[0.7, 0.9]]), 2, 3)
    >>> b.merge(a).place.tolist()
    [[1, 4]]
    """

    near: Floats
    place: Int

    @staticmethod
    def of(near: Floats, k: int, first: int) -> Nearest:
        """`near` (q, m) to m neighbouring rows of the index, the first of which is at `first`; -inf does not count."""
        place = np.broadcast_to(np.arange(first, first + near.shape[1]), near.shape)
        if near.shape[1] > k:
            least = -np.partition(-near, k - 1, axis=1)[:, k - 1 : k]
            width = int((near >= least).sum(axis=1).max(initial=k))  # more than k where several are equally near
            some = np.argsort(near < least, axis=1, kind="stable")[:, :width]
            near, place = np.take_along_axis(near, some, 1), np.take_along_axis(place, some, 1)
        return _best(near, np.where(np.isneginf(near), NOBODY, place), k)

    def merge(self, other: Nearest) -> Nearest:
        return self.merge_all((other,))

    def merge_all(self, others: Sequence[Nearest]) -> Nearest:
        parts = (self, *others)
        return _best(np.concatenate([p.near for p in parts], 1), np.concatenate([p.place for p in parts], 1), self.near.shape[1])


def nearest_in_part(near: Callable[[slice], Floats], asked: Int, k: int, first: int, together: int) -> Nearest:
    """What one part of an index, which begins at `first`, answers to the rows `asked` (q,) of the whole index: itself never.

    `near(some)` (s, m): how near `asked[some]` are to the part's m rows, written over; of `together` at a time.
    """
    parts = []
    for start, stop in spans(len(asked), together):
        products, itself = near(slice(start, stop)), asked[start:stop] - first
        here = np.flatnonzero((itself >= 0) & (itself < products.shape[1]))
        products[here, itself[here]] = -np.inf
        parts.append(Nearest.of(products, k, first))
    return Nearest(np.concatenate([p.near for p in parts]), np.concatenate([p.place for p in parts]))


def _best(near: Floats, place: Int, k: int) -> Nearest:
    order = np.lexsort((place, -near), axis=1)[:, :k]
    best, at = np.full((len(near), k), -np.inf), np.full((len(near), k), NOBODY)
    best[:, : order.shape[1]], at[:, : order.shape[1]] = np.take_along_axis(near, order, 1), np.take_along_axis(place, order, 1)
    return Nearest(best, at)
