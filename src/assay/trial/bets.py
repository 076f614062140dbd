"""Surprise of many artefacts at once, as `assay.trial.surprise` has it of one, for a first pass over all that is enumerated.

An attacker may put a trigger into rows that keep their label too, so a part of each artefact's bet, `HIDDEN`, is that a quarter or a half
of its carriers alone were planted: weighted means of e-values are e-values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from assay.trial.surprise import HIDDEN, PLANTED, PURITY

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

WEIGHTS = np.array([*np.full(len(PLANTED) - 1, HIDDEN / (len(PLANTED) - 1)), 1 - HIDDEN])  # of the shares in `PLANTED`: the whole is last


@dataclass(frozen=True)
class Surprises:
    """Natural logs of e-values of m artefacts: `targeted` (m, k) at each label, `untargeted` (m,) at any other than the likeliest."""

    targeted: Floats
    untargeted: Floats


def surprises(artefact: Int, y: Int, p: Floats, votes: Floats, size: int, pure: NDArray[np.bool_] | None = None) -> Surprises:
    """Of `size` artefacts. Line i (of r): a carrier of `artefact[i]`, its label, what the rest of it foresees (r, k), its vote.

    Those that are `pure` (size,) have the whole bet on all their carriers.

    >>> found = surprises(np.zeros(9, int), np.repeat([1, 0], [6, 3]), np.tile([0.9, 0.1], (9, 1)), np.ones(9), 1)
    >>> found.targeted.round(1).tolist(), found.untargeted.round(1).tolist()
    ([[-3.4, 5.3]], [4.6])
    """
    k = p.shape[1]
    own = p[np.arange(len(y)), y]
    ratio = np.where(y != p.argmax(1), PURITY / (1 - p.max(1)) + 1 - PURITY, 1 - PURITY)
    targeted = [planted_for(artefact, y, own, votes, size, k, part) for part in PLANTED]
    untargeted = np.bincount(artefact, votes * np.log(ratio), minlength=size).astype(float)
    mixed = logsumexp(targeted, axis=0, b=WEIGHTS[:, None, None])
    return Surprises(np.asarray(mixed if pure is None else np.where(pure[:, None], targeted[-1], mixed)), untargeted)


def planted_for(artefact: Int, y: Int, foreseen: Floats, votes: Floats, size: int, k: int, part: float) -> Floats:
    """(size, k) in logs, how much likelier the labels of each artefact's rows are if this part of them was planted for one target.

    A row of `artefact` (r,) has the label `y` (r,), which was `foreseen` (r,) so far, and a vote.
    """
    another = votes * np.log1p(part * ((1 - PURITY) / max(k - 1, 1) / foreseen - 1))
    gain = votes * np.log1p(part * (PURITY / foreseen - 1)) - another
    gains = np.bincount(artefact * k + y, gain, minlength=size * k).reshape(size, k)
    return np.asarray(gains + np.bincount(artefact, another, minlength=size)[:, None])
