"""Each annotator has a skill and each row a difficulty: the chance to be right is a logistic of their product.

Whitehill, Ruvolo, Wu, Bergsma & Movellan (2009), NIPS 22; a Newton step instead of a full maximisation in each round.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from assay.crowd.aggregate import Aggregate, agreement, normalised
from assay.crowd.majority import shares
from assay.crowd.votes import Floats, Votes, summed

# Gaussian priors of the paper: skill N(1, 1), log ease N(1, 1): an average annotator on an average row is right with
# chance 1 / (1 + exp(-e)) = 0.94
SKILL_MEAN, EASE_MEAN = 1.0, 1.0
LONGEST_STEP = 1.0  # of a parameter in one round: Newton oversteps where the logistic is flat
SETTLED = 1e-4  # mean change of a row's posterior below which the fit has settled
MOST_ROUNDS = 100


def glad(votes: Votes) -> Aggregate:
    """The label given skills (which may be negative: somebody who tells the contrary) and the ease of each row.

    `skill` is the expected share of right votes. Assumes that errors fall on all classes alike. Cannot see: biases between
    classes; a hard row of three votes looks like an easy one with a bad annotator.
    """
    skill, log_ease = np.full(len(votes.annotators), SKILL_MEAN), np.full(len(votes.rows), EASE_MEAN)
    posterior = shares(votes)
    for number in range(1, MOST_ROUNDS + 1):  # noqa: B007
        skill, log_ease = _ascend(votes, posterior[votes.row, votes.label], skill, log_ease)
        new = _posterior(votes, skill, log_ease)
        moved = float(np.abs(new - posterior).sum()) / len(votes.rows)
        posterior = new
        if moved < SETTLED:
            break
    return Aggregate("glad", votes, posterior, agreement(votes, posterior), number)


def _posterior(votes: Votes, skill: Floats, log_ease: Floats) -> Floats:
    n, k = len(votes.rows), len(votes.classes)
    x = skill[votes.annotator] * np.exp(log_ease)[votes.row]
    # log(chance of the voted class) - log(chance of another): log(sigma(x)) - log(sigma(-x)) + log(k - 1) = x + log(k - 1)
    return normalised(summed(votes.row * k + votes.label, x + np.log(k - 1), n * k).reshape(n, k))


def _ascend(votes: Votes, right: Floats, skill: Floats, log_ease: Floats) -> tuple[Floats, Floats]:
    """One Newton step of the skills, then one of the eases, given the chance (m,) that each vote is right."""
    a, n = len(skill), len(log_ease)
    beta = np.exp(log_ease)[votes.row]
    chance = expit(skill[votes.annotator] * beta)
    slope = summed(votes.annotator, (right - chance) * beta, a) - (skill - SKILL_MEAN)
    bend = summed(votes.annotator, chance * (1 - chance) * beta**2, a) + 1
    skill = skill + np.clip(slope / bend, -LONGEST_STEP, LONGEST_STEP)
    x = skill[votes.annotator] * beta
    chance = expit(x)
    slope = summed(votes.row, (right - chance) * x, n) - (log_ease - EASE_MEAN)
    bend = summed(votes.row, chance * (1 - chance) * x**2, n) + 1
    return skill, log_ease + np.clip(slope / bend, -LONGEST_STEP, LONGEST_STEP)
