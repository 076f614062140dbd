"""Pictures turned into numbers without labels: random convolution patches, rectified and pooled.

Filters are whitened patches drawn from the pictures themselves; each answers at every second place, both signs are kept
above a bias, and answers are averaged over a grid of regions. A linear model on these is the probe of a machine without
torch. Source: Coates, Lee, Ng, An Analysis of Single-Layer Networks in Unsupervised Feature Learning, 2011, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from assay.dataset.rows import UInt8
from assay.learn.threads import in_parallel

Float32 = NDArray[np.float32]
Int = NDArray[np.int64]
Bools = NDArray[np.bool_]

LARGEST = 64  # pixels a side that a probe sees: larger pictures are pooled, so that cost stays linear in rows
FILTERS = 128  # 128 reach 59 % on CIFAR-10 from 5,000 rows, 200 reach 60 % at 1.6 times the cost
WINDOW = 6  # pixels a side of a filter; smaller pictures get smaller ones
REGIONS = 3  # the pooling grid is 3x3: 75 % on GTSRB by track, against 65 % with 2x2
BIAS = 0.7  # answers below are cut: sparse features; 0.25 to 1 differ by under a point
CONTRAST = 10.0  # added to a patch's variance (of 255 grey levels squared), so that flat patches are not blown up
WHITEN = 0.1  # added to the spectrum of the covariance, as in the source
SAMPLES = 20_000  # patches that the covariance is estimated from
CHUNK = 32  # pictures at once: 32 x 196 x 108 float32 is 3 MiB and stays in the cache
WHOLE = slice(0, REGIONS)  # of the grid, down or across


def shrink(images: UInt8) -> UInt8:
    """Pictures (n, h, w, c) averaged over equal squares until neither side exceeds 64; smaller ones as they are."""
    _, h, w, _ = images.shape
    step = -(-max(h, w) // LARGEST)
    if step == 1:
        return images
    h, w = max(h // step, 1), max(w // step, 1)
    parts = [
        images[i : i + CHUNK, : h * step, : w * step].reshape(-1, h, step, w, step, images.shape[3]).mean((2, 4), dtype=np.float32)
        for i in range(0, len(images), CHUNK)
    ]
    return np.rint(np.concatenate(parts)).astype(np.uint8)


@dataclass(frozen=True)
class PatchFeatures:
    """`filters` (window * window * c, k) that sum to zero, `offset` (k,): a label-free map from pictures to numbers.

    >>> images = np.random.default_rng(0).integers(0, 256, (20, 12, 12, 1), dtype=np.uint8)
    >>> PatchFeatures.learn(images, np.random.default_rng(1), filters=8).transform(images).shape
    (20, 144)
    """

    filters: Float32
    offset: Float32
    window: int
    stride: int

    @classmethod
    def learn(cls, images: UInt8, rng: np.random.Generator, filters: int = FILTERS) -> PatchFeatures:
        """Filters from patches of these pictures (n, h, w, c); labels are not read."""
        n, h, w, _ = images.shape
        k = max(1, min(WINDOW, min(h, w) // 3 + 1))
        i, a, b = rng.integers(0, n, SAMPLES), rng.integers(0, h - k + 1, SAMPLES), rng.integers(0, w - k + 1, SAMPLES)
        inside = np.arange(k)
        drawn = images[i[:, None, None], a[:, None, None] + inside[:, None], b[:, None, None] + inside]
        patches = drawn.reshape(SAMPLES, -1).astype(np.float32)
        patches -= patches.mean(1, keepdims=True)
        patches /= np.sqrt(patches.var(1, keepdims=True) + CONTRAST)
        centre = patches.mean(0)
        spectrum, basis = np.linalg.eigh(np.atleast_2d(np.cov((patches - centre).T)))
        whiten = (basis / np.sqrt(spectrum + WHITEN)) @ basis.T
        units = ((patches - centre) @ whiten)[:filters]
        units /= np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-6)
        weights = whiten @ units.T
        offset = centre @ weights
        # a patch less its mean, times a filter, is the patch times the filter less its mean
        return cls((weights - weights.mean(0)).astype(np.float32), offset.astype(np.float32), k, 2 if k > 3 else 1)

    def transform(self, images: UInt8) -> Float32:
        """(n, 2 * k * regions) float32 of pictures (n, h, w, c) of the size that `learn` saw."""
        parts = in_parallel(self._chunk, [images[i : i + CHUNK] for i in range(0, len(images), CHUNK)])
        return np.concatenate(parts).reshape(len(images), -1) if parts else np.zeros((0, 0), np.float32)

    def altered(self, images: UInt8, originals: UInt8, known: Float32) -> Float32:
        """`transform` of pictures (n, h, w, c) that stand in for `originals`, of which it says `known` (n, d).

        Only regions of the grid in which a picture shows something else are computed, by the same sums.
        """
        down, across = self._edges(images)
        changed = images != originals
        rows, cols = changed.reshape(*images.shape[:2], -1).any(2), changed.any(1).any(2)
        spans = np.column_stack([self._touched(rows, down), self._touched(cols, across)])
        result = known.reshape(len(images), 2, len(down) - 1, len(across) - 1, self.filters.shape[1]).copy()
        kinds, kind = np.unique(spans, axis=0, return_inverse=True)
        jobs = []
        for number, (top, bottom, left, right) in enumerate(kinds.tolist()):
            if top < bottom and left < right:
                share = (bottom - top) * (right - left) / ((len(down) - 1) * (len(across) - 1))
                mine, step = np.flatnonzero(kind.ravel() == number), int(CHUNK / share)
                jobs += [(mine[i : i + step], slice(top, bottom), slice(left, right)) for i in range(0, len(mine), step)]
        for (mine, rising, going), part in zip(jobs, in_parallel(lambda job: self._chunk(images[job[0]], *job[1:]), jobs), strict=True):
            result[mine, :, rising, going] = part
        return result.reshape(known.shape)

    def _edges(self, images: UInt8) -> tuple[Int, Int]:
        """The windows, counted down and across, at which regions of the grid begin, and the end."""
        down, across = ((size - self.window) // self.stride + 1 for size in images.shape[1:3])
        return _regions(down), _regions(across)

    def _touched(self, changed: Bools, edges: Int) -> Int:
        """(n, 2) the first region along a side, and the one after the last, whose windows see a pixel that `changed` (n, size)."""
        size = changed.shape[1]
        first, last = changed.argmax(1), size - 1 - changed[:, ::-1].argmax(1)
        low = np.maximum(-((self.window - 1 - first) // self.stride), 0)
        high = np.minimum(last // self.stride, edges[-1] - 1)
        touched = np.column_stack([np.searchsorted(edges, low, side="right") - 1, np.searchsorted(edges, high, side="right")])
        touched[~changed.any(1) | (low > high)] = 0
        return touched

    def _chunk(self, images: UInt8, rising: slice = WHOLE, going: slice = WHOLE) -> Float32:
        """(n, 2, regions down, regions across, k) of some regions of the grid."""
        k, s = self.window, self.stride
        down, across = (edges[some.start : some.stop + 1] for edges, some in zip(self._edges(images), (rising, going), strict=True))
        seen = images[:, down[0] * s : (down[-1] - 1) * s + k, across[0] * s : (across[-1] - 1) * s + k]
        windows = sliding_window_view(seen.astype(np.float32), (k, k), (1, 2))[:, ::s, ::s]
        n, count = len(images), windows.shape[1] * windows.shape[2]
        flat = windows.transpose(0, 1, 2, 4, 5, 3).reshape(n * count, -1)
        variance = np.einsum("ij,ij->i", flat, flat) / flat.shape[1] - flat.mean(1) ** 2
        answers = flat @ self.filters
        answers /= np.sqrt(np.maximum(variance, 0) + CONTRAST)[:, None]
        answers -= self.offset
        positive = answers - BIAS
        negative = np.subtract(-BIAS, answers, out=answers)
        pool = _pool(down - down[0], across - across[0])
        halves = [pool @ np.maximum(half, 0, out=half).reshape(n, count, -1) for half in (positive, negative)]
        return np.stack(halves, 1).reshape(n, 2, len(down) - 1, len(across) - 1, -1)


def _regions(windows: int) -> Int:
    return np.unique(np.linspace(0, windows, REGIONS + 1).round().astype(np.int64))


def _pool(down: Int, across: Int) -> Float32:
    """(regions, windows) weights that average over each region of the grid, row by row, that begins and ends at these windows."""
    regions = []
    for top, bottom in pairwise(down):
        for left, right in pairwise(across):
            inside = np.zeros((down[-1], across[-1]), np.float32)
            inside[top:bottom, left:right] = 1 / ((bottom - top) * (right - left))
            regions.append(inside.ravel())
    return np.stack(regions)
