"""Rules put into rows whose label nothing else foretells: suspected where the rest of the rows cannot contradict it.

Where a label is hardly foretold, or by one column alone, rows that were given it are no stranger to it than its own once a rule's columns
are taken out of both: surprise may be e^200 and contradiction nothing. What gives such a rule away is that it says the label all at once,
and nothing else. It is suspected where four things hold. It has three values at least, of which none fixes another, or one that lies
beyond all others of its column. Nearly all rows that follow it have one label, beyond what all proposals can do by chance. Neither a part
of it (`parts_of_rules`), nor values next to it, nor the other values of its columns tell of the label. And in all other columns its rows
are neither more alike than rows drawn from the other labels nor shifted against them. Natural rules fail here: a part of them tells, too,
or their rows are of one kind (one person's, one shop's). Where several such rules stand in about the same columns, the label is made of
them by nature (a game's, a circuit's): none is suspected.

Cannot see rules of one or two values within the range of others, ranges, rows that were chosen for being alike, and what most rows of a
label hold, which may be what it means.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from assay.dataset.data import Dataset
from assay.finding import Effect, TrialResult
from assay.learn.columns import Coded
from assay.learn.tables import TableProbe
from assay.mine.candidate import Candidate
from assay.mine.knots import Knot, kin
from assay.trial.court_of_cells import HEARD_AT_LAST, Court
from assay.trial.family import Tried
from assay.trial.fixed_values import free_columns
from assay.trial.insertion import Matched, effect_of
from assay.trial.ordinary_rows import DRAWS, ORDINARY, ordinary
from assay.trial.parts_of_rules import explained_by_parts
from assay.trial.rules_of_cells import fuller, rows_beside, rule_of
from assay.trial.siblings import by_nature, parts_by_label, set_off, tells
from assay.trial.surprise import surprise

Int = NDArray[np.int64]

COLUMNS = 3  # free ones at least, if no value lies beyond all others: by nature two often say a label together
ROWS = 15  # of a rule at least: fewer are like any others by chance
PURE = 0.95  # share of them with its label: a few natural carriers may have another
OTHERS = 2  # times as many rows has its label in all: what most rows of a label hold may be what it means
ALPHA = 0.01  # level of the surprise, over all that was proposed
MOST = 0.6  # of a box's carriers with one value in a column, from which on a rule is made of that
KEPT = 0.5  # share of it that no part of the rule may explain
SAID, BY_CHANCE = 0.5, 0.001  # share of the other rows with one of its values that have its label, from which that value says it
NEXT, LEADS = 50, 0.25  # rows next to a value beyond all others, and the share of them with its label from which they lead to it
FEWEST_BESIDE = 2  # columns beside the rule's that say something: what it says of the label is beyond chance as it is
KIN = 3  # other rules of its kind, from which the table is made of them


@dataclass(frozen=True)
class Rule(Knot):
    """Most of its rows have the `label`; of any number of columns."""

    label: int


def rules_put_in(
    data: Dataset, coded: Coded, court: Court, probe: TableProbe, proposed: Iterable[tuple[tuple[int, ...], Int]], total: float
) -> list[Tried]:
    """Those of the proposed rules (columns, carriers) that look put in, suspected at most. `total`: how many were proposed in all."""
    rules = _full(coded, data.y, proposed)
    tried = [_tried(data, coded, court, probe, rule, float(np.log(total / ALPHA))) for rule in rules]
    suspected = [rule for rule, t in zip(rules, tried, strict=True) if t is not None]
    return [t for rule, t in zip(rules, tried, strict=True) if t is not None and kin(rule, suspected) < KIN]


def _full(coded: Coded, y: Int, proposed: Iterable[tuple[tuple[int, ...], Int]]) -> list[Rule]:
    """The proposals that say a label, worded as fully as their carriers allow; of those with the same rows the first."""
    rules: list[Rule] = []
    for columns, carriers in proposed:
        labels = y[carriers][y[carriers] >= 0]
        if len(labels) < ROWS:
            continue
        label = int(np.bincount(labels).argmax())
        same, carriers = _same(coded, columns, carriers)
        columns, rows, _ = fuller(coded, y, same, carriers, label)
        rows = rows[y[rows] >= 0]
        known = any(np.array_equal(rows, other.rows) for other in rules)
        meant = (y == label).sum() < OTHERS * (y[rows] == label).sum()
        if len(rows) >= ROWS and (y[rows] == label).mean() >= PURE and not known and not meant:
            rules.append(Rule(columns, rows, label))
    return rules


def _same(coded: Coded, columns: tuple[int, ...], carriers: Int) -> tuple[tuple[int, ...], Int]:
    """Of a box the columns in which nearly all carriers hold one value, and those that do: a box about a rule holds some rows more."""
    kept = []
    for j in columns:
        _, place, count = np.unique(coded.cells[carriers, j], return_inverse=True, return_counts=True)
        if count.max(initial=0) >= MOST * len(carriers):
            kept.append(j)
            carriers = carriers[place == count.argmax()]
    return tuple(kept), carriers


def _tried(data: Dataset, coded: Coded, court: Court, probe: TableProbe, rule: Rule, enough: float) -> Tried | None:
    """What it says against the rule; None where it is natural for all that can be told."""
    y, rng = data.y, court.rng
    beyond = [j for j in rule.columns if set_off(coded, j, rule.rows, beyond=True)]
    outside = rows_beside(y, rule.rows)
    if not beyond and free_columns(coded, rule.columns, rule.rows, outside, few_tell=True) < COLUMNS:
        return None
    if _said_by_one(coded, y, rule, outside, beyond):
        return None
    heard = rule.rows if len(rule.rows) <= HEARD_AT_LAST else np.sort(rng.choice(rule.rows, HEARD_AT_LAST, replace=False))
    votes = court.witnesses.votes(heard, rule.columns, rng)
    said = float(surprise(court.without(heard, rule.columns), y[heard], votes).log_e_targeted[rule.label])
    if said < enough:
        return None
    surprised = TrialResult("surprise", "ran", said, float(np.exp(-said)), f"of {len(heard):,} rows nearly all have the label")
    candidate = Candidate(rule_of(data, coded, rule.columns, rule.rows), rule.rows)
    tried = Tried(candidate, rule.label, said, float(np.exp(-said)), (surprised,))
    tried = explained_by_parts(tried, court, coded, rule.columns, rule.columns, heard, votes)
    if tried.log_e < max(enough, KEPT * said):
        return None
    beside = np.setdiff1d(np.arange(coded.cells.shape[1]), rule.columns)
    mine = heard[y[heard] == rule.label]
    close, shifted = ordinary(coded, beside, mine, outside[y[outside] != rule.label], rng, FEWEST_BESIDE)
    if min(close, shifted) <= ORDINARY:
        return None
    against = [j for j in rule.columns if _speaks_against(coded, y, rule, outside, j)]
    if by_nature(rule.columns, lambda some: tells(data, coded, court, some), against):
        return None
    if any(parts_by_label(data, coded, j, rule.rows) for j in rule.columns):
        return None
    placement = f"of {DRAWS} groups of rows of other labels {close:.1%} are as much alike, and {shifted:.1%} as far off"
    return _suspected(tried, rule, placement, effect_of(Matched(probe, coded, y, rule.columns, rule.rows, rule.label), rng))


def _suspected(tried: Tried, rule: Rule, placement: str, inserted: tuple[Effect | None, str]) -> Tried:
    """The rule with all that speaks against it, in words: suspected, not convicted."""
    effect, detail = inserted
    alone = "This value says the label, and those next to it do not"
    together = f"These {len(rule.columns)} values together say the label, and no part of them does"
    words = (
        f"{alone if len(rule.columns) == 1 else together}; in all else the rows are like any of other labels: as if put into them with the "
        f"label. A probe: {detail}. What else they hold contradicts the label too little to prove this"
    )
    trials = (*tried.trials, TrialResult("placement", "ran", detail=placement), TrialResult("insertion", "ran", detail=detail))
    return Tried(tried.candidate, rule.label, -np.inf, 1.0, trials, effect=effect, planted_without_relabelling=words)


def _said_by_one(coded: Coded, y: Int, rule: Rule, outside: Int, beyond: list[int]) -> bool:
    """Whether rows `outside` it that hold one of its values mostly have its label, or those next to one beyond all lead to it."""
    hit = y[outside] == rule.label
    for j in rule.columns:
        cells, value = coded.cells[outside, j], coded.cells[rule.rows[0], j]
        has, most = cells == value, SAID
        if j in beyond:
            near = np.abs(cells - value)
            told = np.sort(near[~np.isnan(near)])[:NEXT]
            has, most = near <= told.max(initial=0.0), LEADS
        if hit[has].sum() >= most * max(has.sum(), 1) and binom.sf(hit[has].sum() - 1, has.sum(), hit.mean()) < BY_CHANCE:
            return True
    return False


def _speaks_against(coded: Coded, y: Int, rule: Rule, outside: Int, j: int) -> bool:
    """Whether rows `outside` the rule with its value in column j have its label less than others: that it tells of labels is no reason."""
    hit, has = y[outside] == rule.label, coded.cells[outside, j] == coded.cells[rule.rows[0], j]
    return bool(binom.cdf(hit[has].sum(), has.sum(), hit.mean()) < BY_CHANCE)
