"""How the trials of one artefact become one e-value.

Surprise and contradiction (`assay.trial.surprise`, `assay.trial.contradiction`) convict. Either alone convicts clean data (every natural
good word moves the label); both together do not, as measured. An artefact's evidence is the *lesser* of the two e-values, averaged over
the targets it could have and over "one target" and "any wrong label": an average of e-values is an e-value, and the minimum of two is one
too, so e-BH may pool the result with every other family. Belonging acquits (`assay.trial.acquittal`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from assay.finding import TrialResult
from assay.mine.candidate import Candidate
from assay.stats.poisson_binomial import upper_tail
from assay.trial.accused import accused
from assay.trial.acquittal import Acquittal, acquittal
from assay.trial.belonging import ALIKE, strangers_share, unlike_covers, unlike_ordinary
from assay.trial.contradiction import FEW, UNTRIED, Contradiction, contradiction, either, of_any_label
from assay.trial.controls import Controls
from assay.trial.family import Tried
from assay.trial.surprise import Bet, Surprise, checked_surprise, clip_probabilities, covered_surprise, surprise

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

NOMINATE = np.log(100.0)  # surprise alone at least this: worth naming as a natural shortcut


def combine(targeted: Floats, untargeted: float) -> float:
    """Log e-value of one artefact: the mean over "some one target" (itself a mean over targets) and "any wrong label"."""
    some_target = float(logsumexp(targeted) - np.log(len(targeted)))
    return float(np.logaddexp(some_target, untargeted) - np.log(2))


def judge(
    candidate: Candidate,
    p_removed: Floats,
    y: Int,
    controls: Controls,
    *,
    votes: Floats | None = None,
    bet: Bet = Bet.PURE,
    lenient: bool = False,
) -> Tried:
    """Put one candidate through both trials, and hear what acquits it.

    `p_removed` (m, k) and `y` (m,) are the carriers' out-of-fold probabilities with the artefact removed, and their labels; `votes` (m,) as
    in `assay.trial.surprise.surprise`, `lenient` as in `assay.trial.acquittal.acquittal`. Carriers that plainly belong to their label
    acquit the artefact, but for what two kinds says (`Tried.odd` are then those that do not belong). Where only a sample of the
    candidate's carriers is heard, `Tried.odd` and `Tried.accused` are None.
    """
    heard = _Heard(p_removed, y, np.ones(len(y)) if votes is None else votes)
    charges = _charges(heard, controls, bet)
    again = _asked_again(heard, controls, bet) if charges.convict else None
    if again is not None:
        charges = charges.at_most(again)
    target, contradicted = _aim(charges, bet)
    surprised = charges.surprise.at(target)
    trials: tuple[TrialResult, ...] = _of_surprise(heard, target, surprised), _of_contradiction(contradicted)
    if again is not None:
        trials = (*trials, _of_rows_alike(again.at(target)))
    log_e = combine(charges.targeted, charges.any_wrong)
    p_value = max(trial.p_value for trial in trials if trial.p_value is not None)
    ours = heard.labelled(target)
    defence = acquittal(ours.p, ours.y, ours.votes, target, controls, lenient) if np.isfinite(log_e) else Acquittal()
    whole = len(y) == len(candidate.carriers)
    return Tried(
        candidate,
        target,
        min(log_e, defence.log_e),
        max(p_value, defence.p_value),
        (*trials, *defence.trials),
        nominated=surprised >= NOMINATE,
        odd=candidate.carriers[y == target][defence.odd] if whole and defence.odd is not None else None,
        accused=_accused(candidate.carriers, heard, target, controls) if whole else None,
    )


@dataclass(frozen=True)
class _Heard:
    """The carriers that are heard: what they say with the artefact removed, their labels and votes, as in `judge`."""

    p: Floats
    y: Int
    votes: Floats

    def labelled(self, label: int | None) -> _Heard:
        """Those with this label; None: all."""
        if label is None:
            return self
        mine = self.y == label
        return _Heard(self.p[mine], self.y[mine], self.votes[mine])


@dataclass(frozen=True)
class _Charges:
    """What both trials say together: `targeted` (k,), for each target, and `any_wrong`, of any wrong label, are the lesser log e-values."""

    surprise: Surprise
    contradictions: Mapping[int, Contradiction]  # for each target that is tried
    of_any_label: Contradiction
    targeted: Floats
    any_wrong: float

    @property
    def convict(self) -> bool:
        return bool(max(self.targeted.max(), self.any_wrong) > 0)

    def at_most(self, again: Surprise) -> Self:
        """No more than another surprise at the same labels leaves of them."""
        left = np.minimum(self.targeted, again.log_e_targeted), min(self.any_wrong, again.log_e_untargeted)
        return replace(self, targeted=left[0], any_wrong=left[1])


def _charges(heard: _Heard, controls: Controls, bet: Bet) -> _Charges:
    """Both trials. Only targets whose surprise speaks for them are tried: the rest count as e = 0, which only loses power."""
    asked = surprise(heard.p, heard.y, heard.votes, covered=bet is Bet.MIXED)
    targeted = np.full(heard.p.shape[1], -np.inf)
    covers = covered_surprise(heard.p, heard.y, heard.votes) if bet.hidden else targeted.copy()
    tried: dict[int, Contradiction] = {}
    for t in np.flatnonzero(np.maximum(asked.log_e_targeted, covers) > 0).tolist():
        tried[t] = _contradiction(heard.labelled(t), t, controls)
        targeted[t] = min(asked.log_e_targeted[t], tried[t].log_e) + np.log1p(-bet.hidden)
        if bet.hidden:
            won = _won_on_covers(min(covers[t], tried[t].log_e), heard, t, controls, -np.log(bet.hidden))
            targeted[t] = np.logaddexp(targeted[t], np.log(bet.hidden) + won)
    if bet.hidden:
        asked = replace(asked, log_e_targeted=np.maximum(asked.log_e_targeted, np.log(bet.hidden) + covers))
    if asked.log_e_untargeted <= 0:
        return _Charges(asked, tried, UNTRIED, targeted, -np.inf)
    pooled = of_any_label(heard.p, heard.y, controls.others, heard.votes, tried)
    return _Charges(asked, tried, pooled, targeted, min(asked.log_e_untargeted, pooled.log_e))


def _asked_again(heard: _Heard, controls: Controls, bet: Bet) -> Surprise | None:
    """Surprise by what rows that have lost as much make of the probe's word; None where no such rows were asked."""
    if controls.weighed is not None:
        return surprise(controls.weighed(), heard.y, heard.votes, covered=bet is Bet.MIXED)
    return None if controls.checked is None else checked_surprise(heard.p, heard.y, controls.checked, heard.votes)


