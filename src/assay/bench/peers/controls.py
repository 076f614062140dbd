"""The two controls of every table: a filter that knows nothing, and one that knows all."""

from __future__ import annotations

import numpy as np

from assay.bench.case import Case
from assay.bench.defence import Flags, top


def random_filter(case: Case) -> Flags:
    """Removes as many rows as are poisoned (5 % where none is), drawn at random."""
    score = case.rng(11).random(len(case.data))
    return Flags(top(score, int(case.poisoned.sum()) or len(score) // 20), score)


def perfect_filter(case: Case) -> Flags:
    """Removes the poisoned rows."""
    return Flags(case.poisoned.copy(), case.poisoned.astype(np.float64))
