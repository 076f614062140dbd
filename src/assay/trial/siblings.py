"""Siblings: where several values of one column pass, the column itself goes with the label by nature.

Clean Adult has a dozen such values, all of capital gain and capital loss: the rest of a row does not foresee them. They form one
shortcut, and a trigger hidden among them cannot be confirmed. One thing a natural value does not do: lie set off from all others of its
column, and have carriers that belong to their label even less than those of its other values that go with one. Such a value is judged
by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.artefact.cells import Cells
from assay.artefact.group import Group
from assay.dataset.data import Dataset
from assay.learn.columns import Coded
from assay.mine.candidate import Candidate
from assay.mine.cells import GAP, SUPPORT
from assay.stats.ranks import low_rank_e
from assay.trial.court_of_cells import Court
from assay.trial.evidence import combine
from assay.trial.family import Tried
from assay.trial.surprise import surprise

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CHANCE = 20.0  # a value is a sibling if its e-value is this times the number of values its column proposes: one in twenty columns by chance
OUTSTANDING = 1000.0  # e-value, times the number of its column's values that go with a label, from which carriers belong less than theirs

TELLING = 0.15  # share of a column's values that surprise, e-value 20, from which it tells by nature: by chance one in twenty does
SPEAKS = np.log(20.0)  # log e-value from which a value does
VALUES = 8  # values a column has at least for that to be said
TOLD_BY = 20_000  # rows by which that is told
PURE = 0.99  # of a value's rows with one label, and of a column's other rows with such values, from which it parts the data by label
NATURAL = "Its columns go with the label by nature, in many of their values; a trigger made of such values could not be told from them"
PARTS = (
    "Every other value of its column goes with one label, too: the column says what label a row has, as the name of a file does from which "
    "rows were put together. Whether this part's labels are right the rows alone cannot tell"
)


def merge_siblings(tried: list[Tried], passes: Bools, data: Dataset, coded: Coded, court: Court) -> list[Tried]:
    """The same trials, siblings merged into one shortcut a column (or combination of columns); they need not all pass."""
    families: dict[str, list[int]] = {}
    for i, t in enumerate(tried):
        artefact = t.candidate.artefact
        if t.family_key is None or not isinstance(artefact, Cells):
            continue
        values = _values(coded, artefact) if len(artefact.conditions) == 1 else 0
        if passes[i] or (values and t.log_e > np.log(CHANCE * values)):
            families.setdefault(t.family_key, []).append(i)
    gone: set[int] = set()
    shortcuts = []
    for key, members in families.items():
        kin = [i for i, t in enumerate(tried) if t.family_key == key and isinstance(t.candidate.artefact, Cells)]
        members = [i for i in members if not _stands_apart(tried, i, kin, data, coded, court)]
        if len(members) > 1 and passes[members].any() and not _one_range([tried[i] for i in members], coded):
            gone.update(members)
            shortcuts.append(_shortcut(key, [tried[i] for i in members], data))
    return [t for i, t in enumerate(tried) if i not in gone] + shortcuts


def _one_range(members: list[Tried], coded: Coded) -> bool:
    """Whether these are parts of one range of several columns with one target, each as near another as the wider of the two is wide: a
    trigger's range across a common value, beside which other rows lie, is settled in parts."""
    columns = [
        coded.names.index(c.column) for t in members[:1] if isinstance(t.candidate.artefact, Cells) for c in t.candidate.artefact.conditions
    ]
    if len(columns) < 2 or len({t.target for t in members}) > 1 or not coded.numeric[columns].all():
        return False
    cells = [coded.cells[t.candidate.carriers][:, columns] for t in members]
    low, high = np.array([x.min(0) for x in cells]), np.array([x.max(0) for x in cells])
    if (low == high).all():
        return False
    reached, waiting = [0], list(range(1, len(members)))
    for i in reached:
        near = [m for m in waiting if (np.maximum(low[i], low[m]) - np.minimum(high[i], high[m]) <= (high - low)[[i, m]].max(0)).all()]
        reached += near
        waiting = [m for m in waiting if m not in near]
    return not waiting


