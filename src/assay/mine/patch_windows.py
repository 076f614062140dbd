"""The small windows of pictures that many rows may share, each as one integer key.

Two kinds at each place. *Texture*: a 3x3 window, quantised to 3 bits a channel, with enough contrast in it. *Block*: an
even square of 1 to 6 pixels a side, quantised alike, whose every border is a step in colour; a single odd pixel is a
block of one. Labels are not read. Keys are equal where kind, place and quantised content are; different content shares
a key with probability about 2^-60.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from assay.dataset.rows import UInt8

UInt64 = NDArray[np.uint64]
Int = NDArray[np.int64]
Bools = NDArray[np.bool_]

WINDOW = 3  # the smallest published square trigger; larger ones hold many such windows
CONTRAST = 25  # standard deviation of a texture: below, smooth sky and skin recur by the thousand
BITS = 3  # kept of each value of a texture: moved by less than 16 levels from the middle of a step it keeps its key
BLOCK_BITS = 5  # of a block's, which is told by one colour alone: with 3, 18,000 odd pixels recur in CIFAR-10
LARGEST_BLOCK = 6
EVEN = 16  # greatest difference of values inside a block
STEP = 24  # least difference, in some channel, across a block's border ...
PIXEL_STEP = 48  # ... and across that of a single pixel: thin lines and noise are common
FULL_PLACES = 64  # pictures up to this side are searched at every place; larger ones at every (side / 64)th
_SALT = np.random.default_rng(20170822).integers(1, 2**63, (16, 16), dtype=np.uint64) | np.uint64(1)
_PLACE = np.uint64(0x9E3779B97F4A7C15)
_KIND = 0xC2B2AE3D27D4EB4F


def stride(height: int, width: int) -> int:
    """Every how many pixels a window is looked at: 1 up to 64 pixels a side, so that cost stays linear in pixels."""
    return -(-max(height, width) // FULL_PLACES)


def quantised(images: UInt8, bits: int) -> UInt64:
    """(n, h, w) one code per pixel: the top bits of each channel."""
    code = np.zeros(images.shape[:3], np.uint64)
    for channel in range(images.shape[3]):
        code = (code << np.uint64(bits)) | (images[..., channel] >> (8 - bits)).astype(np.uint64)
    return code + np.uint64(1)


@dataclass(frozen=True)
class Windows:
    """Windows of one kind in a batch: key, row in the batch, and place (row * width + column of the upper left corner)."""

    side: int  # in pixels; negative for blocks
    key: UInt64
    row: Int
    place: Int


def windows(images: UInt8) -> Iterator[Windows]:
    """Texture, then each size of block: every window of pictures (n, h, w, c) that qualifies."""
    if min(images.shape[1:3]) >= WINDOW:
        step = stride(*images.shape[1:3])
        yield _keys(WINDOW, window_content(quantised(images, BITS), WINDOW), textured(images, CONTRAST), step, images.shape[2])
    code = quantised(images, BLOCK_BITS)
    for side, outlined in _blocks(images):
        yield _keys(-side, code, outlined, 1, images.shape[2])


def _keys(side: int, content: UInt64, good: Bools, step: int, width: int) -> Windows:
    n, r, c = where(good[:, ::step, ::step])
    r, c = r * step, c * step
    place = r * width + c
    salt = np.uint64((side + LARGEST_BLOCK + 1) * _KIND % 2**64)
    return Windows(side, mixed(content[n, r, c] + place.astype(np.uint64) * _PLACE + salt), n, place)


def where(good: Bools) -> tuple[Int, Int, Int]:
    """`np.nonzero` of (n, h, w), which takes four to ten times as long in three dimensions as in one.

    >>> where(np.array([[[False, True], [False, False]], [[True, False], [False, True]]]))
    (array([0, 1, 1]), array([0, 0, 1]), array([1, 0, 1]))
    """
    _, h, w = good.shape
    place = np.flatnonzero(good)
    n = place // (h * w)
    place -= n * (h * w)
    r = place // w
    return n, r, place - r * w


def mixed(key: UInt64) -> UInt64:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of the key depends on every bit of the input."""
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def window_content(code: UInt64, side: int) -> UInt64:
    """(n, h - side + 1, w - side + 1) one number for the codes (n, h, w) in each window."""
    down, across = code.shape[1] - side + 1, code.shape[2] - side + 1
    total = np.zeros((len(code), down, across), np.uint64)
    for a in range(side):
        for b in range(side):
            total += code[:, a : a + down, b : b + across] * _SALT[a, b]
    return total


