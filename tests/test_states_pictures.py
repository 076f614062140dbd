"""Windows and templates of pictures: gathered in any blocks and any order, the same ones in the same rows."""

from __future__ import annotations

import math
import random as random_module
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.engine.base import Engine, using
from assay.engine.cores import Cores
from assay.engine.local import Local
from assay.mine import overlay_blocks, overlays, patch_sightings, patches
from assay.mine.overlays import Templates, shared_templates
from assay.mine.patch_sightings import Seen, sightings
from assay.mine.patches import SharedWindows, WindowCounts, WindowRows, shared_windows


def pictures(rows: int = 60, seed: int = 0) -> np.ndarray:
    """Noise; a checker at one place in some rows, and the same one wandering in others."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (rows, 12, 12, 3), dtype=np.uint8)
    checker = (np.indices((3, 3)).sum(0) % 2 * 255).astype(np.uint8)[..., None]
    images[:8, 1:4, 1:4] = checker
    for i in range(10, 20):
        r, c = rng.integers(0, 9, 2)
        images[i, r : r + 3, c : c + 3] = checker
    return images


def same(a: SharedWindows, b: SharedWindows) -> None:
    for name in ("start", "row", "place", "side"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


@given(st.lists(st.integers(1, 59), max_size=5, unique=True), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_any_split_and_order_gives_the_same_windows(cuts: list[int], random: random_module.Random) -> None:
    images = pictures()
    edges = [0, *sorted(cuts), len(images)]
    blocks = list(pairwise(edges))
    random.shuffle(blocks)
    counts = WindowCounts.empty(16)
    for a, b in blocks:
        counts = WindowCounts.empty(16).add(images[a:b]).merge(counts)
    assert np.array_equal(counts.table, WindowCounts.empty(16).add(images).table)
    rows, seen = WindowRows.empty(counts), Seen.empty()
    for a, b in blocks:
        rows = WindowRows.empty(counts).add(images[a:b], a).merge(rows)
        seen = seen.add(images[a:b], a)
    same(rows.conclude(), WindowRows.empty(counts).add(images, 0).conclude())
    for mine, whole in zip(seen.conclude(), Seen.empty().add(images, 0).conclude(), strict=True):
        assert np.array_equal(mine, whole)


def test_processes_find_what_this_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(200)
    windows, seen = shared_windows(images), sightings(images)
    assert len(windows)
    assert len(seen.windows)
    monkeypatch.setattr(patches, "BLOCK", 70)
    monkeypatch.setattr(patch_sightings, "CHUNK", 30 * 144)
    with Cores(2) as cores, using(cores):
        same(shared_windows(images), windows)
        there = sightings(images)
    same(there.windows, seen.windows)
    assert np.array_equal(there.place, seen.place)


def test_a_larger_table_of_windows_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(5).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
    images[::5, 2:5, 6:9] = [[[255, 0, 0]] * 3, [[0, 255, 0]] * 3, [[0, 0, 255]] * 3]
    assert patches.table_bits(images) == patches.TABLE_BITS
    small = shared_windows(images)
    monkeypatch.setattr(patches, "TABLE_BITS", 10)
    monkeypatch.setattr(patches, "CELLS_A_PIXEL", 0.5)
    assert patches.table_bits(images) == 12
    assert len(small) > 0
    same(shared_windows(images), small)


@given(st.lists(st.integers(1, 199), max_size=5, unique=True), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=15)
def test_sums_of_templates_are_exact_in_any_blocks_and_order(cuts: list[int], random: random_module.Random) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 48)).astype(np.float32) * rng.choice([1, 1e-3, 1e-9], (200, 48)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[np.abs(rows) < overlay_blocks.FAINT] = 0
    groups = [np.arange(200), np.arange(3, 150, 7), np.array([5, 199])]
    parts = [overlay_blocks._sums(rows[a:b], a, groups) for a, b in pairwise([0, *sorted(cuts), 200])]
    random.shuffle(parts)
    merged = parts[0]
    for part in parts[1:]:
        merged = part.merge(merged)
    exact = [[math.fsum(column) for column in rows[group].T.tolist()] for group in groups]
    assert merged.total.tolist() == exact


def laid_over(rows: int = 700) -> np.ndarray:
    """Noise, each with a smoothness of its own; one picture laid over thirty of them."""
    rng = np.random.default_rng(2)
    images = rng.normal(128, 40, (rows, 16, 16, 3))
    images[:30] = 0.75 * images[:30] + 0.25 * rng.normal(128, 60, (16, 16, 3))
    return np.clip(images, 0, 255).astype(np.uint8)


def templates_by(engine: Engine) -> Templates:
    with using(engine):
        return shared_templates(laid_over(), np.random.default_rng(0))


def same_templates(a: Templates, b: Templates) -> None:
    assert len(a.found) == len(b.found) > 0
    for one, other in zip(a.found, b.found, strict=True):
        assert (one.middle, one.spread, one.gap) == (other.middle, other.spread, other.gap)
        for name in ("pattern", "scores", "carriers"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


@pytest.mark.parametrize("workers", [1, 2, pytest.param(4, marks=pytest.mark.full)])
def test_processes_find_the_templates_that_this_one_does(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay_blocks, "BLOCK", 150)  # of the pictures of any engine
    monkeypatch.setattr(overlays, "HELD", 500)  # the others are looked for afterwards
    here = templates_by(Local())
    assert set(here.found[0].carriers.tolist()) == set(range(30))
    with Cores(workers) as cores:
        same_templates(templates_by(cores), here)
