"""How the trials of one artefact become one e-value.

Surprise and contradiction (`assay.trial.surprise`, `assay.trial.contradiction`) convict. Either alone convicts clean data (every natural
good word moves the label); both together do not, as measured. An artefact's evidence is the *lesser* of the two e-values, averaged over
the targets it could have and over "one target" and "any wrong label": an average of e-values is an e-value, and the minimum of two is one
too, so e-BH may pool the result with every other family.

*Belonging* (`assay.trial.belonging`) acquits: where most carriers plainly are what their label says, the artefact is a natural one that the
probe underrates, unless *two kinds* shows it is not (`assay.stats.two_kinds`): a trigger in rows of any class has carriers that are just
like the label's other rows and carriers that are strangers among them; a natural kind stands lower as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from assay.finding import TrialResult
from assay.mine.candidate import Candidate
from assay.stats.poisson_binomial import upper_tail
from assay.stats.two_kinds import ENOUGH, two_kinds
from assay.trial.accused import accused
from assay.trial.belonging import ALIKE, belong, strangers_share, unlike_ordinary, won_on_covers
from assay.trial.contradiction import FEW, Contradiction, contradiction, either, of_any_label
from assay.trial.family import Tried
from assay.trial.surprise import FLOOR, checked_surprise, clip_probabilities, covered_surprise, surprise

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

NOMINATE = np.log(100.0)  # surprise alone at least this: worth naming as a natural shortcut


def combine(targeted: Floats, untargeted: float) -> float:
    """Log e-value of one artefact: the mean over "some one target" (itself a mean over targets) and "any wrong label"."""
    some_target = float(logsumexp(targeted) - np.log(len(targeted)))
    return float(np.logaddexp(some_target, untargeted) - np.log(2))


def _of_two_kinds(log_e: float) -> TrialResult:
    if not np.isfinite(log_e):
        few = f"the label, or the others together, have fewer than {ENOUGH} rows to compare the carriers with"
        return TrialResult("two kinds", "not_applicable", detail=few)
    said = (
        "some carriers are just like their label's other rows and some are strangers: a trigger put into rows of any class"
        if log_e > 0
        else "they stand lower among their label's other rows as a whole, as a natural kind does"
    )
    return TrialResult("two kinds", "ran", log_e, float(np.exp(-max(log_e, 0.0))), said)


def _of_rows_alike(log_e: float) -> TrialResult:
    said = (
        "of other rows that say as much, each without its most telling part, far fewer have the label"
        if log_e > 0
        else "of other rows that say as much, each without its most telling part, about as many have the label"
    )
    return TrialResult("rows alike", "ran", log_e, float(np.exp(-max(log_e, 0.0))), said)


def judge(
    candidate: Candidate,
    p_removed: Floats,
    y: Int,
    others: Callable[[int], Floats],
    *,
    strangers: Callable[[int], Floats] | None = None,
    ordinary: Callable[[], Floats] | None = None,
    votes: Floats | None = None,
    checked: Callable[[int], Floats] | None = None,
    odds: Callable[[int], float] | None = None,
    family_key: str | None = None,
    lenient: bool = False,
    covered: bool = False,
    hidden: float = 0.0,
) -> Tried:
    """Put one candidate through both trials.

    `p_removed` (m, k) and `y` (m,) are the carriers' out-of-fold probabilities with the artefact removed, and their labels;
    `others(t)` (b,) is the support for t of the other rows labelled t, each with its own most t-supporting part of the same size
    removed. Only targets whose surprise speaks for them are tried (the rest count as e = 0, which only loses power). With `strangers`
    (see `strangers_share`), carriers that plainly belong to their label acquit the artefact, however low they stand in it, but for what
    `two_kinds` says: the evidence is then the least of three e-values (`Tried.odd` are the carriers that do not belong). A `lenient` trial
    acquits them whatever that says: of a group that was left out of what the probe learnt, with no artefact to take out, a natural one
    may be known in part. With `checked` (see `checked_surprise`) surprise is asked again of what rows say that have lost as much, and the
    lesser counts. With `covered` (see `surprise`) a share of the carriers may keep their label; so with `hidden`, the part of the bet
    that is on cover rows: what that part wins is the least of three, `unlike_covers` too, and nothing where the target's carriers belong.
    With `ordinary` too (see `unlike_ordinary`), a label with few other rows is helped out by the rows of all labels. `odds` as in
    `accused`.
    """
    k = p_removed.shape[1]
    asked = surprise(p_removed, y, votes, covered)
    weights = np.ones(len(y)) if votes is None else votes
    targeted = np.full(k, -np.inf)
    trials: dict[int, Contradiction] = {}
    mixed = covered_surprise(p_removed, y, weights) if hidden else targeted.copy()
    for t in np.flatnonzero(np.maximum(asked.log_e_targeted, mixed) > 0):
        mine = y == t
        reference = others(int(t))
        trials[int(t)] = contradiction(p_removed[mine, t], reference, weights[mine])
        if len(reference) < FEW and strangers is not None and ordinary is not None:
            broad = unlike_ordinary(p_removed[mine, t], strangers(int(t)), ordinary(), weights[mine])
            trials[int(t)] = either(trials[int(t)], broad)
        targeted[t] = min(asked.log_e_targeted[t], trials[int(t)].log_e) + np.log1p(-hidden)
        won = min(mixed[t], trials[int(t)].log_e)
        if hidden and won > -np.log(hidden) and strangers is not None:
            won = min(won, won_on_covers(p_removed, y, int(t), others, strangers, weights))
            targeted[t] = np.logaddexp(targeted[t], np.log(hidden) + won)
    if hidden:
        asked = replace(asked, log_e_targeted=np.maximum(asked.log_e_targeted, np.log(hidden) + mixed))
    any_wrong = -np.inf
    pooled: Contradiction | None = None
    if asked.log_e_untargeted > 0:
        pooled = of_any_label(p_removed, y, others, weights, trials)
        any_wrong = min(asked.log_e_untargeted, pooled.log_e)
    again = None
    if checked is not None and max(targeted.max(), any_wrong) > 0:
        again = checked_surprise(p_removed, y, checked, votes)
        targeted, any_wrong = np.minimum(targeted, again.log_e_targeted), min(any_wrong, again.log_e_untargeted)
    best = int(targeted.argmax())
    least = any_wrong + np.log1p(-hidden) - 1e-9  # the part that is not bet on cover rows: one label's carriers say as much either way
    aimed = targeted[best] >= least or not np.isfinite(any_wrong)
    target = best if aimed and np.isfinite(targeted[best]) else (asked.target if aimed else None)
    verdict = trials.get(best) if aimed else pooled
    log_surprise = float(asked.log_e_targeted[target]) if target is not None else asked.log_e_untargeted
    chance = clip_probabilities(p_removed)[:, target] if target is not None else 1 - clip_probabilities(p_removed).max(1)
    hits = int((y == target).sum()) if target is not None else int((y != p_removed.argmax(1)).sum())
    p_surprise = upper_tail(chance, hits)
    p_contradiction = verdict.p_value if verdict else 1.0
    log_contradiction = verdict.log_e if verdict else 0.0
    results: tuple[TrialResult, ...] = (
        TrialResult(
            "surprise",
            "ran",
            log_surprise,
            p_surprise,
            f"{hits} of {len(y)} carriers have the label; the rest of their content foresees {chance.sum():.1f}",
        ),
        TrialResult(
            "contradiction",
            "ran",
            log_contradiction,
            p_contradiction,
            "without it the carriers look less like their label than its other rows do"
            if log_contradiction > 0
            else "without it the carriers look as much like their label as its other rows do",
        ),
    )
    if again is not None:
        log_again = float(again.log_e_targeted[target]) if target is not None else again.log_e_untargeted
        results = (*results, _of_rows_alike(log_again))
    odd = None
    log_e = combine(targeted, any_wrong) if np.isfinite(max(targeted.max(), any_wrong)) else -np.inf
    p_value = max(p_surprise, p_contradiction, *(t.p_value for t in results if t.p_value is not None))
    if strangers is not None and np.isfinite(log_e):
        ours = y == target if target is not None else np.ones(len(y), bool)
        share = strangers_share(p_removed[ours], y[ours], strangers, others)
        said = f"{share:.0%} of the carriers support their label more than nine in ten rows of other labels do (poison: some 10 %)"
        results = (*results, TrialResult("belonging", "ran", detail=said))
        if share > ALIKE:
            apart = -np.inf
            if target is not None and not lenient:
                most = 1 - (k - 1) * FLOOR  # families clip what they say of carriers, and not all what they say of other rows
                own, usual = np.minimum(p_removed[ours, target], most), np.minimum(others(target), most)
                apart = two_kinds(own, usual, strangers(target), weights[ours])
                results = (*results, _of_two_kinds(apart))
                if apart > 0 and len(y) == len(candidate.carriers):
                    odd = candidate.carriers[ours][~belong(p_removed[ours, target], strangers(target), others(target))]
            log_e, p_value = min(log_e, max(apart, 0.0)), max(p_value, float(np.exp(-max(apart, 0.0))))
    return Tried(
        candidate,
        target,
        log_e,
        p_value,
        results,
        nominated=log_surprise >= NOMINATE,
        family_key=family_key,
        odd=odd,
        accused=None  # nor where a sample of the carriers was heard
        if strangers is None or target is None or len(y) != len(candidate.carriers)
        else candidate.carriers[accused(p_removed, y, target, others(target), strangers(target), None if odds is None else odds(target))],
    )