def window_pixels(code: UInt64, side: int, n: Int, row: Int, col: Int) -> UInt64:
    """(side^2, m) what each pixel of the windows at `row`, `col` of pictures `n` (m,) adds to their `window_content`."""
    return np.stack([code[n, row + a, col + b] * _SALT[a, b] for a in range(side) for b in range(side)])


def box_sums(values: NDArray[np.int32], side: int) -> NDArray[np.int32]:
    """Sums over side x side windows of (n, h, w)."""
    down, across = values.shape[1] - side + 1, values.shape[2] - side + 1
    tall = sum((values[:, a : a + down] for a in range(1, side)), values[:, :down].copy())
    wide = sum((tall[:, :, b : b + across] for b in range(1, side)), tall[:, :, :across].copy())
    return np.asarray(wide, np.int32)


def textured(images: UInt8, contrast: float) -> Bools:
    """(n, h - 2, w - 2) whether the values of a 3x3 window have more than this standard deviation."""
    return window_variance(images) > contrast**2


def window_variance(images: UInt8) -> NDArray[np.float64]:
    """(n, h - 2, w - 2) the variance of the values of each 3x3 window, over all channels."""
    planes = [images[..., channel].astype(np.int32) for channel in range(images.shape[3])]
    count = WINDOW * WINDOW * len(planes)
    first = box_sums(sum(planes[1:], planes[0]), WINDOW)
    second = box_sums(sum((p * p for p in planes[1:]), planes[0] * planes[0]), WINDOW)
    return np.asarray((count * second - first * first) / count**2)


def _blocks(images: UInt8) -> Iterator[tuple[int, Bools]]:
    """For each side: where (n, h', w') an even square lies whose every border inside the picture is a step in colour."""
    n, h, w, _ = images.shape
    down, right = np.full((n, h + 1, w), 255, np.uint8), np.full((n, h, w + 1), 255, np.uint8)
    down[:, 1:-1] = apart(images[:, 1:], images[:, :-1])  # [i]: between rows i - 1 and i
    right[:, :, 1:-1] = apart(images[:, :, 1:], images[:, :, :-1])  # the picture's own edge counts as a step
    if min(h, w) > 1:
        rise = np.minimum(np.minimum(down[:, 1:], down[:, :-1]), np.minimum(right[:, :, 1:], right[:, :, :-1]))
        yield 1, rise > PIXEL_STEP
    step_down, step_right = down > STEP, right > STEP
    high, low = images, images
    along, upright = step_down, step_right  # steps over a whole side of the block
    for side in range(2, min(LARGEST_BLOCK, h - 1, w - 1) + 1):
        high, low = pooled(high, np.maximum), pooled(low, np.minimum)
        along = along[:, :, :-1] & step_down[:, :, side - 1 :]
        upright = upright[:, :-1] & step_right[:, side - 1 :]
        tall, wide = high.shape[1:3]
        framed = along[:, :tall] & along[:, side : side + tall] & upright[:, :, :wide]
        framed &= upright[:, :, side : side + wide]
        if framed.any():
            framed &= apart(high, low) <= EVEN
        yield side, framed


def pooled(values: UInt8, pick: np.ufunc) -> UInt8:
    """The greatest or least (`pick`) of every 2x2 window of (n, h, w, c): twice gives 3x3 windows."""
    tall = pick(values[:, :-1], values[:, 1:])
    return np.asarray(pick(tall[:, :, :-1], tall[:, :, 1:]))


def apart(a: UInt8, b: UInt8) -> UInt8:
    """The greatest absolute difference over the channels: (..., c) to (...)."""
    channels = range(a.shape[-1])  # one channel at a time: a reduction over three neighbours in memory is ten times slower
    apart = (np.maximum(a[..., c], b[..., c]) - np.minimum(a[..., c], b[..., c]) for c in channels)
    return np.asarray(reduce(np.maximum, apart), np.uint8)
