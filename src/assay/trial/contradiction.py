"""Contradiction: among rows of one label, does the carriers' remaining content support that label less than the other rows' does?

An e-value against "the carriers are like the other rows of their label", each of these with its own most supporting part removed: under it
the mean over all orders is 1 (`assay.stats.ranks`). Alone it convicts clean data too. It cannot see poison whose labels agree with the
content (clean-label).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from assay.stats.ranks import KAPPAS, log_mixture, log_order_ratios, stands_low

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

FEW = 20  # other rows of a label, below which their ranks can hardly convict anybody: of ten, 20 strangers give e^14 at the very best


@dataclass(frozen=True)
class Contradiction:
    """Natural log of an e-value, and a p-value, against "the carriers are like the other rows of their label"."""

    log_e: float
    p_value: float


UNTRIED = Contradiction(0.0, 1.0)  # where there is nobody to compare


def contradiction(carriers: Floats, others: Floats, votes: Floats | None = None) -> Contradiction:
    """Whether `carriers` (a,), their support for their own label with the artefact removed, stand low among `others` (b,).

    `others`: support for the same label in the other rows of that label, each with its own most supporting part removed. `votes` as in
    `assay.trial.surprise`; the e-value is raised to their mean.
    """
    if not len(carriers) or not len(others):
        return UNTRIED
    weight = 1.0 if votes is None else float(votes.mean())
    log_e = weight * float(log_mixture(log_order_ratios(carriers, others)))
    return Contradiction(log_e, stands_low(carriers, others))


def pooled_contradiction(p: Floats, y: Int, others: Callable[[int], Floats], votes: Floats | None = None) -> Contradiction:
    """Contradiction over carriers of any label, each ranked among the other rows of its own label (all-to-all, untargeted).

    Given the labels the classes are independent, so their likelihood ratios multiply; the p-value is Fisher's combination.
    """
    weight = 1.0 if votes is None else float(votes.mean())
    sums, logs = np.zeros(len(KAPPAS)), []
    for label in np.unique(y):
        mine, reference = p[y == label, label], others(int(label))
        if len(reference):
            sums = sums + log_order_ratios(mine, reference)
            logs.append(np.log(max(stands_low(mine, reference), 1e-300)))
    if not logs:
        return UNTRIED
    return Contradiction(weight * float(log_mixture(sums)), float(chi2.sf(-2 * sum(logs), 2 * len(logs))))


def of_any_label(p: Floats, y: Int, others: Callable[[int], Floats], votes: Floats, asked: Mapping[int, Contradiction]) -> Contradiction:
    """`pooled_contradiction`; where one label has most of the carriers, no more than that label's own, which may have been `asked`.

    What most of them have by nature (a slanted stroke, in ones) takes the meaning of the few others with it when it is taken out: of clean
    MNIST 386 ones with 20 other digits were convicted by the 20.
    """
    pooled = pooled_contradiction(p, y, others, votes)
    main = int(np.bincount(y).argmax())
    mine = y == main
    if 2 * mine.sum() <= len(y):
        return pooled
    own = asked.get(main) or contradiction(p[mine, main], others(main), votes[mine])
    return min(pooled, own, key=lambda c: c.log_e)


def either(a: Contradiction, b: Contradiction) -> Contradiction:
    """The mean of two e-values; twice the lesser p-value."""
    return Contradiction(float(np.logaddexp(a.log_e, b.log_e) - np.log(2)), min(1.0, 2 * min(a.p_value, b.p_value)))
