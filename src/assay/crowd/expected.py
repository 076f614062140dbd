"""What each vote should have been, from everybody else's votes: the null that every accusation is measured against.

`expect(votes)` gives, for each vote, the chance of each label had its annotator judged alone: the truth as the other votes on the
row have it, this annotator's own confusions on all other rows, and what the other votes say of this very row. The last is how
a hard row is told from an arrangement: where many strangers err the same way, one more who does so is expected. How much it counts is
one number, the concentration, chosen by how well votes are predicted from the votes beside them.

A group under suspicion is heard as one voice: its members' votes on a row count as a single vote, and truth and confusions come from
the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.crowd.aggregate import confusion_matrices, normalised
from assay.crowd.dawid_skene import dawid_skene
from assay.crowd.votes import Floats, Int, Votes, summed

Bools = NDArray[np.bool_]

OWN_PRIOR = 2.0  # votes of the average annotator added to each row of one's own confusion matrix
# Strength of the truth and confusions against the other votes on the row, in votes; the last is "the row tells nothing".
CONCENTRATIONS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 1e6)
ENOUGH = 50_000  # votes that choose it: one number needs no more
TINY = 1e-9


@dataclass(frozen=True)
class Expected:
    """For each of m votes, told without it."""

    chance: Floats  # (m, k) of each label, had the annotator judged alone
    truth: Floats  # (m, k) of each class, by the outsiders
    typical: Floats  # (m, k) chance of each label from an average annotator
    outsiders: Int  # (m,) votes on the row by others who are not in the group
    voice: Int  # (m,) what the rest of the group says on the row, -1 where it says nothing
    support: Floats  # (m,) share of the rest of the group's votes on the row that say so, as if one more said otherwise
    concentration: float

    @property
    def consensus(self) -> Int:
        """(m,) the class that the outsiders hold likeliest."""
        return np.asarray(self.truth.argmax(1))


def expect(votes: Votes, group: Bools | None = None, concentration: float | None = None) -> Expected:
    """`group` (a,) marks the members of a group under suspicion; nobody if None."""
    inside = np.zeros(len(votes.annotators), bool) if group is None else group
    member = inside[votes.annotator]
    n, k, m = len(votes.rows), len(votes.classes), len(votes)
    outside = votes.take(~member)
    fitted = dawid_skene(outside)
    average = np.stack([summed(outside.label, fitted.posterior[outside.row, t], k) for t in range(k)]) + 1.0 / k
    average /= average.sum(1, keepdims=True)
    truth = _truth(votes, outside, fitted.posterior, member)
    base = truth @ average
    cell = votes.row * k + votes.label
    others = summed(cell, (~member).astype(float), n * k).reshape(n, k)[votes.row]
    others[np.arange(m), votes.label] -= ~member
    voice, support = _voice(votes, member)
    contradicted = (voice >= 0) & (voice != truth.argmax(1))
    alone = _alone(votes, truth, average, ~contradicted)
    if concentration is None:
        concentration = _concentration(others[~member], alone[~member], base[~member], outside.label)
    heard = others.copy()
    spoken = np.flatnonzero(voice >= 0)
    heard[spoken, voice[spoken]] += 1
    chance = _beside(heard, alone, base, concentration)
    return Expected(chance, truth, base, np.rint(others.sum(1)).astype(np.int64), voice, support, concentration)


def from_known(votes: Votes, known: Int) -> Expected:
    """What each vote should have been on rows whose class `known` (n,) is given (-1 elsewhere, where nothing is concluded).

    `typical` is what the better half of the annotators say of such rows, so that a crowd of liars sets no standard; `chance` the same.
    """
    k, truth = len(votes.classes), known[votes.row]
    given = truth >= 0
    at = np.where(given, truth, 0)
    a, right = len(votes.annotators), given & (votes.label == truth)
    asked = summed(votes.annotator, given.astype(float), a)
    score = (summed(votes.annotator, right.astype(float), a) + OWN_PRIOR * right.sum() / max(1, given.sum())) / (asked + OWN_PRIOR)
    heard = given & (score >= np.median(score[asked > 0]))[votes.annotator]
    said = summed(at[heard] * k + votes.label[heard], np.ones(int(heard.sum())), k * k).reshape(k, k) + 1.0 / k
    typical = (said / said.sum(1, keepdims=True))[at]
    certain = np.where(given[:, None], np.eye(k)[at], 1.0 / k)
    none = np.full(len(votes), -1)
    return Expected(typical, certain, typical, np.where(given, len(votes.annotators), 0), none, np.zeros(len(votes)), CONCENTRATIONS[-1])


def _truth(votes: Votes, outside: Votes, posterior: Floats, member: Bools) -> Floats:
    """(m, k) the outsiders' posterior on each vote's row without that vote."""
    n, k = len(votes.rows), len(votes.classes)
    log_confusion = np.log(confusion_matrices(outside, posterior) + TINY)
    prior = np.log(posterior[outside.votes_on > 0].mean(0) + TINY)
    voted = log_confusion[outside.annotator, :, outside.label]
    log_joint = np.stack([summed(outside.row, voted[:, t], n) for t in range(k)], axis=1) + prior
    own = np.where(member[:, None], 0.0, log_confusion[votes.annotator, :, votes.label])
    return normalised(log_joint[votes.row] - own)


def _alone(votes: Votes, truth: Floats, average: Floats, plain: Bools) -> Floats:
    """(m, k) chance of each label by the annotator's own confusions on all other `plain` rows: those on which no group
    contradicts the rest, for whoever follows one is another person there."""
    a, k, m = len(votes.annotators), len(votes.classes), len(votes)
    place, found = votes.annotator * k + votes.label, np.zeros((m, k))
    for t in range(k):
        weight = truth[:, t] * plain
        mine = summed(place, weight, a * k).reshape(a, k)[votes.annotator] + OWN_PRIOR * average[t]
        mine[np.arange(m), votes.label] -= weight
        found += truth[:, t, None] * mine / mine.sum(1, keepdims=True)
    return np.maximum(found, TINY)


def _voice(votes: Votes, member: Bools) -> tuple[Int, Floats]:
    n, k = len(votes.rows), len(votes.classes)
    said = summed(votes.row * k + votes.label, member.astype(float), n * k).reshape(n, k)[votes.row]
    said[np.arange(len(votes)), votes.label] -= member
    said = np.maximum(np.rint(said), 0.0)
    return np.where(said.sum(1) > 0, said.argmax(1), -1), said.max(1) / (said.sum(1) + 1)


def _beside(heard: Floats, alone: Floats, base: Floats, concentration: float) -> Floats:
    on_row = (heard + concentration * base) / (heard.sum(1, keepdims=True) + concentration)
    chance = on_row * alone / np.maximum(base, TINY)
    return np.asarray(chance / chance.sum(1, keepdims=True))


def _concentration(others: Floats, alone: Floats, base: Floats, label: Int) -> float:
    step = -(-len(label) // ENOUGH) if len(label) else 1
    others, alone, base, label = others[::step], alone[::step], base[::step], label[::step]
    every = np.arange(len(label))
    scores = [np.log(_beside(others, alone, base, c)[every, label] + TINY).sum() for c in CONCENTRATIONS]
    return CONCENTRATIONS[int(np.argmax(scores))]
