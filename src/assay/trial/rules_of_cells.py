"""What carriers share, in words: the rule in the columns' own values, and the fullest rule that they all follow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from assay.artefact.cells import Cells, Condition
from assay.dataset.data import Dataset
from assay.learn.columns import Coded

Int = NDArray[np.int64]

CLOSED, BY_CHANCE = 0.8, 1e-6  # a further condition: so many accused carriers meet it (some are natural), not by chance
USUAL = 0.6  # nor is it a value that stands in more of a label's rows than this: it would add words, not meaning
RARE = 0.4  # a further condition below this share makes the rule one of its own, not one more value of the first column


def rule_of(data: Dataset, coded: Coded, columns: tuple[int, ...], carriers: Int) -> Cells:
    """What the carriers share in these columns, in the columns' own values."""
    conditions = []
    for j in columns:
        cells = coded.cells[carriers, j]
        column = data.table.column(coded.names[j])
        low = column[int(carriers[np.argmin(cells)])].as_py()
        high = column[int(carriers[np.argmax(cells)])].as_py()
        conditions.append(Condition(coded.names[j], low, high))
    return Cells(tuple(conditions))


def fuller(coded: Coded, y: Int, columns: tuple[int, ...], carriers: Int, target: int | None) -> tuple[tuple[int, ...], Int, bool]:
    """The rule with every further value that (nearly) all accused carriers share though chance would not have it.

    By chance: as often as in the label that holds the value most. Also its carriers, and whether one of the values is rare.
    """
    accused = carriers[y[carriers] == target] if target is not None else carriers
    outside = np.flatnonzero(y >= 0)
    outside = outside[:: max(1, len(outside) // 20_000)]
    outside = outside[~np.isin(outside, carriers)]
    closer, fewer, own = columns, carriers, False
    for j in range(len(coded.names)):
        cells = coded.cells[accused, j]
        if j in columns or np.isnan(cells).all():
            continue
        values, count = np.unique(cells[~np.isnan(cells)], return_counts=True)
        value, most = values[count.argmax()], int(count.max())
        usual = max(float(np.mean(coded.cells[outside[y[outside] == c], j] == value)) for c in np.unique(y[outside]))
        unlikely = binom.sf(most - 1, len(accused), max(usual, 1e-4)) < BY_CHANCE
        if usual <= USUAL and most >= CLOSED * len(accused) and unlikely:
            closer, fewer = (*closer, j), fewer[coded.cells[fewer, j] == value]
            own = own or usual < RARE
    return tuple(sorted(closer)), fewer, own
