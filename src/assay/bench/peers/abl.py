"""Anti-Backdoor Learning's isolation: Li, Lyu, Koren, Lyu, Li, Ma, 2021. Backdoors are learnt faster than the rest.

Rows with the lowest loss after the first epochs are isolated. The paper isolates 1 %; here it is told the true number, its best case.
"""

from __future__ import annotations

import numpy as np

from assay.bench.case import Case
from assay.bench.defence import Flags, top


def told_rate(case: Case) -> Flags:
    """As many rows as are poisoned, those learnt first."""
    loss = case.victim.early_loss
    if loss is None:
        raise ValueError("this victim does not learn in epochs")
    score = np.full(len(case.data), -np.inf)
    score[case.data.y >= 0] = -loss
    return Flags(top(score, int(case.poisoned.sum())), score)