def _contradiction(ours: _Heard, target: int, controls: Controls) -> Contradiction:
    """Of the target's carriers; where its label has few other rows, the rows of all labels help out."""
    support, others = ours.p[:, target], controls.others(target)
    found = contradiction(support, others, ours.votes)
    if len(others) >= FEW or controls.strangers is None or controls.ordinary is None:
        return found
    return either(found, unlike_ordinary(support, controls.strangers(target), controls.ordinary(), ours.votes))


def _won_on_covers(both: float, heard: _Heard, target: int, controls: Controls, stake: float) -> float:
    """Log e-value of the bet on cover rows, of which surprise and contradiction leave `both`; not asked of less than the `stake`.

    It is the least of three, `unlike_covers` too. Nothing is won where most of the target's carriers belong to it.
    """
    if both <= stake or controls.strangers is None:
        return -np.inf
    ours = heard.labelled(target)
    if strangers_share(ours.p, ours.y, controls.strangers, controls.others) > ALIKE:
        return -np.inf
    return min(both, unlike_covers(heard.p, heard.y, target, controls.others, heard.votes).log_e)


def _aim(charges: _Charges, bet: Bet) -> tuple[int | None, Contradiction]:
    """The target that the carriers are drawn to, None if they have any wrong label, and the contradiction that goes with it."""
    best = int(charges.targeted.argmax())
    # the part that is not bet on cover rows: one label's carriers say as much either way
    if charges.targeted[best] < charges.any_wrong + np.log1p(-bet.hidden) - 1e-9:
        return None, charges.of_any_label
    target = best if np.isfinite(charges.targeted[best]) else charges.surprise.target
    return target, charges.contradictions.get(best, UNTRIED)


def _accused(carriers: Int, heard: _Heard, target: int | None, controls: Controls) -> Int | None:
    if target is None or controls.strangers is None:
        return None
    odds = None if controls.odds is None else controls.odds(target)
    return carriers[accused(heard.p, heard.y, target, controls.others(target), controls.strangers(target), odds)]


def _of_surprise(heard: _Heard, target: int | None, log_e: float) -> TrialResult:
    p = clip_probabilities(heard.p)
    if target is None:
        chance, hits = 1 - p.max(1), int((heard.y != heard.p.argmax(1)).sum())
    else:
        chance, hits = p[:, target], int((heard.y == target).sum())
    said = f"{hits} of {len(heard.y)} carriers have the label; the rest of their content foresees {chance.sum():.1f}"
    return TrialResult("surprise", "ran", log_e, upper_tail(chance, hits), said)


def _of_contradiction(found: Contradiction) -> TrialResult:
    said = (
        "without it the carriers look less like their label than its other rows do"
        if found.log_e > 0
        else "without it the carriers look as much like their label as its other rows do"
    )
    return TrialResult("contradiction", "ran", found.log_e, found.p_value, said)


def _of_rows_alike(log_e: float) -> TrialResult:
    said = (
        "of other rows that say as much, with as much taken out, far fewer have the label"
        if log_e > 0
        else "of other rows that say as much, with as much taken out, about as many have the label"
    )
    return TrialResult("rows alike", "ran", log_e, float(np.exp(-max(log_e, 0.0))), said)
