"""Who agrees with whom beyond what each would say alone: sums over the rows that two annotators share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assay.crowd.votes import Floats, Int, Votes

MOST_CELLS = 4_000_000  # (row, annotator, annotator) triples held at once


def meetings(votes: Votes) -> Iterator[tuple[Int, Int]]:
    """(i, j) positions of two votes on the same row by two annotators, each order once, in portions of bounded size."""
    order = np.argsort(votes.row, kind="stable")
    count = votes.votes_on
    start = np.cumsum(count) - count
    for size in np.unique(count[count > 1]):
        rows = np.flatnonzero(count == size)
        portion = max(1, MOST_CELLS // int(size) ** 2)
        first, second = (grid.ravel() for grid in np.meshgrid(np.arange(size), np.arange(size), indexing="ij"))
        other = first != second
        for at in range(0, len(rows), portion):
            block = order[start[rows[at : at + portion], None] + np.arange(size)]
            i, j = block[:, first[other]].ravel(), block[:, second[other]].ravel()
            strangers = votes.annotator[i] != votes.annotator[j]
            yield i[strangers], j[strangers]


def excess(votes: Votes, chance: Floats) -> Floats:
    """(a, a) symmetric z-scores: how much more two annotators agree than expected of each given all other votes.

    `chance` (m, k) from `assay.crowd.expected`. Zero where they never meet. About standard normal for annotators who judge
    alone.
    """
    a = len(votes.annotators)
    more, spread = np.zeros(a * a), np.zeros(a * a)
    for i, j in meetings(votes):
        expected = chance[i, votes.label[j]]
        place = votes.annotator[i] * a + votes.annotator[j]
        more += np.bincount(place, (votes.label[i] == votes.label[j]) - expected, a * a)
        spread += np.bincount(place, expected * (1 - expected), a * a)
    both, variance = more.reshape(a, a), spread.reshape(a, a)
    both, variance = both + both.T, variance + variance.T
    # the two directions of a pair are nearly the same sum, not two independent ones: hence twice the variance
    return np.asarray(np.where(variance > 0, both / np.sqrt(2 * variance + 1), 0.0))
