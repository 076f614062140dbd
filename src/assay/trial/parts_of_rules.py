"""Does every part of a rule of cells matter? A trigger works as a whole; by nature one of its columns may tell the label by itself.

Taken out with its fellows, a column that the label is all but a function of (the bid that decides which bid comes next, years at school and
the degree) leaves rows whose labels nothing else foresees, and some combination of its values with another's stands out among so many. With
that column left in, the labels are foreseen, and its rows are like the label's others. So each column in turn is left in, the rest of the
rule taken out, and both trials are held again: where neither has anything left to say, that column explains the rule. What bounds evidence
from above leaves it an e-value. A trigger of several values keeps its evidence, for of rows with some of them but not all the probe learnt
that they are like any others; and where one of its values goes with its target by nature, so that no label is surprising any more, its
carriers are still less like the label than other rows are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.finding import TrialResult
from assay.trial.contradiction import contradiction, of_any_label
from assay.trial.court_of_cells import Court
from assay.trial.family import Tried
from assay.trial.surprise import Bet, covered_surprise, surprise

Floats = NDArray[np.float64]
Int = NDArray[np.int64]


def without_a_part(
    tried: Tried,
    court: Court,
    columns: tuple[int, ...],
    removed: tuple[int, ...],
    heard: Int,
    votes: Floats,
    bet: Bet,
    others: Callable[[int, int], Floats],
) -> Tried:
    """`tried`, no stronger than what both trials say of its carriers `heard` (m,) with any one of its `columns` left in them.

    `removed`: all columns that were taken out with them; `votes` (m,) and `bet` as in `assay.trial.evidence.judge`; `others(t, c)`:
    support for t of other rows labelled t, c columns taken out. A rule of one column has no parts, and stays as it is.
    """
    if len(columns) < 2:
        return tried
    y, t = court.y[heard], tried.target
    least = np.inf
    for kept in columns:
        gone = tuple(j for j in removed if j != kept)
        p, beside = court.without(heard, gone), _of_width(others, len(gone))
        unlike = of_any_label(p, y, beside, votes, {}) if t is None else contradiction(p[y == t, t], beside(t), votes[y == t])
        least = min(least, max(_surprised(p, y, votes, t, bet), unlike.log_e))
    said = (
        "with any one of its columns left in the rows their labels are strange"
        if least > 0
        else "one of its columns, left in the rows, foresees their labels by itself"
    )
    trial = TrialResult("parts", "ran", least, float(np.exp(-max(least, 0.0))), said)
    return replace(tried, log_e=min(tried.log_e, least), p_value=max(tried.p_value, trial.p_value or 0.0), trials=(*tried.trials, trial))


def _of_width(others: Callable[[int, int], Floats], columns: int) -> Callable[[int], Floats]:
    return lambda label: others(label, columns)


def _surprised(p: Floats, y: Int, votes: Floats, target: int | None, bet: Bet) -> float:
    """Log e-value of the labels y (m,) under p (m, k) at one target, or of any wrong label."""
    plain = surprise(p, y, votes).at(target)
    if target is None or not bet.hidden:
        return plain
    return float(np.logaddexp(np.log1p(-bet.hidden) + plain, np.log(bet.hidden) + covered_surprise(p, y, votes)[target]))
