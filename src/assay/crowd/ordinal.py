"""Labels in an order: each annotator places the truth on a line, with a leaning and a spread of their own, and names the nearest class.

A vote is round(truth + leaning + spread * normal), ends included; now and then (LAPSE) any class at all. Two numbers an annotator instead
of a confusion matrix: fitted from a few votes, and near misses are read as near misses. Classes stand one step apart. The label is the
median of the posterior, which makes the expected distance to the truth least.

Expectation maximisation over a grid of leanings and spreads; the sums that a fit needs are expected confusion counts, so that shards of
rows can be added up. After the graded response model (Samejima 1969, Psychometrika Monograph 17), as used for raters by Uebersax & Grove
(1993), Biometrics 49(3).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from assay.crowd.aggregate import MOST_CELLS, Aggregate, agreement
from assay.crowd.dawid_skene import CLASS_PRIOR
from assay.crowd.majority import shares
from assay.crowd.votes import Floats, Int, Votes, summed

# The grid, in classes. A leaning beyond a class and a half, and a spread beyond three, say next to nothing about the row.
LEANINGS = np.arange(-1.5, 1.51, 0.25)
SPREADS = np.array([0.2, 0.3, 0.45, 0.65, 1.0, 1.5, 2.2, 3.2])
LEANING_SPREAD = 0.7  # of the normal prior over leanings: most people mean by a word what others mean
LAPSE = 0.02  # chance of a vote that has nothing to do with the row: no single slip makes a row impossible
SETTLED = 1e-5  # mean change of a row's posterior below which the fit has settled
MOST_ROUNDS = 200


def ordinal(votes: Votes) -> Aggregate:
    """The label where classes have an order, which is that of `votes.classes`.

    `skill` is the expected share of right votes. MemoryError above MOST_CELLS confusion counts. Cannot see: classes that are not equally
    far apart; annotators who turn the scale round (they look like people with a wide spread, and count for little).

    >>> from assay.crowd.votes import from_arrays
    >>> votes = from_arrays([0, 0, 0, 1, 1, 1, 2, 2, 2], list("abc") * 3, [1, 1, 5, 3, 4, 3, 5, 5, 4])
    >>> [votes.classes[i] for i in ordinal(votes).label]
    ['1', '3', '5']
    """
    n, k, a = len(votes.rows), len(votes.classes), len(votes.annotators)
    if a * k * k > MOST_CELLS:
        raise MemoryError(f"{a:,} annotators over {k:,} classes; ask for fewer")
    grid, prior = _grid(k)
    place = votes.annotator * k + votes.label
    posterior = shares(votes)
    for number in range(1, MOST_ROUNDS + 1):  # noqa: B007
        counts = np.stack([summed(place, posterior[votes.row, t], a * k).reshape(a, k) for t in range(k)], axis=1)
        best = (counts.reshape(a, k * k) @ grid.reshape(len(grid), k * k).T + prior).argmax(1)
        classes = posterior[votes.votes_on > 0].sum(0) + CLASS_PRIOR
        chosen = grid[best]  # (a, truth, said)
        log_joint = np.stack([summed(votes.row, chosen[votes.annotator, t, votes.label], n) for t in range(k)], axis=1)
        log_joint += np.log(classes / classes.sum())
        log_joint -= log_joint.max(1, keepdims=True)
        new = np.exp(log_joint)
        new /= new.sum(1, keepdims=True)
        moved = float(np.abs(new - posterior).sum()) / n
        posterior = new
        if moved < SETTLED:
            break
    return Aggregate("ordinal", votes, posterior, agreement(votes, posterior), number, ordered=True)


def _grid(k: int) -> tuple[Floats, Floats]:
    """(log chances (g, truth, said), log prior (g,)) of every leaning with every spread."""
    leaning, spread = (values.ravel() for values in np.meshgrid(LEANINGS, SPREADS, indexing="ij"))
    truth, edges = np.arange(k), np.concatenate([[-np.inf], np.arange(k - 1) + 0.5, [np.inf]])
    at = (edges[None, None, :] - truth[None, :, None] - leaning[:, None, None]) / spread[:, None, None]
    chance = (1 - LAPSE) * np.diff(norm.cdf(at), axis=2) + LAPSE / k
    return np.log(chance), np.asarray(norm.logpdf(leaning, 0, LEANING_SPREAD))


def median(votes: Votes) -> Aggregate:
    """The median vote on each row: the baseline for labels in an order; the posterior is the share of votes."""
    posterior = shares(votes)
    return Aggregate("median", votes, posterior, agreement(votes, posterior), ordered=True)


def middle(posterior: Floats) -> Int:
    """(n,) the median of each row of chances (n, k); of two middles the likelier, of those alike the lower.

    >>> middle(np.array([[0.4, 0.2, 0.4], [0.5, 0.1, 0.4]])).tolist()
    [1, 0]
    """
    upto = np.cumsum(posterior, axis=1)
    low = (upto < 0.5 - 1e-9).sum(1)
    high = (upto <= 0.5 + 1e-9).sum(1).clip(max=posterior.shape[1] - 1)
    every = np.arange(len(posterior))
    return np.where(posterior[every, high] > posterior[every, low] + 1e-12, high, low)
