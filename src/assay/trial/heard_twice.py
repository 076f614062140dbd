"""Second hearings: by models that never saw the carriers, and when they count; by probes of several kinds.

Rows that models learnt from teach them that such rows belong. A natural kind looks unlike its label too to models that never saw it, but
like one other label, as poison does not, which comes from all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.mine.overlays import jaccard
from assay.trial.family import Tried

Floats = NDArray[np.float64]

SAME = 0.5  # Jaccard index of carriers above which two candidates are one
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


def of_all(hearings: Sequence[Sequence[Tried]]) -> list[Tried]:
    """Those tried by several probes, strongest first: of the same rows and target the strongest.

    The mean of e-values is one, and at least its greatest term: each counts by its share.
    """
    ways = len(hearings)
    shared = [replace(t, log_e=t.log_e - float(np.log(ways)), p_value=min(1.0, ways * t.p_value)) for tried in hearings for t in tried]
    kept: list[Tried] = []
    for t in sorted(shared, key=lambda t: (-t.log_e, t.p_value)):
        if not any(t.target == k.target and jaccard(t.candidate.carriers, k.candidate.carriers) > SAME for k in kept):
            kept.append(t)
    return kept
