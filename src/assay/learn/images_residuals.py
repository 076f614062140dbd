"""What pixels say beyond their neighbours: residual statistics of pictures, for traces that the eye does not see.

A warp interpolates, a quantiser flattens, an encoder adds what no lens does: each changes how a pixel departs from what its neighbours
foresee, whatever the picture shows. Two accounts of that, made without labels:

- *co-occurrences*: how often three neighbouring residuals take each triple of values, for first and second differences and a Laplacian, at
  two coarsenesses; a triple, its mirror and its negative count as one. Square roots, so that rare triples speak too;
- *maps*: the logarithm of the mean size of seven residuals in each cell of a grid, since a trigger may stay where it is.

They hardly know what a picture shows, which is what they are for, and nothing of a pattern that is drawn anew without a trace. Pictures
over `LARGEST` pixels a side are looked at in their middle only: shrinking would wipe the traces out. Sources: Pevny, Bas, Fridrich,
Steganalysis by Subtractive Pixel Adjacency Matrix, 2010, section III; Fridrich, Kodovsky, Rich Models for Steganalysis, 2012, section II.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.dataset.rows import UInt8
from assay.learn.threads import in_parallel

Float32 = NDArray[np.float32]
Int16 = NDArray[np.int16]

LARGEST = 64  # pixels a side
TRUNCATED = 2  # residuals beyond this, in steps, count as this: 5^3 triples, 39 that differ
STEPS = (1, 4)  # grey levels; higher orders are divided by their gain as well
GRID = 8  # cells a side of the maps, or fewer in pictures of under 4 pixels a cell
LEAST_CELL = 4
CHUNK = 250  # pictures at once


def residuals(images: UInt8) -> Float32:
    """(n, d) float32 residual statistics of pictures (n, h, w, c), 8 pixels a side and more; d is 2,046 for 32x32 in colour.

    >>> images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 1), dtype=np.uint8)
    >>> residuals(images).shape
    (3, 346)
    """
    middle = _middle(images)
    parts = in_parallel(_chunk, [middle[i : i + CHUNK] for i in range(0, len(middle), CHUNK)])
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def _middle(images: UInt8) -> UInt8:
    _, h, w, _ = images.shape
    top, left = max(h - LARGEST, 0) // 2, max(w - LARGEST, 0) // 2
    return images[:, top : top + LARGEST, left : left + LARGEST]


def _chunk(images: UInt8) -> Float32:
    return np.concatenate([_cooccurrences(images.astype(np.int16)), _maps(images.astype(np.float32))], 1)


def _cooccurrences(x: Int16) -> Float32:
    """(n, 2 * 3 * c * 39) square roots of shares."""
    found = []
    for channel in np.moveaxis(x, 3, 0):
        across, down = np.diff(channel, axis=2), np.diff(channel, axis=1)
        laplacian = 4 * channel[:, 1:-1, 1:-1] - channel[:, :-2, 1:-1] - channel[:, 2:, 1:-1] - channel[:, 1:-1, :-2] - channel[:, 1:-1, 2:]
        kinds = ((1, across, down), (2, np.diff(across, axis=2), np.diff(down, axis=1)), (4, laplacian, laplacian))
        found += [np.sqrt((_triples(a, 2, gain * s) + _triples(b, 1, gain * s)) @ _ALIKE) for s in STEPS for gain, a, b in kinds]
    return np.concatenate(found, 1).astype(np.float32)


def _triples(residual: Int16, axis: int, step: int) -> NDArray[np.float64]:
    """(n, 125) share of each triple of neighbouring residuals along an axis."""
    size = 2 * TRUNCATED + 1
    value = np.moveaxis(np.clip(np.rint(residual / np.float32(step)), -TRUNCATED, TRUNCATED).astype(np.int64) + TRUNCATED, axis, -1)
    code = (value[..., :-2] * size * size + value[..., 1:-1] * size + value[..., 2:]).reshape(len(value), -1)
    flat = (np.arange(len(code))[:, None] * size**3 + code).ravel()
    return np.bincount(flat, minlength=len(code) * size**3).reshape(len(code), -1) / max(code.shape[1], 1)


def _alike() -> NDArray[np.float64]:
    """(125, 39) 1 where a triple, its mirror, its negative, or both, is the kind."""
    size = 2 * TRUNCATED + 1
    code = np.arange(size**3)
    a, b, c = code // (size * size), code // size % size, code % size
    mirror = c * size * size + b * size + a
    first = np.minimum.reduce([code, mirror, size**3 - 1 - code, size**3 - 1 - mirror])
    kinds, inverse = np.unique(first, return_inverse=True)
    return np.asarray(np.eye(len(kinds))[inverse])


_ALIKE = _alike()


def _maps(x: Float32) -> Float32:
    """(n, 7 * cells * c) log of 1 + the mean size of seven residuals in each cell."""
    n, h, w, c = x.shape
    p = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    left, right, above, below = p[:, 1:-1, :-2], p[:, 1:-1, 2:], p[:, :-2, 1:-1], p[:, 2:, 1:-1]
    twice_across, twice_down = left + right - 2 * x, above + below - 2 * x
    rising, falling = p[:, :-2, 2:] + p[:, 2:, :-2], p[:, 2:, 2:] + p[:, :-2, :-2]
    laplacian = twice_across + twice_down
    square = rising + falling - 2 * laplacian - 4 * x  # the 3x3 kernel of Ker and Boehme
    down, across = max(h // GRID, LEAST_CELL), max(w // GRID, LEAST_CELL)
    rows, cols = h // down, w // across

    def pooled(residual: Float32) -> Float32:
        whole = np.abs(residual[:, : rows * down, : cols * across]).reshape(n, rows, down, cols, across, c)
        return np.log1p(whole.mean((2, 4))).reshape(n, -1)

    kinds = (right - x, below - x, twice_across, twice_down, laplacian, falling - rising, square)
    return np.concatenate([pooled(kind) for kind in kinds], 1)
