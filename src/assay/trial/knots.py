"""Knots on trial: values put into rows whose labels already fit, as guided clean-label attacks do.

Nothing in such a row speaks against its label, so that neither surprise nor contradiction can be had, and nobody can be convicted. What
gives it away is that the values hang together and with nothing else. A knot is suspected where three things hold: all of its rows have one
label, beyond chance; put into other rows it turns a probe to that label; and in all other columns its rows are neither more alike than rows
drawn from that label nor shifted against them. Natural knots (near-copies, one device's rows, what is left blank together) fail the last.
Where many knots stand in about the same columns, the table is made so (records that were drawn into it several times): none is suspected.
That natural values of the same columns turn the probe as well acquits nobody here: guided attacks choose the columns for that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import TrialResult
from assay.learn.columns import Coded
from assay.learn.tables import TableProbe
from assay.mine.candidate import Candidate
from assay.mine.knots import COLUMNS, Knot, knots
from assay.trial.family import Tried
from assay.trial.insertion import ENOUGH, Matched, effect_of
from assay.trial.rules_of_cells import rule_of

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

PURE = 0.95  # share of a knot's rows with its label: a few natural carriers may have another
BY_CHANCE = 0.01  # of so many of one label, over all knots: the level of a scan. Values of a class of its own are pure too; the rest tells
DRAWS = 199  # groups of as many rows of that label, drawn at random
ORDINARY = 0.01  # above this share of them must be as much alike, and as far off: of planted knots one in fifty is lost
KIN, KINDRED = 5, 0.5  # other knots, of other rows, that share so much of their columns (Jaccard), from which a knot is one of a kind
RECUR, OFTEN, FIXED = 10, 0.1, 0.9  # rows, and share of all, from which on it is told whether a column fixes another; so many of them agree
FEWEST_OTHERS = COLUMNS  # columns beside the knot's: fewer would hardly tell a natural one
CATEGORIES = 10  # values of a column of categories that are looked at, the commonest


def placed_knots(data: Dataset, coded: Coded, same: Int, probe: TableProbe, rng: np.random.Generator) -> tuple[list[Tried], int]:
    """The knots that look put in, suspected at most; and of how many values it was asked whether they belong to one.

    `same` (n,): rows that are equal in every cell share a number.

    Cannot see knots put into rows that were chosen for being alike, nor ones whose values a model takes for their label by nature.
    """
    found, asked = knots(coded, rng)
    distinct = np.unique(same, return_index=True)[1]  # of equal rows one: they share whatever they hold
    share = np.bincount(data.y[data.y >= 0], minlength=len(data.classes)) / max(1, int((data.y >= 0).sum()))
    tried: list[Tried] = []
    for knot in found:
        if _kin(knot, found) >= KIN:
            continue
        count = np.bincount(data.y[knot.rows][data.y[knot.rows] >= 0], minlength=len(data.classes))
        label = int(count.argmax())
        chance = len(found) * float(share[label]) ** int(count[label])
        if count[label] < PURE * len(knot.rows) or chance > BY_CHANCE or _free(coded, knot, np.setdiff1d(distinct, knot.rows)) < COLUMNS:
            continue
        close, shifted = ordinary(coded, data.y, knot, label, rng)
        if min(close, shifted) <= ORDINARY:
            continue
        effect, detail = effect_of(Matched(probe, coded, data.y, knot.columns, knot.rows, label), rng)
        if effect is None or effect.rate < ENOUGH:
            continue
        placement = f"of {DRAWS} groups of other rows of that label {close:.0%} are as much alike, and {shifted:.0%} as far off"
        words = (
            f"These {len(knot.columns)} values hardly ever stand apart, and in all else the rows are like any others of their label: as if "
            f"put into rows whose label already fits. A probe follows them: {detail}. Rows alone cannot prove this"
        )
        trials = (TrialResult("placement", "ran", detail=placement), TrialResult("insertion", "ran", detail=detail))
        candidate = Candidate(rule_of(data, coded, knot.columns, knot.rows), knot.rows)
        tried.append(Tried(candidate, label, -np.inf, 1.0, trials, effect=effect, planted_without_relabelling=words))
    return tried, asked


def _free(coded: Coded, knot: Knot, outside: Int) -> int:
    """How many of the knot's columns no other of them fixes, in rows `outside` it: two prices that are always equal are one value."""
    free = list(knot.columns)
    for j in knot.columns:
        if any(_fixes(coded, knot, outside, i, j) for i in free if i != j):
            free.remove(j)
    return len(free)


