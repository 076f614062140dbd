"""Which of thousands of shared windows are put on trial: a probe's answer on every one would be too dear.

All remain counted as hypotheses; the list only decides for which ones evidence is gathered (the others have e = 0).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.mine.patches import SharedWindows
from assay.trial.bets import planted_for
from assay.trial.surprise import PLANTED, PURITY, clip_probabilities

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

BY_LABELS = 70  # carriers more of one label than the classes' shares explain
BY_SURPRISE = 70  # carriers of a label that the whole picture, patch and all, does not support
BY_ANY = 30  # the same for wrong labels of any kind: all-to-all
BY_SUPPORT = 30  # the most frequent


def short_list(found: SharedWindows, leaders: Int, y: Int, probabilities: Floats, groups: Int, part: float = 1.0) -> Int:
    """At most 200 (or `part` of that) of the windows `leaders`, ascending.

    `y` (n,), `probabilities` (n, k), `groups` (n,) near-duplicates.
    """
    if not len(leaders):
        return leaders
    window = np.repeat(np.arange(len(found)), found.support)
    _, first = np.unique(window * (int(groups.max(initial=0)) + 1) + groups[found.row], return_index=True)
    first = first[y[found.row[first]] >= 0]  # one vote a group, and a label to look at
    window, row = window[first], found.row[first]
    m, k = len(found), probabilities.shape[1]
    p = clip_probabilities(probabilities)
    label = y[row]
    share = np.bincount(y[y >= 0], minlength=k) / max(int((y >= 0).sum()), 1)
    support = np.bincount(window, minlength=m)
    top = p[row].max(1)
    wrong = np.where(label != p[row].argmax(1), PURITY / (1 - top), 1 - PURITY)
    scores = (
        (BY_LABELS, _aimed(window, label, np.maximum(share[label], 1e-6), m, k)),
        (BY_SURPRISE, _aimed(window, label, p[row, label], m, k)),
        (BY_ANY, np.bincount(window, np.log(wrong), minlength=m)),
        (BY_SUPPORT, support),
    )
    chosen = [leaders[np.argsort(-score[leaders], kind="stable")[: round(part * most)]] for most, score in scores]
    return np.unique(np.concatenate(chosen))


def _aimed(window: Int, label: Int, foreseen: Floats, m: int, k: int) -> Floats:
    """(m,) how much likelier the labels of each window's rows are if a share of them, any of `PLANTED`, was planted for one target.

    A row of `window` (r,) has `label` (r,), which was `foreseen` (r,) so far. In logs; the best target and share.
    """
    once = np.ones(len(window))
    return np.max([planted_for(window, label, foreseen, once, m, k, part).max(1) for part in PLANTED], axis=0)
