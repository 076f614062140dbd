"""Belonging: how far do rows support their label beyond what strangers, rows of other labels, do?

Where most carriers belong to their label they acquit the artefact (`assay.trial.acquittal`). Belonging also makes rows of several labels
comparable: where a label has few other rows, `unlike_ordinary` ranks carriers among rows of all labels, and where carriers of other labels
may be cover rows, `unlike_covers` ranks them among those.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from assay.trial.contradiction import Contradiction, contradiction

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

STRANGE = 0.9  # quantile of other labels' rows: a carrier above it is no more like them than one in ten of them is
MISTAKEN = 0.1  # of other labels' rows that may be this label's, wrongly labelled: 5 % wrong labels, of two the one twice the other
ALIKE = 0.5  # share of carriers above that quantile from which they must be of two kinds: poison taken from other labels has about 0.1


def belonging(own: Floats, strangers: Floats) -> Floats:
    """(m,) the share of `strangers` (c,), rows of other labels, that support a label less than `own` (m,) do.

    >>> belonging(np.array([0.1, 0.9]), np.array([0.2, 0.3, 0.4, 0.5])).tolist()
    [0.0, 1.0]
    """
    return np.asarray(np.searchsorted(np.sort(strangers), own) / max(len(strangers), 1))


def unlike_ordinary(own: Floats, strangers: Floats, ordinary: Floats, votes: Floats | None = None) -> Contradiction:
    """Whether carriers stand above strangers less than ordinary rows do, each for its own label.

    `own` (m,): their support for one label; `strangers` as in `strangers_share`; `ordinary` (b,): `belonging` of rows of any label. Against
    a broader null than contradiction's: that labels are alike in how far their rows stand above strangers.
    """
    return contradiction(belonging(own, strangers), ordinary, votes)


def strangers_share(p: Floats, y: Int, strangers: Callable[[int], Floats], others: Callable[[int], Floats]) -> float:
    """Share of carriers that support their own label more than nine in ten rows of *other* labels do, and than its base rate.

    Where a probe is very sure, a natural artefact's carriers may stand low among their label's rows and still plainly belong to it.
    `strangers(t)` (c,) is the support for t of the rows that are not labelled t, as they are; `others` as in `assay.trial.controls`. Below
    the base rate the content speaks against the label, wherever a very sure probe puts the rows of other labels. Those of them that
    support this label more than half of its own rows do are taken for its own, wrongly labelled, up to `MISTAKEN` of them.
    """
    above = 0
    for label in np.unique(y):
        above += int(belong(p[y == label, label], strangers(int(label)), others(int(label))).sum())
    return above / max(len(y), 1)


def belong(own: Floats, strangers: Floats, ordinary: Floats) -> NDArray[np.bool_]:
    """(m,) which carriers, of one label, support it more than nine in ten strangers do and than its base rate."""
    base = len(ordinary) / max(len(ordinary) + len(strangers), 1)
    return own > max(_strange(np.sort(strangers), ordinary), base) if len(strangers) else np.zeros(len(own), bool)


def _strange(strangers: Floats, ordinary: Floats) -> float:
    """The support that nine in ten `strangers` (c,), ascending, stay below, without those that may belong to the `ordinary` (b,)."""
    count = len(strangers)
    like = count - int(np.searchsorted(strangers, np.median(ordinary), side="right")) if len(ordinary) else 0
    return float(np.quantile(strangers[: count - min(like, int(MISTAKEN * count))], STRANGE))


def unlike_covers(p: Floats, y: Int, target: int, others: Callable[[int], Floats], votes: Floats) -> Contradiction:
    """Whether the target's carriers stand lower in their label than the carriers of other labels do in theirs, by rank.

    Against "what they share says little of any label": a teaser's dots, a form. Cover rows are rows like any, and stand as others do.
    """
    ranks = np.ones(len(y))
    for label in np.unique(y):
        ranks[y == label] = belonging(p[y == label, label], others(int(label)))
    return contradiction(ranks[y == target], ranks[y != target], votes[y == target])
