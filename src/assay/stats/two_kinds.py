"""Are these values of one kind, or of two? A test against "they are moved and narrowed, as a whole".

Two samples are given: *ordinary* values and those of *strangers*, who stand low. If the values follow the ordinary ones' law moved and
narrowed (the log odds of their ranks among the ordinary follow a logistic law of any place and of a scale of at most 1, which is the
scale of the ordinary themselves), `two_kinds` is an e-value: its expectation is at most 1, so that P(e >= 1/alpha) <= alpha. The bet
against it is that a share w are strangers and the rest *just* ordinary, averaged over w; what it wins is divided by the likelihood of the
best of those laws (universal inference: Wasserman, Ramdas, Balakrishnan, Universal Inference, PNAS 117, 2020; a bet that is fixed
beforehand needs no split of the data).

`stats.ranks` asks whether values stand low; this one whether only some of them do. Why moved and narrowed: a kind that a model knows
less well gets less from each of its words or pixels, for its own label as for any other, and a part of a class is no more diverse than
the class.

It takes the ordinary values' law for known, from at least `ENOUGH` of them, `IN_A_BIN` in the lowest bin (how far below the least of them
a law reaches nobody knows), and hears no more votes than there are of them. The strangers' law may be wrong: it is only bet on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp

Floats = NDArray[np.float64]

TENTHS = (
    np.arange(1, 10) / 10
)  # of the ordinary values, at which bins part; below the first, each bin has twice the values of the one beneath
IN_A_BIN = 10  # ordinary values in the lowest bin, so that its share is known to a third of itself
ENOUGH = 100  # ordinary values at least: so many in each tenth
SHARES = (np.arange(40) + 0.5) / 40  # of strangers, bet on alike
PLACES, SCALES = np.linspace(-12, 12, 97), np.geomspace(0.05, 1, 25)  # log odds of ranks, from which the best law is sought


def two_kinds(values: Floats, ordinary: Floats, strangers: Floats, votes: Floats | None = None) -> float:
    """Natural log of the e-value for `values` (m,) beside `ordinary` (b,) and `strangers` (c,). -inf where the ordinary are too few.

    `votes` (m,) at most 1 each: near-duplicates share one vote; a likelihood ratio to a power below 1 stays an e-value.

    >>> rng = np.random.default_rng(0)
    >>> ordinary, strangers = rng.beta(8, 2, 1000), rng.beta(2, 8, 1000)
    >>> two_kinds(np.r_[rng.beta(8, 2, 30), rng.beta(2, 8, 20)], ordinary, strangers) > 10
    True
    >>> two_kinds(rng.beta(5, 5, 50), ordinary, strangers) < 0  # lower as a whole
    True
    """
    if len(ordinary) < ENOUGH or not len(values):
        return -np.inf
    edges = np.unique(np.quantile(ordinary, np.r_[_tail(len(ordinary)), TENTHS]))
    votes = np.ones(len(values)) if votes is None else votes
    votes = votes * min(1.0, len(ordinary) / votes.sum())
    seen = np.asarray(np.bincount(np.searchsorted(edges, values, side="right"), votes, minlength=len(edges) + 1), float)
    usual, strange = _shares(ordinary, edges), _shares(strangers, edges)
    bets = np.log((1 - SHARES)[:, None] * usual + SHARES[:, None] * strange) @ seen
    return float(logsumexp(bets) - np.log(len(SHARES)) - _best_one(seen, usual))


def _tail(count: int) -> Floats:
    """Ranks below the first tenth at which bins part, of so many ordinary values.

    >>> _tail(1000).tolist()
    [0.01, 0.02, 0.04, 0.08]
    """
    lowest = IN_A_BIN / count
    return np.asarray(lowest * 2.0 ** np.arange(max(0, int(np.ceil(np.log2(TENTHS[0] / lowest))))))


def _shares(values: Floats, edges: Floats) -> Floats:
    """(bins,) the share of each bin, one value more in each than was seen."""
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1) + 1.0
    return np.asarray(counts / counts.sum())


def _best_one(seen: Floats, usual: Floats) -> float:
    """The greatest log likelihood of `seen` (bins,) votes by a law moved and narrowed from that of `usual` (bins,) shares."""
    odds = logit(np.cumsum(usual)[:-1])

    def log_likelihood(place: Floats, scale: Floats) -> Floats:
        reach = expit((odds - place[..., None]) / scale[..., None])
        law = np.diff(reach, axis=-1, prepend=0.0, append=1.0)
        return np.asarray(np.log(np.maximum(law, np.finfo(float).tiny)) @ seen)

    def loss(x: Floats) -> float:
        return -float(log_likelihood(x[0], np.minimum(np.exp(x[1]), 1.0)))

    place, scale = (x.ravel() for x in np.meshgrid(PLACES, SCALES))
    found = log_likelihood(place, scale)
    best = int(found.argmax())
    polished = minimize(loss, np.array([place[best], np.log(scale[best])]), method="Nelder-Mead")
    return max(float(found[best]), -float(polished.fun))
