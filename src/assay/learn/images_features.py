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

LARGEST = 64  # pixels a side that a probe sees: larger pictures are pooled, so that cost stays linear in rows
FILTERS = 128  # 128 reach 59 % on CIFAR-10 from 5,000 rows, 200 reach 60 % at 1.6 times the cost
WINDOW = 6  # pixels a side of a filter; smaller pictures get smaller ones
REGIONS = 3  # the pooling grid is 3x3: 75 % on GTSRB by track, against 65 % with 2x2
BIAS = 0.7  # answers below are cut: sparse features; 0.25 to 1 differ by under a point
CONTRAST = 10.0  # added to a patch's variance (of 255 grey levels squared), so that flat patches are not blown up
WHITEN = 0.1  # added to the spectrum of the covariance, as in the source
SAMPLES = 20_000  # patches that the covariance is estimated from
CHUNK = 32  # pictures at once: 32 x 196 x 108 float32 is 3 MiB and stays in the cache


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
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def _chunk(self, images: UInt8) -> Float32:
        k, s = self.window, self.stride
        windows = sliding_window_view(images.astype(np.float32), (k, k), (1, 2))[:, ::s, ::s]
        n, down, across = windows.shape[:3]
        flat = windows.transpose(0, 1, 2, 4, 5, 3).reshape(n * down * across, -1)
        variance = np.einsum("ij,ij->i", flat, flat) / flat.shape[1] - flat.mean(1) ** 2
        answers = flat @ self.filters
        answers /= np.sqrt(np.maximum(variance, 0) + CONTRAST)[:, None]
        answers -= self.offset
        pool = _pool(down, across)
        positive = np.maximum(answers - BIAS, 0).reshape(n, down * across, -1)
        np.negative(answers, out=answers)
        answers -= BIAS
        negative = np.maximum(answers, 0, out=answers).reshape(n, down * across, -1)
        return np.concatenate([(pool @ half).reshape(n, -1) for half in (positive, negative)], axis=1)


def _pool(down: int, across: int) -> Float32:
    """(regions, down * across) weights that average over each region of the grid, row by row."""
    rows = np.unique(np.linspace(0, down, REGIONS + 1).round().astype(int))
    cols = np.unique(np.linspace(0, across, REGIONS + 1).round().astype(int))
    regions = []
    for top, bottom in pairwise(rows):
        for left, right in pairwise(cols):
            inside = np.zeros((down, across), np.float32)
            inside[top:bottom, left:right] = 1 / ((bottom - top) * (right - left))
            regions.append(inside.ravel())
    return np.stack(regions)
