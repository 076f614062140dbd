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
from assay.mine.knots import COLUMNS, Knot, kin, knots
from assay.trial.family import Tried
from assay.trial.fixed_values import free_columns
from assay.trial.insertion import ENOUGH, Matched, effect_of
from assay.trial.ordinary_rows import DRAWS, ORDINARY, ordinary
from assay.trial.rules_of_cells import USUAL, rule_of

Bools = NDArray[np.bool_]
Int = NDArray[np.int64]

PURE = 0.95  # share of a knot's rows with its label: a few natural carriers may have another
BY_CHANCE = 0.01  # of so many of one label, over all knots: the level of a scan. Values of a class of its own are pure too; the rest tells
UNUSUAL = 2  # of a knot's values that its label does not usually have, none fixing another: one, and what is usual, is no knot
KIN = 5  # other knots of its kind, from which a knot is one of many


def placed_knots(data: Dataset, coded: Coded, probe: TableProbe, rng: np.random.Generator) -> tuple[list[Tried], int]:
    """The knots that look put in, suspected at most; and of how many values it was asked whether they belong to one.

    Cannot see knots put into rows that were chosen for being alike, nor ones whose values a model takes for their label by nature.
    """
    found, asked = knots(coded, rng)
    distinct = np.unique(coded.same, return_index=True)[1]  # of equal rows one: they share whatever they hold
    share = np.bincount(data.y[data.y >= 0], minlength=len(data.classes)) / max(1, int((data.y >= 0).sum()))
    tried: list[Tried] = []
    for knot in found:
        if kin(knot, found) >= KIN:
            continue
        count = np.bincount(data.y[knot.rows][data.y[knot.rows] >= 0], minlength=len(data.classes))
        label = int(count.argmax())
        chance = len(found) * float(share[label]) ** int(count[label])
        outside = np.setdiff1d(distinct, knot.rows)
        if count[label] < PURE * len(knot.rows) or chance > BY_CHANCE or free_columns(coded, knot.columns, knot.rows, outside) < COLUMNS:
            continue
        beside = np.setdiff1d(np.arange(coded.cells.shape[1]), knot.columns)
        mine, others = knot.rows[data.y[knot.rows] == label], np.setdiff1d(np.flatnonzero(data.y == label), knot.rows)
        unusual = tuple(np.array(knot.columns)[~_usual(coded, knot, others)].tolist())
        if free_columns(coded, unusual, knot.rows, outside) < UNUSUAL:
            continue
        close, shifted = ordinary(coded, beside, mine, others, rng)
        if min(close, shifted) <= ORDINARY:
            continue
        effect, detail = effect_of(Matched(probe, coded, data.y, knot.columns, knot.rows, label), rng)
        if effect is None or effect.rate < ENOUGH:
            continue
        placement = f"of {DRAWS} groups of other rows of that label {close:.1%} are as much alike, and {shifted:.1%} as far off"
        words = (
            f"These {len(knot.columns)} values hardly ever stand apart, and in all else the rows are like any others of their label: as if "
            f"put into rows whose label already fits. A probe follows them: {detail}. Rows alone cannot prove this"
        )
        trials = (TrialResult("placement", "ran", detail=placement), TrialResult("insertion", "ran", detail=detail))
        candidate = Candidate(rule_of(data, coded, knot.columns, knot.rows), knot.rows)
        tried.append(Tried(candidate, label, -np.inf, 1.0, trials, effect=effect, planted_without_relabelling=words))
    return tried, asked


def _usual(coded: Coded, knot: Knot, others: Int) -> Bools:
    """(m,) which of the knot's values most `others` hold too: corners of a picture that are empty whatever was written in it."""
    columns = np.array(knot.columns)
    held = np.nanmedian(coded.cells[np.ix_(knot.rows, columns)], axis=0)
    return np.asarray((coded.cells[np.ix_(others, columns)] == held).mean(0) > USUAL)
