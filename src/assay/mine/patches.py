"""Patches that rows share at one place: counted in one pass, collected in a second, merged, and grown to their full extent.

Both passes are mergeable integer states: the rows may be split in any way and the parts merged in any order. The first
counts windows (see `patch_windows`) in a hashed table, so that memory does not grow with the rows; the second keeps the
rows of windows whose cell reached the support, and is exact. Labels are not read. Blind to patches that move, are blended
in, or differ from row to row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from assay.dataset.rows import UInt8
from assay.engine.base import Engine, Handle, current, spans
from assay.learn.threads import in_parallel, workers
from assay.mine.patch_windows import Windows, windows

Int = NDArray[np.int64]
UInt64 = NDArray[np.uint64]

SUPPORT = 5  # rows that share a window: fewer are left to the screens
CELLS_A_PIXEL = 0.5  # of pictures full of texture, with .7 windows a pixel, one window in twenty is then kept though nobody shares it
MOST_TABLE_BITS = 30  # 2 GiB: two million pictures of 32x32
TABLE_BITS = 24  # 16 Mi cells of 2 bytes: 10,000 CIFAR-10 pictures fill a quarter; unshared windows are dropped exactly later
CHUNK = 250  # pictures hashed at once: about 20 MiB of temporaries a thread at 32x32
BLOCK = 2_500  # pictures hashed by a worker of an engine at a time: ten chunks
REMEMBER = 20_000_000  # pixels in all: above, windows are hashed twice rather than held (24 bytes each)
SHARED = 0.5  # Jaccard index of carriers above which two windows are parts of one patch
BANDS = 12  # pairs of min-hashes by which such windows meet: at a Jaccard index of .6 they miss once in 200


@dataclass
class WindowCounts:
    """First pass: how many windows fall into each cell of a hashed table, cut at 65,535.

    >>> images = np.zeros((6, 8, 8, 1), np.uint8)
    >>> images[:, 2:5, 2:5, 0] = [[255, 0, 255], [0, 255, 0], [255, 0, 255]]
    >>> halves = WindowCounts.empty().add(images[:2]).merge(WindowCounts.empty().add(images[2:]))
    >>> bool((halves.table == WindowCounts.empty().add(images).table).all())
    True
    """

    table: NDArray[np.uint16]

    @classmethod
    def empty(cls, bits: int = TABLE_BITS) -> Self:
        return cls(np.zeros(1 << bits, np.uint16))

    def add(self, images: UInt8) -> Self:
        """Count the windows of more pictures (n, h, w, c)."""
        for chunk in _hashed(images):
            self.count(chunk)
        return self

    def count(self, found: Iterable[Windows]) -> None:
        for part in found:
            cell, count = np.unique(self.cell(part.key), return_counts=True)
            self.raise_by(cell, np.minimum(count, 65535).astype(np.uint16))

    def raise_by(self, cell: NDArray[np.integer[Any]], count: NDArray[np.uint16]) -> None:
        """Count windows that fall into distinct cells."""
        self.table[cell] = np.minimum(self.table[cell] + count.astype(np.int64), 65535)

    def merge(self, other: Self) -> Self:
        if len(self.table) != len(other.table):
            raise ValueError("tables of different size cannot be merged; make them with the same bits")
        return type(self)(np.minimum(self.table.astype(np.int64) + other.table, 65535).astype(np.uint16))

    def cell(self, key: UInt64) -> Int:
        return cell_of(key, len(self.table).bit_length() - 1)


def cell_of(key: UInt64, bits: int) -> Int:
    """(m,) the cell, of 2^bits, that each window falls into."""
    return (key >> np.uint64(64 - bits)).astype(np.int64)


def table_bits(images: UInt8) -> int:
    """So many that windows of so many pictures seldom meet strangers."""
    return int(np.clip(np.ceil(np.log2(max(images[..., 0].size * CELLS_A_PIXEL, 1))), TABLE_BITS, MOST_TABLE_BITS))


@dataclass
class WindowRows:
    """Second pass: rows of the windows that may have support. `conclude` sorts, so that order of arrival does not matter."""

    counts: WindowCounts
    support: int
    key: UInt64
    row: Int
    place: Int  # row * width + column
    side: NDArray[np.int8]  # negative for blocks

    @classmethod
    def empty(cls, counts: WindowCounts, support: int = SUPPORT) -> Self:
        none = np.zeros(0, np.int64)
        return cls(counts, support, none.astype(np.uint64), none, none, none.astype(np.int8))

    def add(self, images: UInt8, first_row: int) -> Self:
        """Collect from pictures whose first is row `first_row` of the data set."""
        return self.collect(_hashed(images), range(first_row, first_row + len(images), CHUNK))

    def collect(self, chunks: Iterable[Iterable[Windows]], first_rows: Iterable[int]) -> Self:
        found = []
        for chunk, first_row in zip(chunks, first_rows, strict=True):
            for part in chunk:
                kept = self.counts.table[self.counts.cell(part.key)] >= self.support
                sides = np.full(int(kept.sum()), part.side, np.int8)
                found.append((part.key[kept], part.row[kept] + first_row, part.place[kept], sides))
        return self._with(found)

    def merge(self, other: Self) -> Self:
        return self._with([(other.key, other.row, other.place, other.side)])

    def _with(self, parts: list[tuple[UInt64, Int, Int, NDArray[np.int8]]]) -> Self:
        columns = zip((self.key, self.row, self.place, self.side), *parts, strict=True)
        return type(self)(self.counts, self.support, *(np.concatenate(c) for c in columns))

    def conclude(self) -> SharedWindows:
        """Windows with support, in the order of their keys."""
        order = np.lexsort((self.row, self.key))
        key, row = self.key[order], self.row[order]
        starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else np.zeros(0, np.int64)
        sizes = np.diff(np.r_[starts, len(key)])
        enough = sizes >= self.support
        kept = np.repeat(enough, sizes)
        first = order[starts[enough]]
        return SharedWindows(np.r_[0, np.cumsum(sizes[enough])].astype(np.int64), row[kept], self.place[first], self.side[first])


@dataclass(frozen=True)
class SharedWindows:
    """Windows that at least `support` rows share: rows of window i are `row[start[i] : start[i + 1]]`, ascending."""

    start: Int
    row: Int
    place: Int
    side: NDArray[np.int8]  # negative for blocks

    def __len__(self) -> int:
        return len(self.place)

    @property
    def support(self) -> Int:
        return np.diff(self.start)

    def rows(self, window: int) -> Int:
        return self.row[self.start[window] : self.start[window + 1]]


def shared_windows(images: UInt8, support: int = SUPPORT) -> SharedWindows:
    """Both passes over pictures (n, h, w, c) held in memory; small sets are hashed once and remembered in between."""
    if current().remote:
        return _by_workers(current(), images, support)
    counts = WindowCounts.empty(table_bits(images))
    if images[..., 0].size > REMEMBER:
        return WindowRows.empty(counts.add(images), support).add(images, 0).conclude()
    chunks = list(_hashed(images))
    for chunk in chunks:
        counts.count(chunk)
    return WindowRows.empty(counts, support).collect(chunks, range(0, len(images), CHUNK)).conclude()


def _by_workers(engine: Engine, images: UInt8, support: int) -> SharedWindows:
    """The same by the workers of an engine; here, too, small sets are hashed once, and their windows stay with the workers.

    A block's counts travel as the cells that it fills, which are fewer than those of the table.
    """
    starts = [start for start, _ in spans(len(images), BLOCK)]
    blocks: list[Handle[Any]] = [engine.put(images[start : start + BLOCK]) for start in starts]
    if images[..., 0].size <= REMEMBER:
        blocks = engine.hold(_remembered, [(block,) for block in blocks])
    counts = WindowCounts.empty(table_bits(images))
    for cell, count in engine.map(_counted, [(block, table_bits(images)) for block in blocks]):
        counts.raise_by(cell, count)
    placed, rows = engine.put(counts), WindowRows.empty(counts, support)
    calls = ((placed, support, block, start) for block, start in zip(blocks, starts, strict=True))
    return rows._with(list(engine.map(_collected, calls))).conclude()


def _remembered(images: UInt8) -> list[list[Windows]]:
    """What hashing gives, places in 32 bits."""
    small = np.int32
    return [[replace(w, row=w.row.astype(small), place=w.place.astype(small)) for w in chunk] for chunk in _hashed(images)]


def _counted(block: UInt8 | list[list[Windows]], bits: int) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
    """(cells that windows fall into, how many to each)."""
    chunks = _hashed(block) if isinstance(block, np.ndarray) else block
    cells = [np.zeros(0, np.int64), *(cell_of(part.key, bits) for chunk in chunks for part in chunk)]
    cell, count = np.unique(np.concatenate(cells), return_counts=True)
    return cell.astype(np.int32), np.minimum(count, 65535).astype(np.uint16)


def _collected(
    counts: WindowCounts, support: int, block: UInt8 | list[list[Windows]], first_row: int
) -> tuple[UInt64, Int, Int, NDArray[np.int8]]:
    """Keys, rows, places and sides of a block's windows that may have support."""
    rows = WindowRows.empty(counts, support)
    if isinstance(block, np.ndarray):
        rows = rows.add(block, first_row)
    else:
        rows = rows.collect(block, range(first_row, first_row + CHUNK * len(block), CHUNK))
    return rows.key, rows.row, rows.place, rows.side


