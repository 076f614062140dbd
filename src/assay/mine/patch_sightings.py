"""Patches that rows share at different places: small windows whose content recurs wherever it lies in the picture.

Three kinds, as approximate descriptors so that a shift in colour within a step, or a scaled and turned even sticker, keeps its key.
*Texture*: a 3x3 window of high contrast, quantised to 3 bits a channel. *Partial*: one of still higher contrast, without any two of its
pixels, in pictures that hold few of them: of thirty patches that each lose a fifth of their pixels four are whole, and eight hold the
same seven. *Even*: a 3x3 window of one colour, quantised to 4 bits; any larger even shape holds such windows at every size and angle.
Labels are not read. Windows that recur at one place are left to `mine.patches`. Blind to patterns that are redrawn, turned or blended in
from row to row (unless they hold an even spot of 3x3 pixels).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from assay.artefact.patch import Patch
from assay.dataset.rows import UInt8
from assay.engine.base import spans
from assay.learn.threads import spread
from assay.mine.patch_grow import AGREE, OTHERS, Grower
from assay.mine.patch_windows import (
    BITS,
    EVEN,
    WINDOW,
    apart,
    mixed,
    pooled,
    quantised,
    where,
    window_content,
    window_pixels,
    window_variance,
)
from assay.mine.patches import SUPPORT, SharedWindows

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
UInt64 = NDArray[np.uint64]
Small = NDArray[np.int32]

CONTRAST = 50  # standard deviation of a texture: at 25, half of all windows qualify, and one in forty at 70 (a checker has 127)
PARTIAL_CONTRAST = 90  # the same of a partial one: of 10,000 pictures of CIFAR-10 1,000 recur, and 13,000 from 70 on
MOST_PARTIAL = 16  # windows of that contrast in a picture: one photograph in a hundred has more, and handwriting a hundred, which all recur
LEFT_OUT = tuple(combinations(range(WINDOW * WINDOW), 2))  # pixels of a partial window that do not count
EVEN_BITS = 4  # 4,096 colours; with 3 a sticker shares its cell with every pale wall
MOST_OF_ROWS = 0.25  # a colour that more rows hold is a background
PLACES = 3  # distinct ones at least, and no more than half of the sightings at any one
IN_PIXELS = 20_000_000  # looked at, in rows spread evenly over larger sets (20,000 of 32x32): what they show is looked for in all
CHUNK = 256_000  # pixels at once
COVERED = 0.97  # share of the sightings that the patch's tolerance takes in: scaled and turned, some show less of it ...
LOOSEST = 12  # ... up to this mean absolute difference, or what its contrast allows
REACH = 8  # pixels about a window in which the patch is grown


@dataclass(frozen=True)
class Sightings:
    """Windows that rows share, and where each row shows it: `place[i]` belongs to `windows.row[i]` (row * width + column)."""

    windows: SharedWindows
    place: Int

    def places(self, window: int) -> Int:
        """(m,) of the rows `windows.rows(window)`: the middle one where a row shows several."""
        return self.place[self.windows.start[window] : self.windows.start[window + 1]]


def sightings(images: UInt8, support: int = SUPPORT) -> Sightings:
    """Windows that at least `support` of the pictures (n, h, w, c) show, at different places.

    >>> images = np.random.default_rng(0).integers(0, 40, (30, 12, 12, 1), dtype=np.uint8)
    >>> for i in range(6):
    ...     images[i, i : i + 3, 8 - i : 11 - i, 0] = [[255, 0, 255], [0, 255, 0], [255, 0, 255]]
    >>> found = sightings(images)
    >>> found.windows.rows(0).tolist(), found.places(0).tolist()
    ([0, 1, 2, 3, 4, 5], [8, 19, 30, 41, 52, 63])
    """
    width, area = images.shape[2], images.shape[1] * images.shape[2]
    most, chunk = max(1, IN_PIXELS // area), max(1, CHUNK // area)
    looked = np.unique(np.linspace(0, len(images) - 1, min(len(images), most)).astype(np.int64))
    seen = Seen.empty()
    for part in spread(_seen, ((images[looked[start:stop]], start) for start, stop in spans(len(looked), chunk))):
        seen = seen.merge(part)
    key, row, place = seen.conclude()
    begin = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.zeros(0, np.int64)
    sizes = np.diff(np.append(begin, len(key)))
    keep = (sizes >= support) & (sizes <= MOST_OF_ROWS * len(looked))
    keep[keep] = [_moves(place[b : b + n]) for b, n in zip(begin[keep], sizes[keep], strict=True)]
    inside = np.repeat(keep, sizes)
    start = np.concatenate([[0], np.cumsum(sizes[keep])])
    first = place[begin[keep]]
    windows = SharedWindows(start, looked[row[inside]], first, np.full(len(first), min(WINDOW, width), np.int8))
    return Sightings(windows, place[inside])


@dataclass(frozen=True)
class Seen:
    """Windows seen so far, a mergeable state: each part holds the key, row and place of every window of its rows."""

    parts: tuple[tuple[UInt64, Small, Small], ...]

    @staticmethod
    def empty() -> Seen:
        return Seen(())

    def add(self, images: UInt8, first: int) -> Seen:
        """With the pictures (n, h, w, c) whose first is row `first`."""
        return self.merge(_seen(images, first))

    def merge(self, other: Seen) -> Seen:
        return Seen(self.parts + other.parts)

    def conclude(self) -> tuple[UInt64, Int, Int]:
        """All of them by key and row, whatever the order in which they came."""
        if not self.parts:
            none = np.zeros(0, np.int64)
            return none.astype(np.uint64), none, none
        key, row, place = (np.concatenate([part[i] for part in self.parts]) for i in range(3))
        order = np.lexsort((row, key))
        return key[order], row[order].astype(np.int64), place[order].astype(np.int64)


def _moves(place: Int) -> bool:
    _, counts = np.unique(place, return_counts=True)
    return len(counts) >= PLACES and int(counts.max()) * 2 <= len(place)


def _seen(images: UInt8, first: int) -> Seen:
    """Windows of all kinds in a chunk whose first row is `first`."""
    if min(images.shape[1:3]) < WINDOW:
        return Seen.empty()
    variance, code = window_variance(images), quantised(images, BITS)
    n, r, c = where(variance > CONTRAST**2)
    texture = mixed(window_content(code, WINDOW)[n, r, c])
    partial, u, v, w = _partial(code, variance > PARTIAL_CONTRAST**2)
    high = low = images
    for _ in range(WINDOW - 1):
        high, low = pooled(high, np.maximum), pooled(low, np.minimum)
    m, a, b = where(apart(high, low) <= EVEN)
    middle = (high[m, a, b] // 2 + low[m, a, b] // 2)[:, None, None]
    even = mixed(quantised(middle, EVEN_BITS)[:, 0, 0] << np.uint64(1))
    width = images.shape[2]
    found = _middle(
        np.concatenate([texture, partial, even]),
        np.concatenate([n, u, m]) + first,
        np.concatenate([r * width + c, v * width + w, a * width + b]),
    )
    key, row, place = found
    return Seen(((key, row.astype(np.int32), place.astype(np.int32)),))


def _partial(code: UInt64, good: Bools) -> tuple[UInt64, Int, Int, Int]:
    """Key, picture, row and column of every window that is `good` (n, h - 2, w - 2), once without each two of its pixels.

    `code` as of `quantised`. None of pictures that are full of such windows.
    """
    n, r, c = where(good & (good.sum((1, 2)) <= MOST_PARTIAL)[:, None, None])
    pixels = window_pixels(code, WINDOW, n, r, c)
    whole = pixels.sum(0, dtype=np.uint64)
    keys = [mixed(whole - pixels[a] - pixels[b] + np.uint64(number + 1)) for number, (a, b) in enumerate(LEFT_OUT)]
    n, r, c = (np.tile(place, len(LEFT_OUT)) for place in (n, r, c))
    return np.concatenate(keys), n, r, c


def _middle(key: UInt64, row: Int, place: Int) -> tuple[UInt64, Int, Int]:
    """One sighting of each key in each row: the middle one in the order of places. Sorted by key and row.

    Sightings of one key come by row and place, as windows of every kind are found.
    """
    order = np.argsort(key, kind="stable")
    key, row, place = key[order], row[order], place[order]
    fresh = np.flatnonzero(np.append(True, (key[1:] != key[:-1]) | (row[1:] != row[:-1]))[: len(key)])
    return key[fresh], row[fresh], place[(fresh + np.append(fresh[1:], len(key))) // 2]


def grow_anywhere(images: UInt8, rows: Int, places: Int, agree: float = AGREE) -> Patch:
    """The patch, of any place, that pictures `rows` show around windows at `places`: grown on crops laid over one another.

    `agree`: the share of them that must show a pixel.
    """
    _, h, w, _ = images.shape
    reach = min(REACH, (min(h, w) - WINDOW) // 2)
    others = np.unique(np.linspace(0, len(images) - 1, OTHERS).astype(np.int64))
    down, across = _about(images, np.resize(places, len(others)), reach)

    def usual(mask: Bools) -> UInt8:
        r, c = np.nonzero(mask)
        return images[others, down[:, r].T, across[:, c].T]

    grower = Grower(_crops(images, rows, places, reach), usual, agree)
    side = WINDOW + 2 * reach
    grown = grower.grow(np.arange(len(rows)), reach * side + reach, WINDOW)
    free = Patch(grown.pixels, grown.mask, None, None, grown.tolerance)
    apart = float(np.quantile(free.places(images[rows])[2], COVERED))
    return replace(free, tolerance=int(np.clip(np.ceil(apart), grown.tolerance, max(grown.tolerance, LOOSEST))))


def _crops(images: UInt8, rows: Int, places: Int, reach: int) -> UInt8:
    """(m, 3 + 2 reach, 3 + 2 reach, c) about windows at `places`; beyond the picture its edge goes on."""
    down, across = _about(images, places, reach)
    return images[rows[:, None, None], down[:, :, None], across[:, None, :]]


def _about(images: UInt8, places: Int, reach: int) -> tuple[Int, Int]:
    """Rows and columns (m, 3 + 2 reach) of the pixels about windows at `places` (m,)."""
    _, h, w, _ = images.shape
    about = np.arange(-reach, WINDOW + reach)
    return np.clip(places[:, None] // w + about, 0, h - 1), np.clip(places[:, None] % w + about, 0, w - 1)
