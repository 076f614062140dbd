"""Two who are one: copy-cats and second accounts.

For each pair that meets, an e-value that one says what the other says rather than judging alone: a bet, on each row where
enough others vote, that the labels are the same. Agreeing on what everybody says earns nothing; agreeing on what hardly anybody
says does. An annotator's e-value is the mean over all they meet, so that e-BH over annotators holds whatever the number of pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from scipy.stats import binomtest

from assay.crowd.expected import Expected
from assay.crowd.pairs import meetings
from assay.crowd.votes import Floats, Int, Votes
from assay.stats.multiple import e_bh

LAMBDAS = (0.5, 0.8, 0.95)  # chance of copying a row
MIN_OUTSIDERS = 4  # votes by others on the row, the partner among them: at least three know neither
LEAST_CHANCE = 0.1  # no single row convicts
MIN_SHARED = 8  # rows that two must share
LATER = 0.01  # level at which one of two counts as the one who comes later
MOST_ANNOTATORS = 5_000  # a table of pairs of 200 MB; above it the check does not run


@dataclass(frozen=True)
class Copies:
    """`log_e` (a,) against "judges alone"; `partner` (a,) the likeliest original, -1 for none; `accused` (a,), by e-BH, without
    those who are merely copied; `shared`, `same` (a,) rows in common with the partner and the same labels among them."""

    log_e: Floats
    partner: Int
    accused: np.ndarray
    shared: Int
    same: Int
    later: np.ndarray  # (a,) votes after the partner: a copy-cat rather than a second account


def copies(votes: Votes, told: Expected, alpha: float = 0.01) -> Copies:
    """Who says what somebody else says. ValueError above MOST_ANNOTATORS."""
    a = len(votes.annotators)
    if a > MOST_ANNOTATORS:
        raise ValueError(f"{a:,} annotators make too many pairs; at most {MOST_ANNOTATORS:,}")
    wealth = np.zeros((len(LAMBDAS), a * a))
    shared, same, after = np.zeros(a * a), np.zeros(a * a), np.zeros(a * a)
    for i, j in meetings(votes):
        enough = told.outsiders[i] >= MIN_OUTSIDERS
        i, j = i[enough], j[enough]
        place = votes.annotator[i] * a + votes.annotator[j]
        agrees = votes.label[i] == votes.label[j]
        chance = np.maximum(told.chance[i, votes.label[j]], LEAST_CHANCE)
        for number, rate in enumerate(LAMBDAS):
            wealth[number] += np.bincount(place, np.log1p(rate * (agrees / chance - 1)), a * a)
        shared += np.bincount(place, minlength=a * a)
        same += np.bincount(place, agrees, a * a)
        if votes.time is not None:
            after += np.bincount(place, votes.time[i] > votes.time[j], a * a)
    pairs = (logsumexp(wealth, axis=0) - np.log(len(LAMBDAS))).reshape(a, a)
    met = (shared >= MIN_SHARED).reshape(a, a)
    pairs[~met] = -np.inf
    with np.errstate(divide="ignore"):
        log_e = np.where(met.any(1), logsumexp(pairs, axis=1) - np.log(np.maximum(met.sum(1), 1)), -np.inf)
    best = pairs.argmax(1)
    at = np.arange(a) * a + best
    convicted = e_bh(log_e, a, alpha)
    later, original = np.zeros(a, bool), np.zeros(a, bool)
    if votes.time is not None:
        for who in np.flatnonzero(convicted):
            total, behind = int(shared[at[who]]), int(after[at[who]])
            later[who] = binomtest(behind, total, 0.5, "greater").pvalue <= LATER
            original[who] = binomtest(total - behind, total, 0.5, "greater").pvalue <= LATER
    return Copies(
        log_e=np.asarray(log_e),
        partner=np.where(convicted, best, -1),
        accused=convicted & ~original,
        shared=shared[at].astype(np.int64),
        same=same[at].astype(np.int64),
        later=later,
    )