def _values(coded: Coded, artefact: Cells) -> int:
    _, count = np.unique(coded.cells[:, coded.names.index(artefact.columns[0])], return_counts=True)
    return int((count >= SUPPORT).sum())


def natural_columns(tried: list[Tried], passes: Bools, data: Dataset, coded: Coded, court: Court) -> list[Tried]:
    """What passes in columns that tell of the label by nature, in many of their values or combinations, or in all but one, is a shortcut.

    One or two values of which any is in such a column, or more that all are; not a number set off from all others of its column.
    """
    telling: dict[tuple[int, ...], bool] = {}
    told = []
    for t, passed in zip(tried, passes, strict=True):
        artefact = t.candidate.artefact
        if not passed or t.natural is not None or not isinstance(artefact, Cells):
            told.append(t)
            continue
        columns = [coded.names.index(name) for name in artefact.columns]
        for some in {tuple(sorted(columns)), *((j,) for j in columns)}:
            if some not in telling:
                telling[some] = tells(data, coded, court, some)
        natural = by_nature(columns, telling.__getitem__)
        apart = len(columns) == 1 and set_off(coded, columns[0], t.candidate.carriers)
        if natural and not apart:
            t = replace(t, natural=NATURAL)
        elif any(parts_by_label(data, coded, j, t.candidate.carriers) for j in columns):
            t = replace(t, natural=PARTS)
        told.append(t)
    return told


def by_nature(columns: Sequence[int], told: Callable[[tuple[int, ...]], bool], against: Sequence[int] = ()) -> bool:
    """Whether a rule in these columns is one of many that tell of the label, where `told` says of which columns that is so (`tells`).

    `against`: those of the columns whose value here speaks against the label. That they tell of others makes no rule natural.
    """
    for_it = [j for j in columns if j not in against]
    each = [told((j,)) for j in for_it]
    several = any(each) if len(columns) <= 2 else len(each) > 1 and all(each)
    return several or (not against and len(columns) > 1 and told(tuple(sorted(columns))))


def parts_by_label(data: Dataset, coded: Coded, j: int, carriers: NDArray[np.int64]) -> bool:
    """Whether a column of categories parts the rows beside `carriers` by label: each value has one, and each label one of its own.

    A folder or a file of origin. Spam that was sorted by hand has a part "hard ham", whose rows look like spam by nature.
    """
    if coded.numeric[j]:
        return False
    rows = np.setdiff1d(np.flatnonzero(data.y >= 0), carriers)
    _, code = np.unique(coded.cells[rows, j], return_inverse=True)
    hits = np.zeros((int(code.max(initial=-1)) + 1, len(data.classes)), np.int64)
    np.add.at(hits, (code, data.y[rows]), 1)
    count = hits.sum(1)
    pure = (hits.max(1, initial=0) >= PURE * count) & (count >= SUPPORT)
    labels = np.unique(hits[pure].argmax(1)) if pure.any() else np.zeros(0, np.int64)
    return bool(count[pure].sum() >= PURE * count.sum() and len(labels) == len(np.unique(data.y[rows])) > 1)


def tells(data: Dataset, coded: Coded, court: Court, columns: tuple[int, ...]) -> bool:
    """Whether many values of a column, or combinations of values of several, go with labels that the rest of their rows does not foresee.

    A price list of two brands says what a third costs, by nature, in every one of its weeks.
    """
    cells = coded.cells[:, list(columns)]
    code = _numbered(cells)
    rows = np.flatnonzero((data.y >= 0) & ~np.isnan(cells).any(1) & (np.bincount(code)[code] >= SUPPORT) & ~court.spared)
    if len(rows) > TOLD_BY:
        rows = np.sort(court.rng.choice(rows, TOLD_BY, replace=False))
    rows = rows[np.argsort(code[rows], kind="stable")]
    p, y = court.without(rows, columns), data.y[rows]
    speaks = []
    for first, end in pairwise([*np.flatnonzero(np.diff(code[rows], prepend=-1)), len(rows)]):
        asked = surprise(p[first:end], y[first:end])
        able = max(float(asked.log_e_targeted.max()), asked.log_e_untargeted) > SPEAKS  # which no mean of them passes
        speaks.append(able and combine(asked.log_e_targeted, asked.log_e_untargeted) > SPEAKS)
    return len(speaks) >= VALUES and bool(np.mean(speaks) >= TELLING)


