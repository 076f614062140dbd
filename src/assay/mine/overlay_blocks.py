"""Pictures seen whitened, in blocks that workers hold, and what a search for templates asks of them.

The guarantee: sums of rows are exact, so that any split into blocks and any order of merging give the same state; correlations are made
block by block, of `BLOCK` pictures on any engine, and are the same to the bit wherever they are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.artefact.overlay import Seen
from assay.dataset.rows import UInt8
from assay.engine.base import Handle, current, spans
from assay.learn.threads import gathered, kept, spread
from assay.stats.nearest import Nearest, nearest_in_part

Int = NDArray[np.int64]
Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]

BLOCK = 2_000  # pictures; 25 MB of float32 at 32x32 in colour
CHUNK = 250
FAINT = 2.0**-16  # a number of a row of length one that is nearer to nought is nought: the others, of 24 bits, add up exactly in the 53 of
# a float64, for 16,384 rows; one in 1,400 numbers of 3,072 is so faint, and all of them together are 1e-10 of a correlation


@dataclass(frozen=True)
class Sums:
    """(p, d) sums over sets of rows, a mergeable state: exact, as long as a set has at most 16,384 rows."""

    total: Floats

    def merge(self, other: Sums) -> Sums:
        return Sums(self.total + other.total)


@dataclass(frozen=True)
class SeenBlocks:
    """Pictures as a view shows them, rows of length one without faint numbers, in `blocks` (first row, rows)."""

    count: int
    blocks: tuple[tuple[int, Handle[Float32]], ...]

    @staticmethod
    def of(view: Seen, images: UInt8, rows: Int) -> SeenBlocks:
        """The pictures `images[rows]`."""
        edges, placed = spans(len(rows), BLOCK), current().put(view)
        made = kept(_without_faint, ((*picked(images, rows[start:stop]), placed) for start, stop in edges))
        return SeenBlocks(len(rows), tuple((start, block) for (start, _), block in zip(edges, made, strict=True)))

    def sums(self, groups: Sequence[Int]) -> Floats:
        """(p, d) of sorted sets of rows."""
        placed = current().put(list(groups))
        return gathered(_sums, [(block, first, placed) for first, block in self.blocks]).total

    def along(self, patterns: Float32) -> Float32:
        """(n, p) each row's products with patterns (p, d)."""
        placed = current().put(patterns)
        return np.concatenate(spread(_products, [(block, placed) for _, block in self.blocks]))

    def around(self, starts: Int, size: int) -> Int:
        """(s, size) the rows most like each of `starts`, itself left out; sorted."""
        order = np.sort(starts)
        vectors = np.concatenate(spread(_rows, [(block, first, order) for first, block in self.blocks]))
        engine = current()
        asked = engine.put((order, vectors))
        found = gathered(_alike, [(block, first, asked, size) for first, block in self.blocks]).place
        return np.sort(found[np.searchsorted(order, starts)], axis=1)


def picked(images: UInt8, rows: Int) -> tuple[UInt8, Int]:
    """The pictures `images[rows]` as they are given to work: to this process's own the whole, to another's what it needs."""
    return (images[rows], np.arange(len(rows))) if current().remote else (images, rows)


def see(view: Seen, images: UInt8) -> Float32:
    """(n, d) the view of many pictures."""
    placed, rows = current().put(view), np.arange(len(images))
    return np.concatenate(spread(seen, ((*picked(images, rows[a:b]), placed) for a, b in spans(len(rows), BLOCK))))


def along_patterns(view: Seen, images: UInt8, rows: Int, patterns: Float32) -> Float32:
    """(m, p) the products of pictures `images[rows]` with patterns (p, d), of which nothing else is kept."""
    engine = current()
    placed = engine.put(view), engine.put(patterns)
    return np.concatenate(spread(_seen_along, ((*picked(images, rows[a:b]), *placed) for a, b in spans(len(rows), BLOCK))))


def seen(images: UInt8, rows: Int, view: Seen) -> Float32:
    """(m, d) the view of `images[rows]`."""
    return np.concatenate([view(images[rows[a:b]]) for a, b in spans(len(rows), CHUNK)])


def _without_faint(images: UInt8, rows: Int, view: Seen) -> Float32:
    block = seen(images, rows, view)
    block[np.abs(block) < FAINT] = 0
    return block


def _seen_along(images: UInt8, rows: Int, view: Seen, patterns: Float32) -> Float32:
    return np.concatenate([view(images[rows[a:b]]) @ patterns.T for a, b in spans(len(rows), CHUNK)])


def _products(block: Float32, patterns: Float32) -> Float32:
    return block @ patterns.T


def _rows(block: Float32, first: int, rows: Int) -> Float32:
    """Those of the sorted `rows` that lie in the block."""
    return block[_here(rows, first, len(block))]


def _here(rows: Int, first: int, count: int) -> Int:
    low, high = np.searchsorted(rows, [first, first + count])
    return rows[low:high] - first


def _sums(block: Float32, first: int, groups: Sequence[Int]) -> Sums:
    total = np.empty((len(groups), block.shape[1]))
    for number, rows in enumerate(groups):
        block[_here(rows, first, len(block))].sum(0, dtype=np.float64, out=total[number])
    return Sums(total)


def _alike(block: Float32, first: int, asked: tuple[Int, Float32], size: int) -> Nearest:
    rows, vectors = asked
    return nearest_in_part(lambda some: (vectors[some] @ block.T).astype(np.float64), rows, size, first, CHUNK)
