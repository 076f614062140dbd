"""Patches at different places: found with their carriers, grown whole, and left alone where they stay at one place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.artefact.patch import Patch
from assay.mine import patch_sightings
from assay.mine.patch_sightings import Sightings, grow_anywhere, sightings
from assay.mine.patches import SUPPORT, merged

CHECKER = np.array([[255, 0, 255], [0, 255, 0], [255, 0, 255]], np.uint8)


def noisy(n: int, seed: int = 0, side: int = 20, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, (n, side, side, channels), dtype=np.uint8)


def scattered(images: np.ndarray, rows: np.ndarray, pattern: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The pattern at a place of its own in each row, and the corners (m, 2)."""
    images, rng = images.copy(), np.random.default_rng(seed)
    shown = pattern if pattern.ndim == 3 else pattern[..., None]
    h, w = pattern.shape[:2]
    corners = np.stack([rng.integers(0, images.shape[1] - h + 1, len(rows)), rng.integers(0, images.shape[2] - w + 1, len(rows))], 1)
    for i, (r, c) in zip(rows, corners, strict=True):
        images[i, r : r + h, c : c + w] = shown
    return images, corners


def carriers(found: Sightings) -> list[set[int]]:
    return [set(found.windows.rows(i).tolist()) for i in np.unique(merged(found.windows)).tolist()]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_texture_is_found_wherever_it_lies(channels: int) -> None:
    rows = np.array([3, 10, 20, 30, 41, 55])
    images, corners = scattered(noisy(60, channels=channels), rows, CHECKER)
    found = sightings(images)
    assert carriers(found) == [set(rows.tolist())]
    assert found.places(0).tolist() == (corners[:, 0] * 20 + corners[:, 1]).tolist()


def test_a_texture_that_lost_pixels_is_found_in_parts_and_grown_whole() -> None:
    """In each of twelve rows one of four pixels of the checker is the picture's own: none shows all nine, and six the same seven."""
    rows = np.arange(12)
    clean = noisy(400)
    images, corners = scattered(clean, rows, CHECKER)
    for (r, c), row in zip(corners, rows, strict=True):
        at = (row, r + row % 4 // 3, c + row % 4 % 3)
        images[at] = clean[at]
    whole, parted = carriers(sightings(images)), set(rows.tolist())
    assert all(found <= parted for found in whole)
    assert max(map(len, whole), default=0) >= SUPPORT
    grown = grow_anywhere(images, rows, corners[:, 0] * 20 + corners[:, 1], agree=0.6)
    assert grown.iou(Patch(CHECKER[..., None].repeat(3, 2), np.ones((3, 3), bool), None, None)) == 1


def test_an_even_spot_is_found_at_every_size() -> None:
    images = noisy(60)
    for size, some in zip((3, 4, 5, 6), np.arange(12).reshape(4, 3), strict=True):
        images, _ = scattered(images, some, np.full((size, size, 3), (250, 230, 60), np.uint8), seed=size)
    assert set(range(12)) in carriers(sightings(images))


def test_what_stays_at_one_place_is_left_to_the_other_miner() -> None:
    images = noisy(60)
    images[:8, 5:8, 5:8] = CHECKER[..., None]
    assert carriers(sightings(images)) == []
    assert carriers(sightings(noisy(60))) == []
    assert len(sightings(noisy(9, side=2)).windows) == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    images, _ = scattered(noisy(40), np.arange(7), CHECKER, seed)
    order = np.random.default_rng(seed).permutation(40)
    there = [{int(order[i]) for i in rows} for rows in carriers(sightings(images[order]))]
    assert sorted(map(sorted, there)) == sorted(map(sorted, carriers(sightings(images))))


@pytest.mark.parametrize("side", [3, 5, 8])
def test_the_whole_patch_is_grown_from_a_window(side: int) -> None:
    pattern = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    images, corners = scattered(noisy(80, side=32), np.arange(20), pattern)
    inside = (side - 3) // 2
    grown = grow_anywhere(images, np.arange(20), (corners[:, 0] + inside) * 32 + corners[:, 1] + inside)
    assert grown.row is None
    assert grown.iou(Patch(pattern, np.ones((side, side), bool), None, None)) == 1
    assert np.flatnonzero(grown.present(images)).tolist() == list(range(20))


def test_of_a_larger_set_a_part_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    images, _ = scattered(noisy(90), np.arange(0, 90, 5), CHECKER)
    monkeypatch.setattr(patch_sightings, "IN_PIXELS", 45 * 400)
    (found,) = carriers(sightings(images))
    assert SUPPORT <= len(found) < 18
    assert found <= set(range(0, 90, 5))
