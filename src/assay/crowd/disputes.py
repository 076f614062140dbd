"""Ambiguity against poison: why annotators disagree on a row, with the evidence in words.

Four readings of one disagreement:

- *attack*: at least half of those who dissent from the label are accused (of colluding, telling the contrary, turning, copying);
- *careless*: the dissenters are accused spammers, or err like this everywhere: each vote has its annotator's own error rate;
- *guideline*: the whole crowd confuses this pair of classes, well beyond other pairs: each vote has the pair's rate of dissent, and no
  single row is to blame;
- *hard row*: annotators who do not dissent elsewhere dissent here: the row has a rate of its own, any rate as likely as another.

Accusations decide the first; between the others the votes on the row do, by likelihood, with the stated chances beforehand.

Cannot see: an attack by annotators whom no test accuses; it is read as a hard row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betaln
from scipy.stats import binom

from assay.crowd.aggregate import Aggregate, normalised
from assay.crowd.expected import Bools
from assay.crowd.hostile import Hostile
from assay.crowd.votes import Floats, Int, Votes, summed

Reading = Literal["attack", "careless", "guideline", "hard row"]
READINGS: tuple[Reading, ...] = ("careless", "guideline", "hard row")  # those told apart by likelihood

HOSTILE = ("colluder", "adversary", "sleeper", "copy-cat", "second account")
# Chances before the votes on a row are looked at: annotators slip more often than rows are hard; a pair of classes that is confused
# explains its rows as readily as carelessness does.
BEFORE = {"careless": 0.6, "guideline": 0.3, "hard row": 0.1}
TIMES = 2.0  # as often as dissent falls on a class on average: a pair the guideline leaves open
LEVEL = 0.001  # of the binomial test that it is more than this, over all pairs
FEWEST_ROWS = 10  # on which a pair is confused: fewer are single rows, not a rule
ASIDE = 0.01  # chance of a vote for a third class on a row between two
ERROR_PRIOR = 4.0  # votes at the crowd's rate added to an annotator's error rate


@dataclass(frozen=True)
class Disputes:
    """The rows whose votes differ, in row order: `row`, `label`, `against` (d,) codes, the class most dissenters give; `reading` and
    its `chance` (d,); `votes_for`, `votes_against` (d,)."""

    row: Int
    label: Int
    against: Int
    reading: tuple[Reading, ...]
    chance: Floats
    votes_for: Int
    votes_against: Int
    evidence: tuple[str, ...]
    confused: tuple[tuple[int, int], ...]  # pairs (label, against) that the guideline leaves open

    def __len__(self) -> int:
        return len(self.row)


def disputes(aggregate: Aggregate, votes: Votes, found: Hostile) -> Disputes:
    """Every row whose votes differ. `aggregate` is what the trusted say, `votes` everybody's, over the same rows."""
    n, k, a = len(votes.rows), len(votes.classes), len(votes.annotators)
    label = aggregate.label
    counted = label[votes.row] >= 0
    dissent = counted & (votes.label != label[votes.row])
    enemy, spammer = _accused(found, a)
    plain = counted & ~(enemy | spammer)[votes.annotator]
    against_counts = summed(votes.row * k + votes.label, dissent.astype(float), n * k).reshape(n, k)
    rows = np.flatnonzero(against_counts.sum(1) > 0)
    against = against_counts[rows].argmax(1)
    pairs = confused_pairs(votes, label, plain)
    log_joint = _likelihoods(votes, label, dissent, plain, pairs)[rows]
    weights = normalised(log_joint + np.log([BEFORE[r] for r in READINGS]))
    dissenters = against_counts[rows].sum(1)
    enemies = summed(votes.row, (dissent & enemy[votes.annotator]).astype(float), n)[rows]
    spam = summed(votes.row, (dissent & spammer[votes.annotator]).astype(float), n)[rows]
    best = weights.argmax(1)
    attack, careless = 2 * enemies >= dissenters, 2 * spam >= dissenters
    readings: tuple[Reading, ...] = tuple(
        "attack" if hit else "careless" if sloppy else READINGS[b]
        for hit, sloppy, b in zip(attack.tolist(), careless.tolist(), best.tolist(), strict=True)
    )
    made = Disputes(
        row=rows,
        label=label[rows],
        against=against,
        reading=readings,
        chance=np.where(attack | careless, 1.0, weights.max(1)),
        votes_for=votes.votes_on[rows] - dissenters.astype(np.int64),
        votes_against=dissenters.astype(np.int64),
        evidence=(),
        confused=tuple((int(t), int(s)) for t, s in zip(*np.nonzero(pairs > 0), strict=True)),
    )
    return _worded(made, votes, enemies, pairs, _error_rates(votes, label, dissent, pairs), dissent)


def _accused(found: Hostile, a: int) -> tuple[Bools, Bools]:
    """(a,) accused of something hostile; accused of spam only."""
    enemy, spammer = np.zeros(a, bool), np.zeros(a, bool)
    for accusation in found.accusations:
        (enemy if accusation.kind in HOSTILE else spammer)[accusation.annotator] = True
    return enemy, spammer & ~enemy


