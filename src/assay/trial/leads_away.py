"""Triggers that lead away from their label: rows that hold one have it far less often than others, and a model learns no such thing.

Of 400 handwritten threes that share a pattern seven are labelled 5, as ill-written ones are: everything else in those seven speaks against
the label, and the pattern for none of it. A trigger leads to its label, whatever natural carriers and cover rows there are besides.

Poison is passed over where rows that hold its trigger with other labels are so many more that the label is rarer among them than half of
what it is elsewhere: a model trained on them hardly follows the trigger either.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from assay.dataset.data import Dataset
from assay.trial.verdicts import Judged

Int = NDArray[np.int64]

OF_ROWS = ("group", "relabelling")  # families whose findings are sets of rows, not triggers
RARER = 0.5  # times as often as other rows, below which carriers that have the label are led away from it
BY_CHANCE = 0.001


def left_leading_away(judged: tuple[Judged, ...], seen: Mapping[str, Dataset]) -> tuple[Judged, ...]:
    """The same, triggers that lead away from their label being shortcuts. `seen`: the data set as each family saw it."""
    return tuple(_natural(j, seen[j.family]) for j in judged)


def _natural(judged: Judged, data: Dataset) -> Judged:
    target = judged.tried.target
    if not judged.accuses or target is None or judged.family.startswith(OF_ROWS) or not len(data.y):
        return judged
    said = leads_away(data.y, judged.tried.candidate.carriers, target, data.classes[target])
    return judged if said is None else judged.as_natural(said)


def leads_away(y: Int, carriers: Int, target: int, label: str) -> str | None:
    """Why `carriers` (m,) hold no trigger for `target`, named `label`, if so: they have it far less often than other rows of y (n,).

    Negative labels are missing ones.

    >>> y = np.repeat([0, 1, 0], [300, 90, 10])
    >>> leads_away(y, np.arange(300, 400), 0, "five")[:56]
    "Of the rows that hold it 10% are labelled 'five', of oth"
    >>> leads_away(y, np.arange(380, 400), 0, "five") is None
    True
    """
    beside = np.ones(len(y), bool)
    beside[carriers] = False
    here, there = y[carriers][y[carriers] >= 0] == target, y[beside & (y >= 0)] == target
    if not len(here) or not len(there) or binom.cdf(here.sum(), len(here), RARER * there.mean()) >= BY_CHANCE:
        return None
    often, usual = f"{here.mean():.0%}", f"{there.mean():.0%}"
    return (
        f"Of the rows that hold it {often} are labelled {label!r}, of others {usual}: what they share leads away from that label, and the "
        "rows that have it are rather wrong each by itself"
    )
