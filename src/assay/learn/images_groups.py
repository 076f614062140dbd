"""Near-duplicate pictures: copies, crops and frames of one track, which must share a fold and cast one vote.

Pictures are compared by the correlation of their 8x8 thumbnails; whatever is linked, directly or through others, is one
group. Measured on GTSRB (tracks of ten frames): about a fifth of the pairs of one track are linked at .95, since the sign
grows as the car approaches; among carriers of one candidate a looser link is safe, because chains are short there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from assay.dataset.rows import UInt8
from assay.learn.threads import in_parallel

Int = NDArray[np.int64]
Float32 = NDArray[np.float32]

SIDE = 8  # pixels a side of a thumbnail
LINKED = (0.95, 0.97, 0.985, 0.995)  # correlation that links two rows; stricter ones split groups that chained
LARGEST = 0.02  # of all rows, or 30: a group above has chained through a whole class (hand-written ones do)
ALL_PAIRS = 12_000  # rows up to which every pair is compared (2 s); above, neighbours along projections
BLOCK = 500  # rows compared with the others at once
PROJECTIONS = 4
NEIGHBOURS = 600
VOTE = 0.9  # the link among the carriers of one candidate


def thumbnails(images: UInt8) -> Float32:
    """(n, 8 * 8 * c) thumbnails of pictures (n, h, w, c), centred, of length one (a flat picture: zero)."""
    n, h, w, c = images.shape
    down, across = _cells(h), _cells(w)
    area = down.sum(1)[:, None, None] * across.sum(1)[:, None]
    exact = np.float32 if 255 * area.max() < 2**24 else np.float64  # products with zeros and ones, in which every sum is whole
    left, right = down.astype(exact), np.kron(across, np.eye(c)).T.astype(exact)
    flat = np.empty((n, len(down) * len(across) * c), np.float32)
    for start in range(0, n, BLOCK):
        sums = left @ images[start : start + BLOCK].reshape(-1, h, w * c).astype(exact) @ right
        flat[start : start + BLOCK] = (sums.reshape(-1, len(down), len(across), c).astype(np.float64) / area).reshape(len(sums), -1)
    flat -= flat.mean(1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _cells(size: int) -> NDArray[np.bool_]:
    """(m, size) which pixels along a side each cell of a thumbnail covers."""
    ends = np.unique(np.linspace(0, size, min(SIDE, size) + 1).round().astype(int))
    return (np.arange(size) >= ends[:-1, None]) & (np.arange(size) < ends[1:, None])


def near_duplicates(images: UInt8) -> Int:
    """(n,) the group of each picture: the lowest position in it. No group holds more than 2 % of the rows, or 30.

    >>> images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    >>> images[3] = images[1]
    >>> near_duplicates(images).tolist()
    [0, 1, 2, 1, 4]
    """
    views = thumbnails(images)
    n = len(views)
    groups = np.arange(n)
    largest = max(LARGEST * n, 30)
    pending = [np.arange(n)]
    for threshold in LINKED:
        chained = []
        for members in pending:
            labels = _components(views[members], threshold)
            groups[members] = members[labels]
            sizes = np.bincount(labels, minlength=len(members))
            for big in np.flatnonzero(sizes > largest):
                chained.append(members[labels == big])
        pending = chained
    for members in pending:  # beyond the strictest link it is not duplication but a uniform set
        groups[members] = members
    return groups


def votes(images: UInt8, groups: Int | None = None) -> NDArray[np.float64]:
    """(m,) the vote of each carrier of one candidate: near-duplicates share one vote."""
    if not len(images):
        return np.zeros(0)
    labels: NDArray[Any] = _components(thumbnails(images), VOTE)
    if groups is not None:
        _, known = np.unique(groups, return_inverse=True)
        pairs = coo_matrix((np.ones(len(labels), bool), (labels, known + len(labels))), shape=(2 * len(labels),) * 2)
        labels = connected_components(pairs, directed=False)[1][labels]
    return np.asarray(1.0 / np.bincount(labels)[labels])


def _components(views: Float32, threshold: float) -> Int:
    """(n,) the lowest position that each row is linked to, directly or through others."""
    n = len(views)
    left, right = _pairs(views, threshold) if n <= ALL_PAIRS else _near_pairs(views, threshold)
    links = coo_matrix((np.ones(len(left), bool), (left, right)), (n, n))
    labels = connected_components(links, directed=False)[1]
    first = np.full(labels.max() + 1, n)
    np.minimum.at(first, labels, np.arange(n))
    lowest: Int = first[labels]
    return lowest


def _pairs(views: Float32, threshold: float) -> tuple[Int, Int]:
    def ahead(start: int) -> tuple[Int, Int]:
        linked = np.flatnonzero((views[start : start + BLOCK] @ views[start:].T).ravel() >= threshold)  # in two dimensions: slower
        left, right = np.divmod(linked, len(views) - start)
        return left + start, right + start

    found = in_parallel(ahead, range(0, len(views), BLOCK))
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def _near_pairs(views: Float32, threshold: float) -> tuple[Int, Int]:
    """Pairs that are neighbours along one of a few fixed random projections: linear in rows; distant copies may be missed."""
    rng = np.random.default_rng(0)
    lefts, rights = [], []
    for _ in range(PROJECTIONS):
        order = np.argsort(views @ rng.standard_normal((views.shape[1],), np.float32), kind="stable")
        for start in range(0, len(order), NEIGHBOURS):
            block, ahead = order[start : start + NEIGHBOURS], order[start : start + 2 * NEIGHBOURS]
            left, right = np.nonzero(views[block] @ views[ahead].T >= threshold)
            lefts.append(block[left])
            rights.append(ahead[right])
    return np.concatenate(lefts), np.concatenate(rights)
