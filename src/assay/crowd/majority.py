"""Counting votes: each counts one, or as much as its annotator agrees with the rest."""

from __future__ import annotations

import numpy as np

from assay.crowd.aggregate import Aggregate, agreement
from assay.crowd.votes import Floats, Votes, summed

PRIOR_AGREEMENT = 2.0  # votes at the crowd's own rate: with one vote of an annotator's, skill moves a third of the way
SETTLED = 1e-4  # change of a skill below which zbs stops; a vote counts for no less than this either
MOST_ROUNDS = 100


def shares(votes: Votes, weight: Floats | None = None) -> Floats:
    """(n, k) share of the (weighted) votes on each row; 1/k where there are none."""
    n, k = len(votes.rows), len(votes.classes)
    counts = votes.counts
    if weight is not None:
        counts = summed(votes.row * k + votes.label, weight[votes.annotator], n * k).reshape(n, k)
    total = counts.sum(1, keepdims=True)
    return np.asarray(np.where(total > 0, counts / np.where(total > 0, total, 1), 1 / k))


def majority(votes: Votes) -> Aggregate:
    """The label that most annotators gave; the posterior is the share of votes.

    Cannot see: who gave them. Three liars outvote two experts.
    """
    posterior = shares(votes)
    return Aggregate("majority", votes, posterior, agreement(votes, posterior))


def weighted(votes: Votes) -> Aggregate:
    """Votes weighted by how often their annotator agrees with the majority, shrunk to the crowd's rate (as in Wawa)."""
    skill = _skill(votes, shares(votes))
    return Aggregate("weighted", votes, shares(votes, skill), skill, 1)


def zbs(votes: Votes) -> Aggregate:
    """The same until skills settle (zero-based skill)."""
    skill = np.ones(len(votes.annotators))
    for number in range(1, MOST_ROUNDS + 1):  # noqa: B007
        new = _skill(votes, shares(votes, skill))
        moved = float(np.abs(new - skill).max())
        skill = new
        if moved < SETTLED:
            break
    return Aggregate("zbs", votes, shares(votes, skill), skill, number)


def _skill(votes: Votes, posterior: Floats) -> Floats:
    """(a,) how often each agrees with the leading label, as if PRIOR_AGREEMENT more votes had been at the crowd's rate."""
    top = posterior.max(1, keepdims=True)
    leads = (posterior >= top - 1e-12) / np.maximum((posterior >= top - 1e-12).sum(1, keepdims=True), 1)
    agreed = leads[votes.row, votes.label]
    right = summed(votes.annotator, agreed, len(votes.annotators))
    return np.asarray(np.maximum((right + PRIOR_AGREEMENT * agreed.mean()) / (votes.votes_of + PRIOR_AGREEMENT), SETTLED))
