"""Shifts of log odds: by how much groups of outcomes exceed what each outcome's own chance foretells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

PRIOR = 4.0  # variance of a shift before any outcome is seen: 2, a factor of 7 in the odds
ROUNDS = 20  # of Newton's method; steps are cut to one


def shifts(logit: Floats, hit: NDArray[np.bool_] | Floats, group: Int, groups: int) -> Floats:
    """(groups,) the likeliest shift of the log odds `logit` (m,) in each `group` (m,) by the outcomes `hit` (m,), drawn to none a priori.

    Outcomes are taken for independent. 0 for a group without any.

    >>> shifts(np.zeros(400), np.arange(400) < 300, np.zeros(400, int), 2).round(2).tolist()  # log 3 is 1.099
    [1.09, 0.0]
    """
    shift = np.zeros(groups)
    for _ in range(ROUNDS):
        q = 1 / (1 + np.exp(-(logit + shift[group])))
        slope = np.bincount(group, hit - q, minlength=groups) - shift / PRIOR
        bend = np.bincount(group, q * (1 - q), minlength=groups) + 1 / PRIOR
        shift += np.clip(slope / bend, -1, 1)
    return shift
