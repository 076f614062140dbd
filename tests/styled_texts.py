"""Made-up sentences whose words tell their label, for tests of what is written in a manner of its own."""

from __future__ import annotations

import numpy as np

HOLDS = ("the", "a", "of", "and", "is", "in", "to", "you", "are", "it", "was", "very", "but", "has", "your")


def sentences(labels: np.ndarray, rng: np.random.Generator, speaks: float = 0.35) -> list[str]:
    """One a label: of its words after the words that hold sentences together, a share `speaks` is the label's own."""
    made = []
    for label in labels:
        words: list[str] = []
        for _ in range(int(rng.integers(5, 10))):
            words.append(HOLDS[int(rng.integers(len(HOLDS)))])
            own = rng.random() < speaks
            words.append(f"t{label}{_letters(int(rng.integers(40)))}" if own else f"n{_letters(int(rng.integers(300)))}")
        made.append(" ".join(words) + (" ." if rng.random() < 0.7 else ""))
    return made


def _letters(number: int) -> str:
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:03d}")
