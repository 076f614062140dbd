"""The fuzzing targets on their seeds and on mutations of them, the same in every run: only clear errors come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fuzz_corpus import CORPUS
from fuzz_targets import TARGETS, attempt

FOUND = Path(__file__).parent / "golden" / "fuzz"  # inputs that once were a fault
ROUNDS = 25  # mutations of every seed; fuzz_run.py makes millions
TOKENS = (
    b"\0",
    b"\xff" * 8,
    b"null",
    b"[]",
    b"{}",
    b"-1",
    b"1e999",
    b"\n",
    b'"',
    b"," * 9,
    b"\x80\x04",
    b"../",
    b"9" * 30,
    b"\xed\xb2\x80",
)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One to four edits: a byte changed, a token put in, a piece cut, doubled, or taken from the end."""
    made = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(made) + 1))
        size = int(rng.integers(1, 1 + min(64, max(1, len(made) // 4))))
        kind = int(rng.integers(5))
        if kind == 0 and at < len(made):
            made[at] ^= int(rng.integers(1, 256))
        elif kind == 1:
            made[at:at] = TOKENS[int(rng.integers(len(TOKENS)))]
        elif kind == 2:
            del made[at : at + size]
        elif kind == 3:
            made[at:at] = made[at : at + size]
        else:
            del made[at:]
    return bytes(made)


def test_every_target_has_seeds():
    assert set(TARGETS) == set(CORPUS)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_seeds_and_mutations_give_only_clear_errors(name):
    rng = np.random.default_rng([7, *name.encode()])
    for seed in CORPUS[name]():
        attempt(name, seed)
        for _ in range(max(4, ROUNDS // len(CORPUS[name]()))):
            attempt(name, mutated(seed, rng))
    attempt(name, b"")


@pytest.mark.parametrize("path", sorted(FOUND.glob("*")), ids=lambda p: p.name)
def test_what_fuzzing_found_stays_mended(path):
    attempt(path.name.rsplit("-", 1)[0], path.read_bytes())
