"""From a shared window to the whole patch: the pixels on which its carriers agree, as against everybody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label
from scipy.special import bdtrc

from assay.artefact.patch import Patch
from assay.dataset.rows import UInt8

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

ALIKE = 24  # a value agrees with the carriers' median when it is this near in every channel: one step and a half of 16
AGREE = 0.9  # share of carriers that must: a tenth may be chance carriers of the window alone
NEAR = 1e-3  # chance of such agreement among any rows, below which a pixel next to the patch belongs to it
FAR = 1e-8  # the same for a pixel that does not touch it (four corners, two lenses): one in any picture by chance
SEEN = 100  # carriers looked at
OTHERS = 1000  # rows that tell how common a value is at a pixel
LARGEST = 0.3  # of the picture: above, the carriers are near-duplicates and it is the window alone that is tried
LOOSE = 24  # mean absolute difference up to which a row carries a patch of full contrast ...
TIGHT = 6  # ... or of none
PER_CONTRAST = 0.3  # ... and no more than this part of its contrast: an even grey matches a faint texture otherwise


@dataclass(frozen=True)
class Grower:
    """Pictures (n, h, w, c), and a fixed sample of them that says what is common: `usual(mask)` (p, s, c) at p pixels of `mask` (h, w)."""

    images: UInt8
    usual: Callable[[Bools], UInt8]
    agree: float = AGREE

    @classmethod
    def of(cls, images: UInt8) -> Grower:
        sample = images[np.unique(np.linspace(0, len(images) - 1, OTHERS).astype(np.int64))]
        pixels = np.ascontiguousarray(np.moveaxis(sample, 0, 2))
        return cls(images, lambda mask: pixels[mask])

    def grow(self, carriers: Int, place: int, side: int) -> Patch:
        """The patch that these rows share around a window of `side` pixels at `place` (row * width + column)."""
        _, h, w, _ = self.images.shape
        rows = carriers[np.unique(np.linspace(0, len(carriers) - 1, SEEN).astype(np.int64))]
        seen = self.images[rows]
        middle = np.median(seen, axis=0).astype(np.uint8)
        m = len(rows)
        hits = _agreeing(seen, middle).sum(0)
        shared = hits >= self.agree * m
        usual = self.usual(shared)
        common = (_agreeing(usual, middle[shared][:, None]).sum(1) + 1) / (usual.shape[1] + 2)
        chance = np.ones((h, w))
        chance[shared] = bdtrc(hits[shared] - 1, m, common)  # P(at least so many of m rows agree)
        seed = np.zeros((h, w), bool)
        top, left = divmod(place, w)
        seed[top : top + side, left : left + side] = True
        telling = shared & (chance < NEAR)
        if not (telling & seed).any():
            telling |= seed
        mask = _connected(telling, seed)
        mask |= shared & (hits >= 0.95 * m) & (chance < FAR)
        box = _box(mask)
        mask[box] |= shared[box] & binary_dilation(mask)[box]  # black on a black ground tells nothing, but is part of it
        if mask.sum() > LARGEST * h * w:
            mask, box = seed, _box(seed)
        pixels, inked = middle[box], mask[box]
        far = np.abs(seen[:, box[0], box[1]][:, inked].astype(np.int16) - pixels[inked].astype(np.int16)).mean((1, 2))
        return Patch(pixels, inked, int(box[0].start), int(box[1].start), _tolerance(pixels[inked], far))


def _tolerance(inked: UInt8, far: Floats) -> int:
    """How far a row may be from a patch and carry it: less for a faint texture, but as far as most known carriers are."""
    contrast = (inked.astype(np.float64) - inked.mean(0)).std()
    return int(np.clip(np.ceil(max(PER_CONTRAST * contrast, np.quantile(far, 0.9))), TIGHT, LOOSE))


def _agreeing(images: UInt8, middle: UInt8) -> Bools:
    apart = np.maximum(images, middle) - np.minimum(images, middle)
    close = apart[..., 0] <= ALIKE
    for channel in range(1, images.shape[-1]):
        close &= apart[..., channel] <= ALIKE
    return np.asarray(close)


def _connected(candidate: Bools, seed: Bools) -> Bools:
    """The parts of `candidate` that touch the seed, diagonals included."""
    parts, _ = label(candidate, structure=np.ones((3, 3)))
    return np.asarray(np.isin(parts, np.unique(parts[seed])) & (parts > 0))


def _box(mask: Bools) -> tuple[slice, slice]:
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)
