"""Patches that rows share: found, merged, grown; and the same answer however the rows are split."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from assay.mine.patch_grow import Grower
from assay.mine.patches import WindowCounts, WindowRows, merged, shared_windows

CHECKER = np.array([[255, 0, 255], [0, 255, 0], [255, 0, 255]], np.uint8)


def textured(n: int, seed: int = 0, side: int = 16, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, (n, side, side, channels), dtype=np.uint8)


def stamped(images: np.ndarray, rows: np.ndarray, pattern: np.ndarray, row: int, col: int) -> np.ndarray:
    images = images.copy()
    h, w = pattern.shape[:2]
    shown = pattern if pattern.ndim == 3 else pattern[..., None]
    images[rows, row : row + h, col : col + w] = shown
    return images


def leaders_of(images: np.ndarray) -> list[tuple[int, int, set[int]]]:
    found = shared_windows(images)
    return [(int(found.place[i]), int(found.side[i]), set(found.rows(i).tolist())) for i in np.unique(merged(found)).tolist()]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("place", [(0, 0), (13, 13), (5, 9)])
def test_a_shared_patch_is_found_with_exactly_its_carriers(channels: int, place: tuple[int, int]) -> None:
    rows = np.array([3, 10, 20, 30, 41, 55])
    images = stamped(textured(60, channels=channels), rows, CHECKER, *place)
    found = leaders_of(images)
    assert (place[0] * 16 + place[1], 3, set(rows.tolist())) in found


def test_four_carriers_are_too_few_and_a_faint_patch_is_not_a_texture() -> None:
    images = stamped(textured(60), np.arange(4), CHECKER, 5, 5)
    assert leaders_of(images) == []
    images = stamped(np.full((60, 16, 16, 1), 128, np.uint8), np.arange(9), CHECKER // 16 + np.uint8(120), 5, 5)
    assert leaders_of(images) == []


@pytest.mark.parametrize("side", [1, 2, 4, 6])
def test_an_even_square_is_found_by_its_outline(side: int) -> None:
    rows = np.arange(7)
    images = stamped(textured(60), rows, np.full((side, side), 255, np.uint8), 4, 6)
    found = [f for f in leaders_of(images) if f[0] == 4 * 16 + 6]
    assert any(f[2] == set(rows.tolist()) for f in found)


def test_a_larger_patch_is_one_patch_and_is_grown_whole() -> None:
    pattern = np.random.default_rng(5).integers(0, 2, (5, 7, 1), dtype=np.uint8) * np.uint8(255)
    rows = np.arange(0, 60, 4)
    images = stamped(textured(60), rows, pattern, 6, 4)
    found = shared_windows(images)
    leaders = [i for i in np.unique(merged(found)).tolist() if set(found.rows(i).tolist()) == set(rows.tolist())]
    assert len(leaders) == 1
    patch = Grower.of(images).grow(found.rows(leaders[0]), int(found.place[leaders[0]]), 3)
    truth = np.zeros((16, 16), bool)
    truth[6:11, 4:11] = True
    mine = np.zeros((16, 16), bool)
    assert patch.row is not None
    assert patch.col is not None
    mine[patch.row : patch.row + patch.shape[0], patch.col : patch.col + patch.shape[1]] = patch.mask
    assert (mine & truth).sum() / (mine | truth).sum() >= 0.8
    assert np.flatnonzero(patch.present(images)).tolist() == rows.tolist()


def test_real_digits_share_windows_and_merging_leaves_no_two_alike() -> None:
    images = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)[..., None]
    found = shared_windows(images)
    leaders = np.unique(merged(found))
    assert 10 < len(leaders) < len(found)
    tops = sorted(leaders, key=lambda i: -found.support[i])[:150]
    sets = [set(found.rows(int(i)).tolist()) for i in tops]
    alike = sum(len(a & b) > 0.6 * len(a | b) for i, a in enumerate(sets) for b in sets[:i])
    assert alike <= 0.01 * len(tops)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.integers(1, 39), min_size=1, max_size=4, unique=True),
    st.randoms(use_true_random=False),
)
def test_any_split_and_merge_order_concludes_the_same(seed: int, cuts: list[int], shuffle: object) -> None:
    images = stamped(textured(40, seed, 8, 1), np.arange(0, 40, 5), CHECKER, 2, 3)
    everything = WindowCounts.empty(16).add(images)
    whole = WindowRows.empty(everything).add(images, 0).conclude()
    edges = [0, *sorted(cuts), 40]
    parts = list(pairwise(edges))
    shuffle.shuffle(parts)  # type: ignore[attr-defined]
    counts = WindowCounts.empty(16)
    for a, b in parts:
        counts = counts.merge(WindowCounts.empty(16).add(images[a:b]))
    shuffle.shuffle(parts)  # type: ignore[attr-defined]
    rows = WindowRows.empty(counts)
    for a, b in parts:
        rows = WindowRows.empty(counts).add(images[a:b], a).merge(rows)
    split = rows.conclude()
    for name in ("start", "row", "place", "side"):
        assert np.array_equal(getattr(split, name), getattr(whole, name)), name
