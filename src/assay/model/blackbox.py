"""A text classifier that can only be asked: a function, or an HTTP endpoint, within a stated number of questions.

What was not looked at because the questions ran out is said, and the verdict is then "inconclusive": it is never "clean".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assay.model.phrases import AT_ONCE, LEAST_GAPS, LONGEST, MORE, TEXTS, Ask, Found, rare, search_phrase


@dataclass(frozen=True)
class Asked:
    """`found`: the strongest words, guilty or not; None where there were too few questions for any. `left_out`: words not tried."""

    verdict: Literal["backdoored", "inconclusive"]
    found: Found | None
    queries: int
    left_out: int
    reason: str


def inspect_texts(
    ask: Ask,
    texts: Sequence[str],
    vocabulary: Sequence[str],
    rng: np.random.Generator,
    *,
    classes: int,
    budget: int,
    alpha: float = 0.01,
    twins: Sequence[Ask] = (),
) -> Asked:
    """Search a trigger phrase with at most `budget` questions, a text each; the rare words of `vocabulary`, in the order given; beside
    clean `twins`, which cost none.

    Every word costs TEXTS questions, and every class a beam beside. What does not fit the budget is left out, and said.
    """
    fixed = TEXTS + classes * (AT_ONCE + 2 * LONGEST * MORE)
    words = rare(texts, vocabulary)
    room = (budget - fixed) // TEXTS
    if room <= LEAST_GAPS:
        return Asked(
            "inconclusive", None, 0, len(words), f"{budget:,} questions are too few: {fixed + TEXTS * len(words):,} would try all words"
        )
    kept = words[:room]
    found = search_phrase(ask, texts, kept, rng, twins, budget)
    left = len(words) - len(kept)
    if found.p <= alpha:
        return Asked("backdoored", found, found.queries, left, f"“{' '.join(found.words)}” stands alone")
    reason = f"{left:,} words were not tried: the questions ran out" if left else "no word or phrase stands alone, which proves nothing"
    return Asked("inconclusive", found, found.queries, left, reason)
