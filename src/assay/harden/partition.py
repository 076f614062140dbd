"""Which rows each model of a partitioned ensemble sees: by a hash, so that nobody chooses their neighbours.

A row's partition depends on the row alone (or on who contributed it), never on the other rows: that is what makes one poison touch few
models. Rows are hashed with SHA-256 over their bytes; equal rows share a partition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]


def partition_of(keys: Sequence[bytes], partitions: int) -> Int:
    """(n,) partition of each key, uniform over 0 .. partitions - 1.

    >>> partition_of([b"a", b"b", b"a"], 7).tolist() == partition_of([b"a", b"b", b"a"], 7).tolist()
    True
    """
    return np.array([int.from_bytes(hashlib.sha256(key).digest()[:8], "big") % partitions for key in keys], np.int64)


def row_keys(x: Any, y: NDArray[Any]) -> list[bytes]:
    """The bytes of each row (n, ...) of an array or a sparse matrix, label included: what a poison is a change of."""
    if hasattr(x, "tocsr"):
        x = x.tocsr()
        x.sort_indices()
        bounds = x.indptr
        return [
            x.indices[a:b].tobytes() + x.data[a:b].tobytes() + str(label).encode()
            for a, b, label in zip(bounds[:-1], bounds[1:], y, strict=True)
        ]
    rows = np.ascontiguousarray(x)
    return [row.tobytes() + str(label).encode() for row, label in zip(rows, y, strict=True)]


def spread_feeds(models: int, spread: int, seed: int = 0) -> Int:
    """(models * spread, spread): of `models * spread` partitions and as many models, the models that each partition feeds.

    Every model sees `spread` partitions, which is a share of 1 / models of the rows, as without spreading (Finite Aggregation: Wang,
    Levine & Feizi 2022, section 4). The pattern is drawn from a seed that is no secret.

    >>> spread_feeds(3, 1).ravel().tolist()
    [0, 1, 2]
    >>> feeds = spread_feeds(3, 2)
    >>> feeds.shape, np.bincount(feeds.ravel()).tolist()
    ((6, 2), [2, 2, 2, 2, 2, 2])
    """
    total = models * spread
    steps = np.sort(np.random.default_rng(seed).choice(total, spread, replace=False)) if spread > 1 else np.zeros(1, np.int64)
    return np.asarray((np.arange(total)[:, None] + steps[None, :]) % total, np.int64)