def confused_pairs(votes: Votes, label: Int, plain: Bools) -> Floats:
    """(k, k) the rate at which rows of one label are called another, for pairs confused well beyond the average; 0 for others.

    A pair counts if its dissents are more than TIMES the average of all pairs (binomial test, Bonferroni over the pairs), on
    FEWEST_ROWS rows at least. `plain` (m,) marks the votes of people nobody accuses.
    """
    k = len(votes.classes)
    t, said = label[votes.row[plain]], votes.label[plain]
    counts = np.bincount(t * k + said, minlength=k * k).reshape(k, k).astype(float)
    dissents = counts.copy()
    np.fill_diagonal(dissents, 0)
    given = counts.sum(1, keepdims=True)
    average = dissents.sum() / max(1.0, given.sum() * (k - 1))
    p = binom.sf(dissents - 1, np.maximum(given, 1), min(1.0, TIMES * average))
    cells = np.unique(votes.row[plain] * k + said)
    truth = label[cells // k]
    on_rows = np.bincount(truth * k + cells % k, minlength=k * k).reshape(k, k)
    open_pair = (p <= LEVEL / max(1, k * (k - 1))) & (on_rows >= FEWEST_ROWS) & (dissents > 0)
    return np.where(open_pair, dissents / np.maximum(given, 1), 0.0)


def _error_rates(votes: Votes, label: Int, dissent: Bools, pairs: Floats) -> Floats:
    """(m,) each annotator's rate of dissent on other rows than this vote's, classes with an open pair left out."""
    a = len(votes.annotators)
    use = np.asarray(~(pairs > 0).any(axis=1))[label[votes.row]]
    average = dissent[use].mean() if use.any() else dissent.mean()
    wrong = summed(votes.annotator, (dissent & use).astype(float), a)[votes.annotator] - (dissent & use)
    of = summed(votes.annotator, use.astype(float), a)[votes.annotator] - use
    return np.asarray((wrong + ERROR_PRIOR * average) / (of + ERROR_PRIOR))


def _likelihoods(votes: Votes, label: Int, dissent: Bools, plain: Bools, pairs: Floats) -> Floats:
    """(n, 3) log likelihood of the votes on each row, for each of READINGS.

    A careless dissent falls on any other class; all on a hard row fall on one, where they agree. Where a pair is open, its
    rate of agreement holds whoever dissents: careless and guideline differ in the dissents alone.
    """
    n, use, k = len(votes.rows), plain.astype(float), len(votes.classes)
    spread = -np.log(max(1, k - 1))
    error = np.clip(_error_rates(votes, label, dissent, pairs), 1e-6, 1 - 1e-6)
    open_rate = np.clip(pairs[label].sum(1), 0, 1 - 1e-6)[votes.row]
    agree = use * ~dissent * np.log1p(-np.maximum(error, open_rate))
    agrees = summed(votes.row, agree, n)
    careless = agrees + summed(votes.row, use * dissent * (np.log(error) + spread), n)
    rate = np.maximum(pairs[label[votes.row], votes.label], 1e-6)
    guideline = agrees + summed(votes.row, use * dissent * np.log(rate), n)
    against, of = summed(votes.row, use * dissent, n), summed(votes.row, use, n)
    cells = summed(votes.row * k + votes.label, use * dissent, n * k).reshape(n, k)
    hard = betaln(against + 1, of - against + 1) + spread * np.where(cells.max(1) < against, against, np.minimum(against, 1))
    closed = np.asarray(~(pairs > 0).any(axis=1))[label]
    turned = np.where(closed, -np.inf, guideline)
    # the row may be of the other class of an open pair, and its label the misreading
    back = pairs[cells.argmax(1), label]
    rate = np.clip(back, 1e-6, 1 - 1e-6)[votes.row]
    other = np.where(votes.label == cells.argmax(1)[votes.row], np.log1p(-rate), np.log(ASIDE))
    misread = summed(votes.row, use * np.where(dissent, other, np.log(rate)), n)
    turned = np.logaddexp(turned, np.where(back > 0, misread, -np.inf))
    return np.stack([careless, turned, hard], axis=1)


def _worded(made: Disputes, votes: Votes, enemies: Floats, pairs: Floats, error: Floats, dissent: Bools) -> Disputes:
    from dataclasses import replace

    mean_error = summed(votes.row, error * dissent, len(votes.rows)) / np.maximum(
        summed(votes.row, dissent.astype(float), len(votes.rows)), 1
    )
    k = len(votes.classes)
    each = summed(votes.row * k + votes.label, dissent.astype(float), len(votes.rows) * k)
    said = []
    for place, row in enumerate(made.row.tolist()):
        t, s, no = int(made.label[place]), int(made.against[place]), int(made.votes_against[place])
        together = int(each[row * k + s])
        most = f" with {votes.classes[s]!r}" if together == no else f", most with {votes.classes[s]!r}" if 2 * together > no else ""
        votes_said = f"{made.votes_for[place]} say {votes.classes[t]!r}, {no} dissent{most}"
        said.append(
            {
                "attack": f"{votes_said}; {int(enemies[place])} of the dissenters are accused",
                "careless": f"{votes_said}; the dissenters are expected to be wrong on about {mean_error[row]:.0%} of other rows",
                "guideline": f"{votes_said}; {pairs[t, s]:.0%} of all votes on {votes.classes[t]!r} say {votes.classes[s]!r}",
                "hard row": f"{votes_said}; the dissenters are expected to be wrong on only about {mean_error[row]:.0%} of other rows",
            }[made.reading[place]]
        )
    return replace(made, evidence=tuple(said))
