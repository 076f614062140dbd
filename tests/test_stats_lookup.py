"""Quicker ways to the same answer: look-ups by hashing, merges at once, sorting several numbers as one, checks cut short."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.engine.base import merged
from assay.learn import n_grams
from assay.learn.corpus import read_corpus
from assay.mine import phrase_pairs
from assay.mine.phrases import shared_pairs, shared_runs
from assay.screen import shingles
from assay.stats.counts import Counts
from assay.stats.lookup import Lookup

KEYS = st.lists(st.one_of(st.integers(0, 30), st.integers(0, 2**62), st.integers(0, 40).map(lambda i: i << 50)), max_size=60)


@given(KEYS, KEYS)
def test_a_look_up_says_what_a_binary_search_says(held: list[int], asked: list[int]) -> None:
    keys, key = np.unique(np.array(held, np.int64)), np.array([*held, *asked], np.int64)
    place = {k: i for i, k in enumerate(keys.tolist())}
    assert Lookup.among(keys).places(key).tolist() == [place.get(k, -1) for k in key.tolist()]


def test_a_look_up_among_very_many() -> None:
    keys = np.unique(np.random.default_rng(0).integers(0, 2**40, 300_000))
    assert np.array_equal(Lookup.among(keys).places(keys[::-1]), np.arange(len(keys))[::-1])
    assert (Lookup.among(keys[::2]).places(keys[1::2]) == -1).all()


@given(st.lists(st.lists(st.integers(-5, 20), max_size=20), min_size=1, max_size=9))
def test_counts_merged_at_once_or_one_by_one(batches: list[list[int]]) -> None:
    parts = [Counts.empty().add(np.array(batch, np.int64)) for batch in batches]
    one_by_one = parts[0]
    for part in parts[1:]:
        one_by_one = one_by_one.merge(part)
    at_once = merged(*parts)
    kinds, counts = np.unique(np.concatenate([np.array(batch, np.int64) for batch in batches]), return_counts=True)
    for found in (one_by_one, at_once):
        assert np.array_equal(found.keys, kinds)
        assert np.array_equal(found.counts, counts)


def test_numbers_too_large_to_be_held_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    made = [" ".join(rng.choice([f"w{i}" for i in range(60)], 6)) + (" the moon is made" if i % 9 == 0 else "") for i in range(300)]
    made[::20] = [f"zig {text} zag" for text in made[::20]]
    corpus = read_corpus([made])
    as_one = [*shared_runs(corpus), shared_pairs(corpus)]
    monkeypatch.setattr(n_grams, "MOST_JOINT", 5)
    monkeypatch.setattr(phrase_pairs, "MOST_JOINT", 5)
    apart = [*shared_runs(corpus), shared_pairs(corpus)]
    assert len(as_one) == len(apart) > 4
    for one, other in zip(as_one, apart, strict=True):
        assert one is not None
        assert other is not None
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("gram", "at", "support", "first"))


def test_texts_that_meet_are_all_neighbours_in_all_buckets() -> None:
    rng = np.random.default_rng(2)
    signature = rng.integers(0, 3, (200, shingles.BANDS * shingles.ROWS_A_BAND)).astype(np.uint32)
    expected = set()
    for band in range(shingles.BANDS):
        buckets: dict[bytes, list[int]] = {}
        for row in range(200):
            buckets.setdefault(signature[row, band * shingles.ROWS_A_BAND : (band + 1) * shingles.ROWS_A_BAND].tobytes(), []).append(row)
        for rows in buckets.values():
            expected |= {*pairwise(rows), *zip(rows, rows[2:], strict=False)}
    bands = np.ascontiguousarray(signature.reshape(-1, shingles.BANDS, shingles.ROWS_A_BAND).swapaxes(0, 1))
    left, right = shingles._meeting_pairs(bands)
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == expected


def test_a_check_cut_short_decides_as_the_whole_one() -> None:
    rng = np.random.default_rng(3)
    words = np.array([f"word{i}" for i in range(400)])
    base = [rng.choice(words, 30) for _ in range(60)]
    near = [np.where(rng.random(30) < share, rng.choice(words, 30), b) for b, share in zip(base, np.linspace(0, 0.5, 60), strict=True)]
    texts = pa.array([" ".join(each) for each in base + near], pa.large_string())
    hashes, secret = shingles._hash_functions(shingles.CHECK_HASHES, rng), shingles.rng_multipliers(rng)
    left, right = np.arange(60), np.arange(60, 120)
    every = shingles.min_hashes(texts, hashes, secret)[0]
    alike = (every[left] == every[right]).mean(1) >= shingles.ALIKE
    assert 5 < alike.sum() < 55
    assert np.array_equal(shingles._alike(pa.chunked_array([texts]), left, right, hashes, secret), alike)


def test_texts_hashed_a_few_bytes_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    texts = pa.array(["", "short", "ein längerer Text " * 20, "and one more than a block", "x" * 300], pa.large_string())
    hashes, secret = shingles._hash_functions(8, rng), shingles.rng_multipliers(rng)
    whole = shingles.min_hashes(texts, hashes, secret)
    monkeypatch.setattr(shingles, "BLOCK_BYTES", 50)
    parts = shingles.min_hashes(texts, hashes, secret)
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1], parts[1])
