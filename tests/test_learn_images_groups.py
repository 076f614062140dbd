"""Thumbnails beside plain means, and near-duplicates that a scan looks for once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from assay.learn.images_groups import SIDE, near_duplicates, thumbnails
from assay.trial import image_probe


@pytest.mark.parametrize("shape", [(32, 32, 3), (5, 32, 1), (33, 47, 4), (300, 90, 3), (8, 8, 1), (2300, 2300, 1)])
def test_thumbnails_are_means_of_their_cells(shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    rows, cols = (np.unique(np.linspace(0, s, min(SIDE, s) + 1).round().astype(int)) for s in shape[:2])
    means = [[images[:, a:b, c:d].mean((1, 2)) for c, d in pairwise(cols)] for a, b in pairwise(rows)]
    flat = np.array(means).transpose(2, 0, 1, 3).reshape(3, -1)
    flat = flat - flat.mean(1, keepdims=True)
    np.testing.assert_allclose(thumbnails(images), flat / np.linalg.norm(flat, axis=1, keepdims=True), atol=2e-5)


def test_a_scan_looks_for_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), dtype=np.uint8)
    images[7] = images[3]
    looked = []
    monkeypatch.setattr(image_probe, "near_duplicates", lambda some: looked.append(len(some)) or near_duplicates(some))
    reader = image_probe.reader_of(_Pictures(images), 0)  # type: ignore[arg-type]
    assert image_probe.same_pictures(images, reader).tolist() == near_duplicates(images).tolist()
    assert image_probe.same_pictures(images.copy(), reader)[7] == 3
    assert looked == [30]
    image_probe.same_pictures(images[:20], reader)
    assert looked == [30, 20]


class _Pictures:
    def __init__(self, images: np.ndarray) -> None:
        self.images = images
