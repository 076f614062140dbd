"""Canaries for the family of groups: insiders among contributors, and groups of the population relabelled in one direction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.learn.columns import code_columns
from assay.mine.groups import Grouping
from assay.mine.populations import populations
from assay.trial.family import CanaryCopy, Planting

Int = NDArray[np.int64]

CANARY_ROWS = (10, 20, 50)  # relabelled by one contributor
CANARIES_EACH = 3
CANARIES_AMONG = 0.1  # share of contributors that are turned into insiders, at most: more would widen the spread they are tried by
CANARY_COPY = 10_000  # rows: canaries go into the rows of some of the contributors, drawn at random
FEWEST_KEPT = 10  # contributors in the copy
SHIFT_ROWS = (30, 100, 300)  # relabelled in one group of the population
SHIFT_SHARES = (0.25, 0.5)  # of the rows of the class in the group, at least and at most
SHIFTS_IN_ALL = 0.05  # of the rows, at most: more would be another data set
SHIFT_COPY = 20_000  # rows


def plant_insiders(data: Dataset, by_hand: list[Grouping], rng: np.random.Generator) -> CanaryCopy | None:
    """A copy in which some groups of the first grouping relabel rows of the class they have most of; None if none has enough rows."""
    if not by_hand:
        return None
    grouping = by_hand[0]
    chosen, code = _some_groups(data, grouping, rng)
    copy = data.subset(chosen)
    y, k = copy.y.copy(), len(data.classes)
    able = list(rng.permutation(np.unique(code[code >= 0])))
    allowed = max(1, int(CANARIES_AMONG * len(able)))
    plantings: list[Planting] = []
    for size in sorted(CANARY_ROWS, reverse=True):
        for _ in range(CANARIES_EACH):
            fit = [g for g in able if np.bincount(copy.y[(code == g) & (copy.y >= 0)], minlength=k).max(initial=0) >= size]
            if not fit or len(plantings) >= allowed:
                break
            able.remove(fit[0])
            mine = np.flatnonzero(code == fit[0])
            source = int(np.bincount(copy.y[mine][copy.y[mine] >= 0], minlength=k).argmax())
            target = int(rng.choice([c for c in range(k) if c != source]))
            rows = np.sort(rng.choice(mine[copy.y[mine] == source], size, replace=False))
            y[rows] = target
            plantings.append(Planting("group", f"one of {grouping.column} relabels rows of one class", rows))
    return CanaryCopy(copy.with_content(copy.rows, y), tuple(plantings)) if plantings else None


def _some_groups(data: Dataset, grouping: Grouping, rng: np.random.Generator) -> tuple[Int, Int]:
    """(positions, their group) of the rows of randomly drawn groups, up to `CANARY_COPY` rows, at least `FEWEST_KEPT` groups."""
    size = np.bincount(grouping.code[grouping.code >= 0], minlength=len(grouping))
    drawn = rng.permutation(len(grouping))
    count = max(FEWEST_KEPT, int(np.searchsorted(np.cumsum(size[drawn]), CANARY_COPY, side="right")))
    inside = np.zeros(len(grouping), bool)
    inside[drawn[:count]] = True
    chosen = np.flatnonzero((grouping.code >= 0) & inside[grouping.code])
    return chosen, grouping.code[chosen]


def plant_shifts(data: Dataset, columns: list[str], rng: np.random.Generator) -> CanaryCopy | None:
    """A copy in which some values of single columns, each of a column of its own, have rows of one class relabelled; None if none fits."""
    if len(data) > SHIFT_COPY:
        data = data.subset(np.sort(rng.choice(len(data), SHIFT_COPY, replace=False)))
    k, y = len(data.classes), data.y.copy()
    single = [p for p in populations(code_columns(data.table, columns)) if len(p.columns) == 1]
    places = [(p, g) for p in single for g in range(len(p))]
    order = [places[i] for i in rng.permutation(len(places))]
    used: set[int] = set()
    plantings: list[Planting] = []
    for carriers in SHIFT_ROWS:
        low, high = (carriers / share for share in reversed(SHIFT_SHARES))
        if sum(len(p.carriers) for p in plantings) + carriers > SHIFTS_IN_ALL * len(data):
            break
        for population, group in order:
            mine = np.flatnonzero((population.code == group) & (data.y >= 0) & (y == data.y))
            count = np.bincount(data.y[mine], minlength=k)
            source = int(count.argmax())
            if used.isdisjoint(population.hidden) and low <= count[source] <= high:
                used |= set(population.hidden)
                rows = np.sort(rng.choice(mine[data.y[mine] == source], carriers, replace=False))
                y[rows] = int(rng.choice([c for c in range(k) if c != source]))
                plantings.append(Planting("group", "a group of the population relabelled in one direction", rows))
                break
    return CanaryCopy(data.with_content(data.rows, y), tuple(plantings)) if plantings else None
