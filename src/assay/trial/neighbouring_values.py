"""Is a value of a number any stranger than the values beside it? What a column means by nature it means gradually.

Patients of a study's last year live on more often than the rest of their rows foresees, and those of the year before a little more often:
the number goes with the label, and its end stands out. So the rows with the nearest values, on both sides where there are two, tell by how
much the log odds of the target are shifted there, and the carriers' surprise is reckoned after the same shift. A trigger is at one value:
the rows beside it are like any others, and no shift takes anything off its evidence.

It is asked of single values of numbers that do not lie set off from all others of their column, and takes nothing off those of which just
this one value is out of line by nature.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.finding import TrialResult
from assay.learn.columns import Coded
from assay.trial.court_of_cells import Court
from assay.trial.family import Tried
from assay.trial.siblings import set_off
from assay.trial.surprise import surprise

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

FEWEST, MOST = 50, 1_000  # rows beside it that are heard: as many as there are carriers, within these
SHIFT_PRIOR = 4.0  # variance of the shift of log odds before the rows beside it are seen
ROUNDS = 20  # of Newton's method; steps are cut to one


def beside_neighbours(tried: Tried, court: Court, coded: Coded, columns: tuple[int, ...], carriers: Int, votes: Floats) -> Tried:
    """`tried`, no stronger than its labels' surprise once the shift is taken off that the rows with the nearest values show.

    `carriers` (m,) of the rule, of which those with a label are heard; `votes`: theirs. What is no single value of a number, or has no one
    target, stays as it is.
    """
    heard = carriers[court.y[carriers] >= 0]
    if len(columns) > 1 or tried.target is None or len(votes) < len(heard):
        return tried
    j = columns[0]
    if not coded.numeric[j] or set_off(coded, j, carriers):
        return tried
    beside = _nearest(coded.cells[:, j], court.y, carriers)
    if len(beside) < FEWEST:
        return tried
    p, t = court.without(beside, (j,)), tried.target
    shift = max(0.0, _shift(np.log(p[:, t]) - np.log1p(-p[:, t]), court.y[beside] == t))
    own = court.without(heard, (j,))
    odds = own[:, t] / (1 - own[:, t]) * np.exp(shift)
    shifted = own * ((1 - odds / (1 + odds)) / (1 - own[:, t]))[:, None]
    shifted[:, t] = odds / (1 + odds)
    log_e = float(surprise(shifted, court.y[heard], votes).log_e_targeted[t])
    said = f"rows with values beside this one have the label {np.exp(shift):.1f} times as often, in odds, as the rest of them foresees"
    trial = TrialResult("values beside it", "ran", log_e, float(np.exp(-max(log_e, 0.0))), said)
    return replace(tried, log_e=min(tried.log_e, log_e), p_value=max(tried.p_value, trial.p_value or 0.0), trials=(*tried.trials, trial))


def _nearest(cells: Floats, y: Int, carriers: Int) -> Int:
    """The labelled rows beside the carriers with the nearest numbers, as many as there are carriers."""
    others = np.setdiff1d(np.flatnonzero((y >= 0) & ~np.isnan(cells)), carriers)
    here = cells[carriers]
    distance = np.minimum(np.abs(cells[others] - here.min()), np.abs(cells[others] - here.max()))
    order = np.argsort(distance, kind="stable")
    wanted = int(np.clip(len(carriers), FEWEST, MOST))
    return others[order[:wanted]]


def _shift(logit: Floats, hit: NDArray[np.bool_]) -> float:
    """The shift of log odds (m,) that makes the most of `hit` (m,), around none a priori."""
    shift = 0.0
    for _ in range(ROUNDS):
        q = 1 / (1 + np.exp(-(logit + shift)))
        shift += float(np.clip(((hit - q).sum() - shift / SHIFT_PRIOR) / ((q * (1 - q)).sum() + 1 / SHIFT_PRIOR), -1, 1))
    return shift