def _hashed(images: UInt8) -> Iterator[list[Windows]]:
    """The windows of each `CHUNK` pictures; as many chunks at once as there are threads."""
    starts = list(range(0, len(images), CHUNK))
    for i in range(0, len(starts), workers()):
        yield from in_parallel(lambda s: list(windows(images[s : s + CHUNK])), starts[i : i + workers()])


def merged(found: SharedWindows) -> Int:
    """(m,) for each window the one that stands for it: the best supported with more than half of its carriers in common.

    Windows with the same carriers are parts of one patch. Pairs are found by min-hashing (Broder 1997); among those that
    share a band, each is compared with the best supported one (ties: textures before blocks, then the lower number).
    """
    m = len(found)
    stands = np.arange(m)
    if not m:
        return stands
    rank = np.random.default_rng(0).permuted(np.tile(np.arange(int(found.row.max()) + 1), (2 * BANDS, 1)), axis=1)
    support = found.support
    by_support = np.lexsort((np.arange(m), -found.side, -support))
    height = np.empty(m, np.int64)
    height[by_support] = np.arange(m)
    width = int(found.row.max()) + 1
    inside = np.repeat(np.arange(m), support) * width + found.row  # ascending: windows in order, rows in order
    best = height.copy()
    for a, b in rank.reshape(BANDS, 2, -1):
        band = np.minimum.reduceat(a[found.row], found.start[:-1]) * width
        band += np.minimum.reduceat(b[found.row], found.start[:-1])
        _, bucket = np.unique(band, return_inverse=True)
        top = np.full(bucket.max() + 1, m)
        np.minimum.at(top, bucket, height)
        other = by_support[top[bucket]]
        pairs = np.flatnonzero((other != np.arange(m)) & (support > SHARED * support[other]))
        alike = pairs[_jaccard(found, inside, width, pairs, other[pairs]) > SHARED]
        best[alike] = np.minimum(best[alike], height[other[alike]])
    for w in by_support:  # the best supported first: whoever stands for another is settled before
        stands[w] = stands[by_support[best[w]]]
    return stands


def _jaccard(found: SharedWindows, inside: Int, width: int, mine: Int, other: Int) -> NDArray[np.float64]:
    """(p,) Jaccard index of the carriers of windows `mine` (p,) and `other` (p,)."""
    sizes = found.support[mine]
    pair = np.repeat(np.arange(len(mine)), sizes)
    at = np.arange(len(pair)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(found.start[mine], sizes)
    wanted = other[pair] * width + found.row[at]
    slot = np.minimum(np.searchsorted(inside, wanted), len(inside) - 1)
    both = np.bincount(pair[inside[slot] == wanted], minlength=len(mine))
    return np.asarray(both / np.maximum(sizes + found.support[other] - both, 1))
