"""Surprise: with the artefact removed, are the carriers' labels unlikely?

An e-value against "the labels are drawn from what the rest of the content says", which a cross-fitted probe states: under it the mean is at
most 1. Alone it convicts clean data: every natural good word moves the label. Of texts it is asked twice, by what the probe states and by
how many of the other rows that say as much have the label (`checked_surprise`, `assay.trial.foreseen`), and the lesser counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

PURITY = 0.95  # the share of carriers that an attacker's target takes, in the alternative of surprise
PLANTED = np.array([0.25, 0.5, 1.0])  # share of carriers that are, where natural or cover rows are among them: bet on alike
HIDDEN = 0.05  # of what is bet on a target of phrases and cells: on an attacker's cover rows. It costs a pure trigger .05 nats, others 3
FLOOR = 0.005  # no probe is trusted to be surer than this: bounds what one row can say to log(.95 / .005)


class Bet(Enum):
    """What the surprise at one target is bet on: how many of the carriers were planted, the others being natural or cover rows.

    PURE: all of them. MIXED: each share in `PLANTED` alike, as of pictures. HEDGED: all of them but for a part of the bet, `HIDDEN`, which
    is on cover rows (`covered_surprise`), as of phrases and cells.

    >>> [bet.hidden for bet in Bet]
    [0.0, 0.0, 0.05]
    """

    PURE = auto()
    MIXED = auto()
    HEDGED = auto()

    @property
    def hidden(self) -> float:
        """The part that is bet on cover rows."""
        return HIDDEN if self is Bet.HEDGED else 0.0


@dataclass(frozen=True)
class Surprise:
    """Natural logs of e-values against "the labels are drawn from what the rest of the content says"."""

    log_e_targeted: Floats  # (k,) for each target
    log_e_untargeted: float

    @property
    def target(self) -> int:
        return int(self.log_e_targeted.argmax())

    def at(self, target: int | None) -> float:
        """The log e-value for this target; None: for any wrong label."""
        return self.log_e_untargeted if target is None else float(self.log_e_targeted[target])


def clip_probabilities(p: Floats) -> Floats:
    """(m, k) probabilities no surer than `FLOOR` allows, rows summing to 1."""
    p = np.clip(p, FLOOR, 1.0)
    return p / p.sum(-1, keepdims=True)


def surprise(p: Floats, y: Int, votes: Floats | None = None, covered: bool = False) -> Surprise:
    """Surprise of labels `y` (m,) under out-of-fold probabilities `p` (m, k) of the carriers with the artefact removed.

    `votes` (m,) at most 1 each: near-duplicates share one vote. A vote below 1 takes a power of a likelihood ratio, which stays an
    e-value. With `covered` the alternative is a mixture over `PLANTED`: an attacker may lay an artefact over rows that keep their label
    too, and by what is bet on a pure target each of them speaks as loudly for a clean set as a planted one does against it.
    """
    p = clip_probabilities(p)
    k, own = p.shape[1], p[np.arange(len(y)), y]
    votes = np.ones(len(y)) if votes is None else votes
    wrong = y != p.argmax(1)
    untargeted = np.where(wrong, PURITY / (1 - p.max(1)) + (1 - PURITY), 1 - PURITY)
    if covered:
        return Surprise(_bets(own, y, k, votes), bet(untargeted, votes))
    counts = np.bincount(y, votes, minlength=k)
    targeted = -(votes * np.log(own)).sum() + counts * np.log(PURITY) + (counts.sum() - counts) * np.log((1 - PURITY) / max(k - 1, 1))
    return Surprise(targeted, float((votes * np.log(untargeted)).sum()))


def bet(ratio: Floats, votes: Floats, parts: Floats = PLANTED) -> float:
    """The log e-value of likelihood ratios (m,) of which a share of the rows, each of `parts` alike, has any part."""
    return float(logsumexp(np.log1p(parts[:, None] * (ratio - 1)) @ votes) - np.log(len(parts)))


def _bets(own: Floats, y: Int, k: int, votes: Floats, parts: Floats = PLANTED) -> Floats:
    """(k,) `bet` on each target, where labels `y` (m,) have the probability `own` (m,): a row has one ratio if it is the target's, else
    another, whatever the target."""
    ours, others = (np.log1p(parts[:, None] * (aimed / own - 1)) for aimed in (PURITY, (1 - PURITY) / max(k - 1, 1)))
    shares = np.array([np.where(y == t, ours, others) @ votes for t in range(k)])
    return np.asarray(logsumexp(shares, axis=1) - np.log(len(parts)))


def covered_surprise(p: Floats, y: Int, votes: Floats) -> Floats:
    """(k,) natural logs of the targeted e-values of `surprise`, if some of the carriers keep their label: `PLANTED` but the whole."""
    p = clip_probabilities(p)
    k, own = p.shape[1], p[np.arange(len(y)), y]
    return _bets(own, y, k, votes, PLANTED[:-1])


def checked_surprise(p: Floats, y: Int, checked: Callable[[int], Floats], votes: Floats | None = None) -> Surprise:
    """Surprise under what other rows that say as much make of it, where that is likelier than what the probe states.

    `checked(t)` (m,): how likely that is to be label t (`assay.trial.foreseen`). Untargeted, every label but the likeliest is as likely as
    that, all together. The alternative is a mixture over `PLANTED`: of a common word some carriers are natural.
    """
    p = clip_probabilities(p)
    k, own = p.shape[1], p[np.arange(len(y)), y]
    votes = np.ones(len(y)) if votes is None else votes
    shares = np.stack([np.maximum(p[:, t], np.minimum(checked(t), 1 - FLOOR)) for t in range(k)], 1)
    targeted = np.empty(k)
    for t in range(k):
        left = own * (1 - shares[:, t]) / (1 - p[:, t])
        targeted[t] = bet(np.where(y == t, PURITY / shares[:, t], (1 - PURITY) / max(k - 1, 1) / left), votes)
    likeliest = p.argmax(1)
    another = np.minimum(shares.sum(1) - shares[np.arange(len(y)), likeliest], 1 - FLOOR)
    return Surprise(targeted, bet(np.where(y != likeliest, PURITY / another + 1 - PURITY, 1 - PURITY), votes))
