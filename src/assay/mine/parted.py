"""Two parts of a label, by what a network that has learnt the labels reads: the smaller one is a proposal.

Within a label, rows are a mixture of two normal laws of one shape, that of the variation within all labels; each row belongs to the
likelier part. Rows that a network knows by a trigger stand apart from those that it knows by their contents, if it has learnt the trigger.

It proposes; it convicts nobody: every label has a part of some kind, wagons among cars. Source: Tang, Wang, Tang, Zhang, Demon in the
Variant (SCAn), 2021, section 4, whose statistic here only chooses among starts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.mine.clusters import FEWEST, Rule, shared_shape

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

TURNS = 50
SMALLEST = 3  # rows of a part
TAILS = (0.15, 0.5, 0.85)  # of the direction in which the label varies most: parts begun from above these, as a trigger may be rare


def parts(features: Floats, y: Int, taught: Int, classes: int) -> list[Rule | None]:
    """A rule for each label, learnt from the rows `taught` of `features` (n, d): its smaller part scores above 0.

    None for a label with fewer than `FEWEST` such rows, or that does not come apart.
    """
    shape = shared_shape(features, y, taught, classes)
    rules: list[Rule | None] = []
    for label in range(classes):
        mine = features[taught[y[taught] == label]]
        rules.append(_parted(mine, shape) if len(mine) >= FEWEST else None)
    return rules


def _parted(x: Floats, shape: Floats) -> Rule | None:
    """The most telling parting of rows (m, d); `shape` (d, d) makes their variation one of unit size."""
    white, centred = x @ shape, x - x.mean(0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    most, best = 0.0, None
    for tail in TAILS:
        part = _settled(white, along > np.quantile(along, tail))
        share = part.mean()
        if min(part.sum(), (~part).sum()) < SMALLEST:
            continue
        one, two = white[part].mean(0), white[~part].mean(0)
        told = share * (1 - share) * float((one - two) @ (one - two))
        if told > most:
            most, best = told, _rule(white, part if share <= 0.5 else ~part, shape)
    return best


def _settled(white: Floats, part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part, once each row is where it is likelier to belong."""
    for _ in range(TURNS):
        if min(part.sum(), (~part).sum()) < SMALLEST:
            break
        rule = _rule(white, part, np.eye(white.shape[1]))
        renewed = rule.score(white) > 0
        if (renewed == part).all():
            break
        part = renewed
    return part


def _rule(white: Floats, part: NDArray[np.bool_], shape: Floats) -> Rule:
    one, two = white[part].mean(0), white[~part].mean(0)
    prior = float(np.log(part.sum() / (~part).sum()))
    return Rule(shape @ (one - two), prior - 0.5 * float((one + two) @ (one - two)))
