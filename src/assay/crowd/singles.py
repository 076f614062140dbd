"""One annotator at a time: spammers, adversaries, sleepers.

All three compare how often an annotator says what the others conclude, `agrees`, with a sum of unequal coins whose chances the null
sets (exact tail, `assay.stats.poisson_binomial`).

- *spammer*: null "adds at least WORTH of what an average annotator adds over guessing by the same habit". A guess does not look at the
  row, so it agrees as often as its label is common among what the others conclude.
- *adversary*: null "agrees at least as often as such guesses". Whoever rejects it tells the contrary, or has two labels mixed up:
  votes cannot show intent.
- *sleeper*: null "as good after any moment as over the whole time". Rejected by whoever was honest at first and is not now. Needs times.

The others' conclusion is taken for the truth: where it is wrong more often than not, so is the verdict.
"""

from __future__ import annotations

import numpy as np

from assay.crowd.expected import Bools, Expected
from assay.crowd.votes import Floats, Int, Votes, summed
from assay.stats.poisson_binomial import upper_tail

WORTH = 0.3  # of an average annotator's gain over guessing: less than a third is not worth a vote
MIN_OUTSIDERS = 2  # votes by others, so that there is a conclusion
MIN_VOTES = 10  # an annotator with fewer cannot be told from bad luck at any useful level
SPLITS = 9  # moments at which a sleeper may have woken: each tenth of the votes
MIN_SIDE = 8  # votes before and after such a moment
HABIT_PRIOR = 1.0  # votes at the crowd's own rates added to a habit


def usable(told: Expected) -> Bools:
    """(m,) the votes on rows where others conclude something."""
    return np.asarray(told.outsiders >= MIN_OUTSIDERS)


def guesses(votes: Votes, told: Expected) -> Floats:
    """(m,) chance that a guess by the annotator's habit is what the others conclude."""
    a, k = len(votes.annotators), len(votes.classes)
    common = np.bincount(votes.label, minlength=k) / max(1, len(votes))
    counts = summed(votes.annotator * k + votes.label, np.ones(len(votes)), a * k).reshape(a, k) + HABIT_PRIOR * common
    habit = counts / counts.sum(1, keepdims=True)
    return np.asarray(habit[votes.annotator, told.consensus])


def spammers(votes: Votes, told: Expected) -> Floats:
    """(a,) p-values: small for whoever adds next to nothing. 1 where there are too few votes to say."""
    guess = guesses(votes, told)
    typical = told.typical[np.arange(len(votes)), told.consensus]
    return _low_agreement(votes, told, guess + WORTH * np.maximum(typical - guess, 0.0))


def adversaries(votes: Votes, told: Expected) -> Floats:
    """(a,) p-values: small for whoever agrees less than guesses do."""
    return _low_agreement(votes, told, guesses(votes, told))


def _low_agreement(votes: Votes, told: Expected, chance: Floats) -> Floats:
    agrees, use = votes.label == told.consensus, usable(told)
    p = np.ones(len(votes.annotators))
    for who, places in _by_annotator(votes, use):
        if len(places) >= MIN_VOTES:
            p[who] = upper_tail(1 - chance[places], int((~agrees[places]).sum()))
    return p


def sleepers(votes: Votes, told: Expected) -> tuple[Floats, Floats]:
    """((a,) p-values, (a,) the moment after which each is worst, NaN where nothing was tried). ValueError without times.

    Chances are what each vote was expected to be from all of the annotator's other votes and the row itself, so that hard
    rows at the end accuse nobody; the least p over the moments tried, times their number.
    """
    if votes.time is None:
        raise ValueError("sleepers are told by time, and these votes have none")
    every = np.arange(len(votes))
    chance, agrees = told.chance[every, told.consensus], votes.label == told.consensus
    p, moment = np.ones(len(votes.annotators)), np.full(len(votes.annotators), np.nan)
    for who, places in _by_annotator(votes, usable(told)):
        n = len(places)
        cuts = [c for c in np.unique(np.arange(1, SPLITS + 1) * n // (SPLITS + 1)) if MIN_SIDE <= c <= n - MIN_SIDE]
        if not cuts:
            continue
        ordered = places[np.argsort(votes.time[places], kind="stable")]
        tails = [upper_tail(1 - chance[ordered[c:]], int((~agrees[ordered[c:]]).sum())) for c in cuts]
        best = int(np.argmin(tails))
        p[who] = min(1.0, tails[best] * len(cuts))
        moment[who] = votes.time[ordered[cuts[best]]]
    return p, moment


def _by_annotator(votes: Votes, use: Bools) -> list[tuple[int, Int]]:
    """(annotator, positions of the votes used), for whoever has any."""
    at = np.flatnonzero(use)
    order = at[np.argsort(votes.annotator[at], kind="stable")]
    edges = np.flatnonzero(np.diff(votes.annotator[order])) + 1
    return [(int(votes.annotator[part[0]]), part) for part in np.split(order, edges) if len(part)]
