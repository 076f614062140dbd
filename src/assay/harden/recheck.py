"""Certificates checked again by other means: nothing here is shared with the code that made them.

`Certificate` holds what a partitioned ensemble claims of some rows, and enough to try it: the votes (for run-offs the scores), who feeds
whom, and which training row lies in which partition. `recheck` (1) elects again, vote by vote, (2) lets the worst attacker of `radius`
poisons play against each row, (3) deals the training rows again by their SHA-256, and (4) trains some members again from their rows and
compares what they say.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from assay.harden.ensemble import PartitionedClassifier

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Certificate:
    """What is claimed of n rows by m members over k classes: `votes` (n, m), `scores` (n, m, k) of a run-off, `feeds` (partitions, spread)
    member numbers, `partition` (rows,) of the training rows, `prediction` and `radius` (n,)."""

    classes: int
    election: str
    votes: Int
    scores: NDArray[np.float64] | None
    feeds: Int
    partition: Int
    prediction: Int
    radius: Int


def certificate(model: PartitionedClassifier, x: Any) -> Certificate:
    """The claims of a fitted ensemble on rows x (n, d), with what they rest on."""
    said = model.certify(x)
    scores = np.stack([model._scores(member, x) for member in model.models_], 1) if model.election == "run-off" else None
    votes = np.stack([model._votes(member, x) for member in model.models_], 1) if scores is None else scores.argmax(2)
    return Certificate(
        len(model.classes_),
        model.election,
        np.asarray(votes, np.int64),
        scores,
        model.feeds_,
        model.partition_,
        said.prediction,
        said.radius,
    )


def recheck(
    claim: Certificate,
    x: Any,
    y: NDArray[Any],
    x_test: Any,
    ensemble: PartitionedClassifier,
    rng: np.random.Generator,
    groups: Sequence[Any] | None = None,
    members: int = 5,
) -> list[str]:
    """What is wrong with a claim, in words; nothing if it stands. x (rows, d), y (rows,) the training rows, `x_test` (n, d) those that were
    certified, `ensemble` its settings, `members` how many to train again (at random: a false vote among m is missed with chance 1 - members
    / m).
    """
    wrong = [f"row {row}: {said}" for row in range(len(claim.votes)) if (said := _row(claim, row))]
    dealt = [_deal(x, y, groups, row) % len(claim.feeds) for row in range(len(y))]
    if len(claim.partition) != len(dealt):
        return [*wrong, f"{len(claim.partition)} training rows are claimed, and there are {len(dealt)}"]
    wrong += [f"training row {row} belongs to partition {p}" for row, p in enumerate(dealt) if p != claim.partition[row]]
    names, code = np.unique(y, return_inverse=True)
    if len(names) != claim.classes:
        return [*wrong, f"{claim.classes} classes are claimed, and the training rows have {len(names)}"]
    for number in rng.choice(claim.votes.shape[1], min(members, claim.votes.shape[1]), replace=False).tolist():
        feeding = {p for p, fed in enumerate(claim.feeds.tolist()) if number in fed}
        rows = [row for row, p in enumerate(dealt) if p in feeding]
        if (_trained(ensemble, x, code, rows, x_test) != claim.votes[:, number]).any():
            wrong.append(f"member {number} votes otherwise when it is trained again")
    return wrong


def _row(claim: Certificate, row: int) -> str:
    """What is wrong with the claim on one row: its election, or an attack within its radius that wins."""
    votes, radius = claim.votes[row].tolist(), int(claim.radius[row])
    scores = None if claim.scores is None else claim.scores[row].tolist()
    winner = _elected(votes, scores, claim.classes)
    if winner != claim.prediction[row]:
        return f"{winner} is elected, not {claim.prediction[row]}"
    for rival in range(claim.classes):
        if rival != winner and radius and _falls(claim, votes, scores, winner, rival, radius):
            return f"{radius} poisons may make it {rival}"
    return ""


def _elected(votes: list[int], scores: list[list[float]] | None, classes: int) -> int:
    """The class with most votes, the lower of two with as many; of a run-off, what most prefer of the first two."""
    count = Counter(votes)
    ranking = sorted(range(classes), key=lambda c: (-count[c], c))
    if scores is None or classes < 2:
        return ranking[0]
    low, high = sorted(ranking[:2])
    return low if 2 * sum(s[low] >= s[high] for s in scores) >= len(scores) else high


def _falls(claim: Certificate, votes: list[int], scores: list[list[float]] | None, winner: int, rival: int, budget: int) -> bool:
    """Whether `budget` poisons could make `rival` win, granting the attacker more than they have: every member that they reach says what
    suits them best, and of each question the members that it suits best are reached."""
    if scores is None:
        harm = []
        for fed in claim.feeds.tolist():
            harm.append(sum(2 if votes[m] == winner else 0 if votes[m] == rival else 1 for m in fed))
        lead = votes.count(winner) - votes.count(rival) - sum(sorted(harm, reverse=True)[:budget])
        return lead < 0 or (lead == 0 and rival < winner)
    count = {c: votes.count(c) for c in range(claim.classes)}
    for_winner = sum((s[winner] >= s[rival]) if winner < rival else (s[winner] > s[rival]) for s in scores)
    moved = min(budget, for_winner)
    beaten = 2 * (for_winner - moved) < len(scores) if winner < rival else 2 * (for_winner - moved) <= len(scores)
    others = [c for c in count if c not in (winner, rival)]
    # rival meets the winner: it must be ahead of all others; each poison gives it one vote, and takes one from one of them
    needed = [count[c] - count[rival] - budget + (c < rival) for c in others]
    meets = sum(max(0, n) for n in needed) <= budget
    if beaten and meets:
        return True
    # the winner is not among the first two: rival and one other are both ahead of it
    lost = min(budget, count[winner])
    for other in others:
        for given in range(budget + 1):
            first = _ahead(count[rival] + given, rival, count[winner] - lost, winner)
            second = _ahead(count[other] + budget - given, other, count[winner] - lost, winner)
            if first and second:
                return True
    return False


def _ahead(mine: int, me: int, theirs: int, them: int) -> bool:
    return mine > theirs or (mine == theirs and me < them)


def _deal(x: Any, y: NDArray[Any], groups: Sequence[Any] | None, row: int) -> int:
    """The number that a row, or whoever brought it, is dealt by: the first eight bytes of SHA-256."""
    if groups is not None:
        said = str(groups[row]).encode()
    elif hasattr(x, "tocsr"):
        own = x.tocsr()[row]
        own.sort_indices()
        said = own.indices.tobytes() + own.data.tobytes() + str(y[row]).encode()
    else:
        said = np.ascontiguousarray(x[row]).tobytes() + str(y[row]).encode()
    return int(hashlib.sha256(said).hexdigest()[:16], 16)


def _trained(ensemble: PartitionedClassifier, x: Any, code: Int, rows: list[int], x_test: Any) -> Int:
    """What one member says of the test rows, trained from its own rows."""
    from sklearn.linear_model import LogisticRegression

    present = sorted(set(code[rows].tolist()))
    if len(present) < 2:
        return np.full(x_test.shape[0], present[0] if present else 0)
    model = LogisticRegression(max_iter=1000) if ensemble.estimator is None else clone(ensemble.estimator)
    if "random_state" in model.get_params():
        model.set_params(random_state=ensemble.random_state)
    return np.asarray(model.fit(x[rows], code[rows]).predict(x_test), np.int64)
