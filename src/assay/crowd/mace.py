"""Each annotator pays attention with some chance, and else guesses by habit.

Hovy, Berg-Kirkpatrick, Vaswani & Hovy (2013), NAACL, with their variational Bayes updates and priors, and one addition: the
classes have chances of their own. The paper takes all classes for equally likely; where nine rows in ten are of one class, everybody who
mostly says so then looks like a guesser by habit.
"""

from __future__ import annotations

import numpy as np
from scipy.special import digamma

from assay.crowd.aggregate import Aggregate, normalised
from assay.crowd.majority import shares
from assay.crowd.votes import Floats, Votes, summed

ATTENTION_PRIOR = 0.5  # Beta(0.5, 0.5), as in the paper
HABIT_PRIOR = 10.0  # of the Dirichlet over an annotator's guesses, as in the paper
CLASS_PRIOR = 1.0  # rows added to each class
SETTLED = 1e-4  # mean change of a row's posterior below which the fit has settled
MOST_ROUNDS = 100


def mace(votes: Votes) -> Aggregate:
    """The label if each vote is either the truth or a guess that does not look at the row.

    Started from the share of votes, not at random: the same answer every time. `skill` is the chance of paying attention.
    Cannot see: annotators who look and lie (a guess does not depend on the truth), biases between classes.
    """
    n, k, a = len(votes.rows), len(votes.classes), len(votes.annotators)
    cell, habit_cell = votes.row * k + votes.label, votes.annotator * k + votes.label
    posterior = shares(votes)
    knows = posterior[votes.row, votes.label]  # (m,) chance that the vote was a look
    for number in range(1, MOST_ROUNDS + 1):  # noqa: B007
        looked = summed(votes.annotator, knows, a) + ATTENTION_PRIOR
        guessed = summed(habit_cell, 1 - knows, a * k).reshape(a, k)
        careless = guessed.sum(1) + ATTENTION_PRIOR
        attention, carelessness = _sub(looked, looked + careless), _sub(careless, looked + careless)
        habit = _sub(guessed + HABIT_PRIOR, (guessed + HABIT_PRIOR).sum(1, keepdims=True))
        prior = posterior.sum(0) + CLASS_PRIOR
        guess = carelessness[votes.annotator] * habit.ravel()[habit_cell]
        look = attention[votes.annotator]
        # every class has the votes' guesses as a common factor; the voted class has (look + guess) / guess more
        log_posterior = summed(cell, np.log1p(look / guess), n * k).reshape(n, k) + np.log(prior / prior.sum())
        new = normalised(log_posterior)
        knows = new[votes.row, votes.label] * look / (look + guess)
        moved = float(np.abs(new - posterior).sum()) / n
        posterior = new
        if moved < SETTLED:
            break
    return Aggregate("mace", votes, posterior, np.where(votes.votes_of > 0, looked / (looked + careless), np.nan), number)


def _sub(counts: Floats, total: Floats) -> Floats:
    """exp(E[log p]) under a Dirichlet of these counts."""
    return np.asarray(np.exp(digamma(counts) - digamma(total)))
