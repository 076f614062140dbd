"""Near-duplicate pictures: perceptual hashes, sorted under secret shuffles, checked against the pictures.

Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions" (the DCT hash); Charikar 2002, STOC
(neighbours in Hamming space by sorting permuted codes).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from assay.screen.copies import join_pairs

Int = NDArray[np.int64]

# Side of the grey thumbnail that is transformed, and of the block of low frequencies that is kept: 8 x 8 less the
# mean, 63 bits.
THUMBNAIL = 32
KEPT = 8
# Shuffles, and neighbours compared after each: a pair that differs in 4 of 63 bits stands side by side in one of 12
# with probability about .99 among 10,000 pictures.
SHUFFLES, WINDOW = 12, 3
# Bits in which near duplicates may differ.
FEW_BITS = 8
# A hash of a picture without detail is chance; so the thumbnails must agree too: root mean square difference in grey
# levels (of 255), after removing each one's brightness and contrast, as a share of the contrast.
# Measured with 200 copies under noise of 4 grey levels: .99 found on CIFAR-10, MNIST and faces, .8 on (dark) GTSRB;
# at 0.25 different handwritten ones begin to join.
THUMBNAIL_DIFFERENCE = 0.15
# Pictures transformed at a time.
BLOCK = 2_000


def near_picture_groups(images: NDArray[np.uint8], rng: np.random.Generator) -> Int:
    """(n,) group numbers of pictures that look the same but for compression, small noise, brightness or contrast.

    n log n. Cannot see crops, turns or mirror images.
    """
    small = thumbnails(images)
    bits = perceptual_bits(small)
    keys: list[Int] = []
    n = len(images)
    for _ in range(SHUFFLES):
        packed = np.packbits(bits[:, rng.permutation(bits.shape[1])], axis=1)
        order = np.lexsort(packed.T[::-1])
        for step in range(1, WINDOW + 1):
            a, b = order[:-step], order[step:]
            close = (bits[a] != bits[b]).sum(axis=1) <= FEW_BITS
            keys.append(np.minimum(a[close], b[close]) * n + np.maximum(a[close], b[close]))
    pairs = np.unique(np.concatenate(keys))
    left, right = pairs // max(n, 1), pairs % max(n, 1)
    alike = _difference(small, left, right) <= THUMBNAIL_DIFFERENCE
    return join_pairs(n, left[alike], right[alike])


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 32, 32) grey, each with mean 0 and standard deviation 1 (a flat picture stays 0); averaged down, or
    repeated up.
    """
    n, height, width, _ = images.shape
    rows, columns = _cells(height), _cells(width)
    out = np.empty((n, THUMBNAIL, THUMBNAIL), np.float32)
    for start in range(0, n, BLOCK):
        grey = images[start : start + BLOCK].mean(axis=3, dtype=np.float32)
        out[start : start + len(grey)] = np.einsum("ih,nhw,jw->nij", rows, grey, columns, optimize=True)
    out -= out.mean(axis=(1, 2), keepdims=True)
    spread = out.std(axis=(1, 2), keepdims=True)
    return np.asarray(out / np.where(spread > 1e-3, spread, 1.0), np.float32)


def perceptual_bits(small: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n, 63) whether each low frequency of the cosine transform lies above the picture's median one.

    >>> picture = np.random.default_rng(0).integers(0, 255, (1, 40, 40, 3), dtype=np.uint8)
    >>> a, b = (perceptual_bits(thumbnails(x)) for x in (picture, picture // 2 + 60))
    >>> int((a != b).sum()) <= 2
    True
    """
    out = np.empty((len(small), KEPT * KEPT - 1), bool)
    for start in range(0, len(small), BLOCK):
        low = dctn(small[start : start + BLOCK], axes=(1, 2))[:, :KEPT, :KEPT].reshape(-1, KEPT * KEPT)[:, 1:]
        out[start : start + len(low)] = low > np.median(low, axis=1, keepdims=True)
    return out


def _difference(small: NDArray[np.float32], left: Int, right: Int) -> NDArray[np.float32]:
    """(p,) root mean square difference of the standardised thumbnails of each pair."""
    out = np.empty(len(left), np.float32)
    for start in range(0, len(left), BLOCK):
        part = slice(start, start + BLOCK)
        out[part] = np.sqrt(((small[left[part]] - small[right[part]]) ** 2).mean(axis=(1, 2)))
    return out


def _cells(length: int) -> NDArray[np.float32]:
    """(32, length) weights that average `length` pixels into 32 equal cells, parts of pixels included."""
    edges = np.linspace(0, length, THUMBNAIL + 1)
    pixel = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    overlap = np.maximum(overlap, 0)
    return np.asarray(overlap / overlap.sum(axis=1, keepdims=True), np.float32)