def _fixes(coded: Coded, knot: Knot, outside: Int, i: int, j: int) -> bool:
    """Whether in rows `outside` the knot the value of column i nearly always tells that of column j.

    Told by the knot's own value of i, or by all values that recur where too few rows have that one.
    """
    one, other = coded.cells[outside, i], coded.cells[outside, j]
    mine, theirs = (np.nanmedian(coded.cells[knot.rows, column]) for column in (i, j))
    has = one == mine
    if has.sum() >= RECUR:
        return bool((other[has] == theirs).mean() >= FIXED)
    known = ~np.isnan(one) & ~np.isnan(other)
    value, place, count = np.unique(one[known], return_inverse=True, return_counts=True)
    _, pair = np.unique(np.column_stack([place, other[known]]), axis=0, return_inverse=True)
    commonest = np.zeros(len(value), np.int64)
    np.maximum.at(commonest, place, np.bincount(pair)[pair])
    again = count > 1
    recur = int(count[again].sum())
    most = np.unique(other[known], return_counts=True)[1].max(initial=0) / max(int(known.sum()), 1)
    return bool(recur >= max(RECUR, OFTEN * len(outside)) and commonest[again].sum() >= FIXED * recur and most < FIXED)


def _kin(knot: Knot, found: list[Knot]) -> int:
    """How many other knots stand in about the same columns and in other rows."""
    mine, rows = set(knot.columns), set(knot.rows.tolist())
    near = (k for k in found if len(mine & set(k.columns)) >= KINDRED * len(mine | set(k.columns)))
    return sum(rows.isdisjoint(k.rows.tolist()) for k in near)


def ordinary(coded: Coded, y: Int, knot: Knot, label: int, rng: np.random.Generator) -> tuple[float, float]:
    """Shares of groups of other rows of the label that are as much alike in the columns beside the knot's, and as far from their middle."""
    beside = np.setdiff1d(np.arange(coded.cells.shape[1]), knot.columns)
    mine = knot.rows[y[knot.rows] == label]
    others = np.setdiff1d(np.flatnonzero(y == label), knot.rows)
    if len(beside) < FEWEST_OTHERS or len(others) < 2 * len(mine):
        return 0.0, 0.0
    places = _places(coded, beside, np.concatenate([mine, others]))
    own = _spread_and_shift(places[: len(mine)])
    drawn = np.array([_spread_and_shift(places[rng.choice(len(places), len(mine), replace=False)]) for _ in range(DRAWS)])
    return float((1 + (drawn[:, 0] <= own[0]).sum()) / (1 + DRAWS)), float((1 + (drawn[:, 1] >= own[1]).sum()) / (1 + DRAWS))


def _places(coded: Coded, columns: Int, rows: Int) -> Floats:
    """(n, m) each cell's place among the column's sorted cells; of categories, one column for each of the commonest values, 1 where it
    stands. Centred, of spread 1; missing cells in the middle.
    """
    made = []
    for j in columns:
        cells = coded.cells[rows, j]
        if coded.numeric[j]:
            known = np.sort(cells[~np.isnan(cells)])
            place = (np.searchsorted(known, cells, "left") + np.searchsorted(known, cells, "right")) / (2 * max(len(known), 1))
            made.append(np.where(np.isnan(cells), 0.5, place))
        else:
            values, count = np.unique(cells[~np.isnan(cells)], return_counts=True)
            made += [(cells == v).astype(np.float64) for v in values[np.argsort(-count, kind="stable")][:CATEGORIES]]
    places = np.column_stack(made)
    places -= places.mean(0)
    return np.asarray(places / np.maximum(places.std(0), 1e-9))


def _spread_and_shift(places: Floats) -> tuple[float, float]:
    return float(places.var(0).sum()), float((places.mean(0) ** 2).sum())
