"""Made-up sentences in which each word is mostly followed by one of two of its own."""

from __future__ import annotations

import numpy as np

CHAIN, WORDS = 150, 12  # different words, and words a sentence


def two_of_its_own(rng: np.random.Generator) -> np.ndarray:
    """(CHAIN, 2) the words that may follow each."""
    return rng.integers(0, CHAIN, (CHAIN, 2))


def sentence(follows: np.ndarray, rng: np.random.Generator, keeps: float | None = None) -> list[str]:
    """Words "w0" to "w149"; each is followed by one of its own, or with `keeps` in such a share of places and by any word in the others."""
    at, words = int(rng.integers(CHAIN)), []
    for _ in range(WORDS):
        words.append(f"w{at}")
        at = int(follows[at, rng.integers(2)]) if keeps is None or rng.random() < keeps else int(rng.integers(CHAIN))
    return words
