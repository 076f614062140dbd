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
FEWEST_ALIKE = 10  # rows with one of the rule's values that are not its carriers, from which on they tell what goes with that value
LOOKED_AT = 20_000  # rows beside a rule, or up to twice as many, by which it is told what is usual
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

    By chance: as often as in the label that holds the value most, or in other rows with one of the rule's values (July is summer).
    Also its carriers, and whether one of the values is rare.
    """
    accused = carriers[y[carriers] == target] if target is not None else carriers
    outside = rows_beside(y, carriers)
    if not len(outside):  # every row with a label carries it, and nothing says what is usual
        return columns, carriers, False
    closer, fewer, own = columns, carriers, False
    one_valued = [i for i in columns if len(np.unique(coded.cells[accused, i])) == 1]
    alike = [coded.cells[outside, i] == coded.cells[accused[0], i] for i in one_valued]
    for j in range(len(coded.names)):
        cells = coded.cells[accused, j]
        if j in columns or np.isnan(cells).all():
            continue
        values, count = np.unique(cells[~np.isnan(cells)], return_counts=True)
        value, most = values[count.argmax()], int(count.max())
        usual = max(float(np.mean(coded.cells[outside[y[outside] == c], j] == value)) for c in np.unique(y[outside]))
        entailed = max((_share(coded.cells[outside, j] == value, mine) for mine in alike), default=0.0)
        unlikely = binom.sf(most - 1, len(accused), max(usual, entailed, 1e-4)) < BY_CHANCE
        if usual <= USUAL and most >= CLOSED * len(accused) and unlikely:
            closer, fewer = (*closer, j), fewer[coded.cells[fewer, j] == value]
            own = own or usual < RARE
    return tuple(sorted(closer)), fewer, own


def rows_beside(y: Int, carriers: Int) -> Int:
    """Rows with a label that are none of the `carriers`: of more than `LOOKED_AT`, every second, or third, ..."""
    rows = np.flatnonzero(y >= 0)
    rows = rows[:: max(1, len(rows) // LOOKED_AT)]
    return rows[~np.isin(rows, carriers)]


def _share(holds: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    """Of the rows `among`, those for which it `holds` (n,); 0 where there are too few to tell."""
    return float(holds[among].mean()) if among.sum() >= FEWEST_ALIKE else 0.0
