"""A second hearing by models that never saw the carriers, and when it counts.

Rows that models learnt from teach them that such rows belong. A natural kind looks unlike its label too to models that never saw it, but
like one other label, as poison does not, which comes from all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.trial.family import Tried

Floats = NDArray[np.float64]

ONE_KIND = 0.3  # share of the carriers that look most like one other label, up to which it counts: planted .15 to .22, natural .26 to .8


def looks_most_like(p: Floats, label: int) -> tuple[int, float]:
    """The label, other than `label`, that is the likeliest of most rows of `p` (m, k), and their share."""
    elsewhere = p.copy()
    elsewhere[:, label] = 0
    kinds = np.bincount(elsewhere.argmax(1), minlength=p.shape[1]) / max(len(p), 1)
    return int(kinds.argmax()), float(kinds.max())


def of_both(first: Tried, again: Tried, one_kind: float) -> Tried:
    """The verdict of both hearings, by the mean of their e-values; of the first alone where the second does not count.

    `one_kind`: the share of carriers that look most like one other label to models that never saw them.
    """
    if again.target != first.target or one_kind > ONE_KIND or again.log_e <= first.log_e:
        return first
    log_e = float(np.logaddexp(first.log_e, again.log_e) - np.log(2))
    return replace(again, log_e=log_e, p_value=min(1.0, 2 * min(first.p_value, again.p_value)))