def _numbered(cells: Floats) -> NDArray[np.int64]:
    """(n,) a number for each row of `cells` (n, m): rows without a missing cell that are equal, and they alone, have the same one."""
    number = np.zeros(len(cells), np.int64)
    for column in cells.T:
        values, code = np.unique(column, return_inverse=True)
        _, number = np.unique(number * len(values) + code, return_inverse=True)
    return number


def set_off(coded: Coded, j: int, carriers: NDArray[np.int64], beyond: bool = False) -> bool:
    """Whether the carriers' numbers lie set off from all others of their column; `beyond`: from all that the others span."""
    others, here = np.delete(coded.cells[:, j], carriers), coded.cells[carriers, j]
    if not coded.numeric[j] or not np.isfinite(others).any():
        return False
    low, high = np.nanmin(others), np.nanmax(others)
    if beyond:
        past = max(here.min() - high, low - here.max())
        return bool(np.isfinite(past) and past > GAP * (high - low) > 0)
    nearest = min(np.nanmin(np.abs(others - here.min())), np.nanmin(np.abs(others - here.max())))
    return bool(nearest > GAP * (high - low))


def _stands_apart(tried: list[Tried], i: int, kin: list[int], data: Dataset, coded: Coded, court: Court) -> bool:
    """Whether this value lies set off from its column, and its carriers belong to their label less than those of its kin do."""
    artefact, carriers = tried[i].candidate.artefact, tried[i].candidate.carriers
    if not isinstance(artefact, Cells) or len(artefact.conditions) > 1 or len(kin) < 2:
        return False
    j = coded.names.index(artefact.columns[0])
    if not set_off(coded, j, carriers):
        return False
    ours = _belonging(carriers, j, data, court)
    theirs = np.concatenate([_belonging(tried[m].candidate.carriers, j, data, court) for m in kin if m != i])
    return low_rank_e(ours, theirs) > np.log(OUTSTANDING * len(kin))


def _belonging(carriers: NDArray[np.int64], j: int, data: Dataset, court: Court) -> Floats:
    """Where each carrier stands among the rows of its own label, in [0, 1], without column j."""
    y = data.y[carriers]
    carriers, y = carriers[y >= 0], y[y >= 0]
    p, u = court.without(carriers, (j,)), np.zeros(len(y))
    for label in np.unique(y):
        reference = np.sort(court.reference(int(label), 1)[1])
        u[y == label] = np.searchsorted(reference, p[y == label, label], side="right") / max(len(reference), 1)
    return u


def _shortcut(key: str, members: list[Tried], data: Dataset) -> Tried:
    strongest = max(members, key=lambda t: t.log_e)
    carriers = np.unique(np.concatenate([t.candidate.carriers for t in members]))
    candidate, artefact = strongest.candidate, strongest.candidate.artefact
    if isinstance(artefact, Cells) and len(artefact.conditions) == 1:
        cells = data.table.column(artefact.columns[0]).take(pa.array(carriers)).unique().to_pylist()
        candidate = Candidate(Group(artefact.columns[0], tuple(sorted(cells))), carriers)
    targets = {t.target for t in members}
    natural = (
        f"{len(members)} values of {key} each go with a label that the rest of their rows does not foresee: a natural attribute, "
        "not a trigger. A trigger hidden among these values could not be told from them"
    )
    return replace(strongest, candidate=candidate, target=targets.pop() if len(targets) == 1 else None, natural=natural, effect=None)
