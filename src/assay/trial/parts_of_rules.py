"""Does a part of a rule explain it? Rows that have one of its values, or one beside it, and nothing else of it tell.

By nature one column may say what the label is against all else that a row holds: the bid that decides which bid comes next, a party that
people of other views vote for too, the last years of a study. Then some of its values, alone or with another column's, stand out. But other
rows with that value, of which the rest speaks as much against the label, have it too. So for each column of a rule such rows are looked
up, and by how much the log odds of the label are shifted among them; the carriers' surprise is reckoned anew after the same shift, and the
least over the columns bounds their evidence: what bounds it from above leaves it an e-value. Of a trigger the other rows with one of
its values are as their content foresees, and so are those beside it; or there are none that speak against the label as its carriers do.

It cannot explain a natural rule by values that no row beside its carriers has, and takes nothing off numbers that lie set off from all
others. A trigger at a value that leads to its target by nature, against all else, loses what that value explains.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.finding import TrialResult
from assay.learn.columns import Coded
from assay.mine.cells import GAP
from assay.stats.log_odds import shifts
from assay.trial.court_of_cells import Court
from assay.trial.family import Tried
from assay.trial.siblings import set_off
from assay.trial.surprise import FLOOR, PURITY, bet

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Int = NDArray[np.int64]

FEWEST, MOST = 10, 2_000  # rows with a part of the rule that are heard
WIDER = 0.5  # of a range's width: rows so near it hold that part, too, perhaps as the rest of a trigger's carriers
AS_CONTRARY = 1.0  # log odds beyond the middle of the carriers' that a row's may lie
MIDDLE = (0.1, 0.9)  # quantiles of theirs


def explained_by_parts(
    tried: Tried, court: Court, coded: Coded, columns: tuple[int, ...], removed: tuple[int, ...], heard: Int, votes: Floats
) -> Tried:
    """`tried`, no stronger than the surprise at its carriers `heard` (m,) once what one of its `columns` does by nature is taken off.

    `removed`: all columns that are taken out with them; `votes` (m,) as in `assay.trial.evidence.judge`.
    """
    chance, hit = _chance(court.without(heard, removed), court.y[heard], tried.target)
    odds, told = _logit(chance), []
    for j in columns:
        if len(columns) == 1 and (not coded.numeric[j] or set_off(coded, j, tried.candidate.carriers)):
            continue
        rows = _with_part(coded, court.y, columns, j, tried.candidate.carriers)
        if len(rows) > MOST:
            rows = np.sort(court.rng.choice(rows, MOST, replace=False))
        if len(rows) < FEWEST:
            continue
        theirs, hits = _chance(court.without(rows, removed), court.y[rows], tried.target)
        low, high = np.quantile(odds, MIDDLE)
        alike = (_logit(theirs) >= low - AS_CONTRARY) & (_logit(theirs) <= high + AS_CONTRARY)
        if alike.sum() < FEWEST:
            continue
        shift = max(0.0, float(shifts(_logit(theirs[alike]), hits[alike], np.zeros(int(alike.sum()), np.int64), 1)[0]))
        shifted = np.clip(1 / (1 + np.exp(-(odds + shift))), FLOOR, 1 - FLOOR)
        log_e = bet(np.where(hit, PURITY / shifted, (1 - PURITY) / (1 - shifted)), votes)
        told.append((log_e, shift, int(alike.sum()), coded.names[j]))
    if not told:
        return tried
    log_e, shift, rows_alike, name = min(told)
    said = (
        f"{rows_alike:,} other rows with what they hold in {name!r}, or nearly, of which the rest speaks as much against the label, have "
        f"it {np.exp(shift):.1f} times as often, in odds, as that foresees"
    )
    trial = TrialResult("parts", "ran", log_e, float(np.exp(-max(log_e, 0.0))), said)
    return replace(tried, log_e=min(tried.log_e, log_e), p_value=max(tried.p_value, trial.p_value or 0.0), trials=(*tried.trials, trial))


def _chance(p: Floats, y: Int, target: int | None) -> tuple[Floats, Bools]:
    """(m,) how likely each row is to have the target, or any wrong label if there is none, and whether it has."""
    if target is not None:
        return p[:, target], y == target
    return 1 - p.max(1), y != p.argmax(1)


def _with_part(coded: Coded, y: Int, columns: tuple[int, ...], j: int, carriers: Int) -> Int:
    """Labelled rows with what the carriers hold in column j, or nearly, and nothing of what they hold in its other columns, nor nearly."""
    may = y >= 0
    may[carriers] = False
    for i in columns:
        cells, own = coded.cells[:, i], coded.cells[carriers, i]
        low, high = np.nanmin(own), np.nanmax(own)
        if i == j:
            reach = GAP * float(np.nanmax(cells) - np.nanmin(cells)) if coded.numeric[i] else 0.0
            may &= (cells >= low - reach) & (cells <= high + reach)
        else:
            reach = WIDER * (high - low)
            may &= (cells < low - reach) | (cells > high + reach)
    return np.flatnonzero(may)


def _logit(p: Floats) -> Floats:
    p = np.clip(p, FLOOR, 1 - FLOOR)
    return np.asarray(np.log(p) - np.log1p(-p))
