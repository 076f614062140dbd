"""The nearest of some rows to each row, itself left out: by brute force against a sample, so that cost is linear in rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from assay.engine.base import spans

Int = NDArray[np.int64]
Values = NDArray[np.floating[Any]]


def drawn_among(rows: int, most: int, distances: int, fewest: int, rng: np.random.Generator) -> Int:
    """Sorted: all `rows`, or `most` of them drawn, fewer (down to `fewest`) where that would take more than so many distances in all."""
    most = min(most, max(distances // rows, fewest))
    return np.sort(rng.choice(rows, most, replace=False)) if rows > most else np.arange(rows)


def nearest_others(
    block: Values, first: int, index: tuple[Int, Values], count: int, together: int
) -> Iterator[tuple[slice, NDArray[np.float64], Int]]:
    """For rows of a block (m, d) that begins at row `first`, `together` at a time: which, the distances (s, count) to the nearest others of
    the index, and where in it they stand (s, count). `index`: the rows (v,) that it holds, more than `count`, and their values (v, d).
    """
    rows, values = index
    nearest = NearestNeighbors(n_neighbors=count + 1, algorithm="brute").fit(values)
    for start, stop in spans(len(block), together):
        distance, near = nearest.kneighbors(block[start:stop])
        itself = rows[near] == first + np.arange(start, stop)[:, None]
        # a row that the index does not hold, or that is hidden behind copies of itself, drops its farthest instead
        itself[~itself.any(axis=1), -1] = True
        yield slice(start, stop), distance[~itself].reshape(-1, count), near[~itself].reshape(-1, count)
