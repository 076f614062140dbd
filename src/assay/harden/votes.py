"""From votes to certificates: how many poisons a prediction of a partitioned ensemble withstands.

**Guarantee.** Let each base model depend on its own rows alone, and each poisoned row (added, removed or changed) touch at most the
models its partition feeds. A prediction with radius r stays what it is whatever r rows, anywhere in the training set, an attacker adds
or removes (a changed row counts as one removed and one added). With partitions by contributor the unit is the contributor.

- `plurality`: Deep Partition Aggregation (Levine & Feizi 2021, theorem 1), spread 1; Finite Aggregation (Wang, Levine & Feizi 2022,
  theorem 2) where a partition feeds several models.
- `run_off`: Run-Off Election (Rezaei, Banihashem, Chegini & Feizi 2023): the two classes with most votes meet in a second round, in which
  every model votes for the one it prefers. Margins are larger where models waver among many classes.

Ties go to the lower class number throughout. It says nothing of poison that keeps within the radius and was there when the model was
judged good, nor of how accurate the ensemble is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Certified:
    """`prediction` (n,) class codes; `radius` (n,) poisons it withstands."""

    prediction: Int
    radius: Int


def plurality(votes: Int, classes: int, feeds: Int | None = None) -> Certified:
    """Certificates of plurality votes (n, models).

    `feeds` (partitions, spread): the models that each partition feeds; None where every model has one partition of its own.

    >>> plurality(np.array([[0, 0, 0, 1, 1]]), 2)
    Certified(prediction=array([0]), radius=array([0]))
    >>> plurality(np.array([[0, 0, 0, 0, 1]]), 2)
    Certified(prediction=array([0]), radius=array([1]))
    """
    count = tally(votes, classes)
    prediction = count.argmax(1)
    radius = np.full(len(votes), np.iinfo(np.int64).max)
    for rival in range(classes):
        gap = _gap(count, prediction, rival)
        held = prediction != rival
        withstood = gap // 2 if feeds is None else _withstood(votes, prediction, rival, gap, feeds)
        radius[held] = np.minimum(radius, withstood)[held]
    return Certified(prediction, radius)


def run_off(votes: Int, preference: Floats, classes: int) -> Certified:
    """Certificates of a run-off election; every model has a partition of its own.

    `votes` (n, models) as above; `preference` (n, models, classes) scores by which a model chooses between two finalists.
    """
    if classes < 2:
        return plurality(votes, classes)
    count = tally(votes, classes)
    order = np.argsort(-count, axis=1, kind="stable")
    first, second = order[:, 0], order[:, 1]
    rows = np.arange(len(votes))
    ahead = _prefers(preference, first, second)
    prediction = np.where(ahead >= 0, first, second)
    runner_up = np.where(prediction == first, second, first)
    least = np.full(len(votes), np.iinfo(np.int64).max)
    for rival in range(classes):
        held = prediction != rival
        lost = _to_close(_prefers(preference, prediction, np.full(len(votes), rival)))
        enter = _to_close(count[rows, runner_up] - count[:, rival] - (rival < runner_up))
        least[held] = np.minimum(least, np.maximum(lost, np.where(rival == runner_up, 0, enter)))[held]
        for other in range(rival + 1, classes):
            held_both = held & (prediction != other)
            out = _to_close_both(_gap(count, prediction, rival) + 1, _gap(count, prediction, other) + 1)
            least[held_both] = np.minimum(least, out)[held_both]
    return Certified(prediction, np.maximum(least - 1, 0))


def tally(votes: Int, classes: int) -> Int:
    """(n, classes) how many models vote for each class."""
    return np.stack([(votes == c).sum(1) for c in range(classes)], 1)


def _gap(count: Int, prediction: Int, rival: int) -> Int:
    """(n,) votes that the rival lacks to draw level, less one where a draw goes to the rival. Never negative for the winner."""
    rows = np.arange(len(count))
    return count[rows, prediction] - count[:, rival] - (rival < prediction)


def _withstood(votes: Int, prediction: Int, rival: int, gap: Int, feeds: Int) -> Int:
    """(n,) the most partitions whose worst case together leaves the gap at zero or more (Finite Aggregation)."""
    harm = 1 + (votes == prediction[:, None]).astype(np.int64) - (votes == rival)
    by_partition = -np.sort(-harm[:, feeds].sum(2), axis=1)
    return np.asarray((np.cumsum(by_partition, 1) <= gap[:, None]).sum(1))


def _prefers(preference: Floats, one: Int, two: Int) -> Int:
    """(n,) models that prefer `one` less those that prefer `two`, less one half-vote where a draw goes to `two`.

    A model that is indifferent prefers the lower class number; an even split goes to the lower class number, too.
    """
    rows = np.arange(len(preference))
    a, b = preference[rows, :, one], preference[rows, :, two]
    low = one < two
    for_one = np.where(low[:, None], a >= b, a > b).sum(1)
    return 2 * for_one - preference.shape[1] - (~low & (one != two))


def _to_close(margin: Int) -> Int:
    """(n,) models to change so that a margin >= 0 becomes negative: each changes it by two."""
    return np.maximum((margin + 2) // 2, 0)


def _to_close_both(one: Int, two: Int) -> Int:
    """(n,) the fewest models to change so that two margins fall to zero or below: each takes two from one and one from the other."""
    one, two = np.maximum(one, 0), np.maximum(two, 0)
    return np.maximum(np.maximum((one + 1) // 2, (two + 1) // 2), (one + two + 2) // 3)
