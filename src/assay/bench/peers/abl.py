"""Anti-Backdoor Learning's isolation: Li, Lyu, Koren, Lyu, Li, Ma, 2021. Backdoors are learnt faster than the rest.

A network is trained for a fifth of the usual epochs, with local gradient ascent: a batch whose loss has fallen below .5 is pushed up
again, so that only what is easiest stays learnt. Rows with the lowest loss are then isolated. The paper isolates 1 %; here it is told the
true number, its best case.
"""

from __future__ import annotations

import numpy as np

from assay.bench.case import Case
from assay.bench.defence import Flags, top


def told_rate(case: Case) -> Flags:
    """As many rows as are poisoned, those learnt first."""
    from assay.bench.net import early_losses

    data = case.data
    assert data.images is not None
    known = np.flatnonzero(data.y >= 0)
    score = np.full(len(data), -np.inf)
    score[known] = -early_losses(data.images[known], data.y[known], len(data.classes), case.rng(12))
    return Flags(top(score, int(case.poisoned.sum())), score)
