"""Features of a scan's pictures, computed once: its canary copies alter a few hundred rows of ten thousand."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from assay.dataset.rows import UInt8
from assay.learn.images_features import PatchFeatures

Float32 = NDArray[np.float32]

SEED = 0x5EED  # of the multipliers; a collision costs nothing but time, since pictures are compared too


class FeatureMemory:
    """`features` of the pictures `images` (n, h, w, c), kept from the first time that they are asked for.

    What is remembered is always computed from all n pictures in their order, so that answers do not depend on who asked first. 2,304
    float32 a picture: 92 MB for 10,000.

    >>> images = np.random.default_rng(0).integers(0, 256, (20, 12, 12, 1), dtype=np.uint8)
    >>> features = PatchFeatures.learn(images, np.random.default_rng(1), filters=8)
    >>> bool(np.allclose(FeatureMemory(images, features).transform(images[5:]), features.transform(images[5:])))
    True
    """

    def __init__(self, images: UInt8, features: PatchFeatures) -> None:
        self._images = images
        self._features = features

    def transform(self, images: UInt8) -> Float32:
        """(m, d) of pictures (m, h, w, c): remembered ones looked up, the others computed."""
        if images.shape[1:] != self._images.shape[1:]:
            return self._features.transform(images)
        place = self._places(images)
        result = self._known[np.maximum(place, 0)]
        new = np.flatnonzero(place < 0)
        if len(new):
            result[new] = self._features.transform(images[new])
        return result

    def _places(self, images: UInt8) -> NDArray[np.int64]:
        """(m,) which of the remembered pictures each is; -1: none of them."""
        order, sums = self._sums
        mine = self._sum(images)
        at = order[np.minimum(np.searchsorted(sums, mine), len(sums) - 1)]
        same = (images == self._images[at]).reshape(len(images), -1).all(1)
        return np.where(same, at, -1)

    @cached_property
    def _known(self) -> Float32:
        return self._features.transform(self._images)

    @cached_property
    def _sums(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        sums = self._sum(self._images)
        order = np.argsort(sums, kind="stable")
        return order, sums[order]

    def _sum(self, images: UInt8) -> NDArray[np.uint64]:
        """(m,) a sum that tells pictures apart: products of bytes and random numbers, modulo 2**64."""
        flat = images.reshape(len(images), -1)
        words = np.zeros((len(flat), -(-flat.shape[1] // 8) * 8), np.uint8)
        words[:, : flat.shape[1]] = flat
        drawn = np.random.default_rng(SEED).integers(0, 2**64, words.shape[1] // 8, np.uint64)
        return np.asarray((words.view(np.uint64) * (drawn | np.uint64(1))).sum(1, dtype=np.uint64))
