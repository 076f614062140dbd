"""Which carriers of a convicted artefact were planted, and which carry it by nature, or to cover the others.

They are told apart by what the rest of their content says. No error rate goes with it: the artefact is what was tried.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

ACQUIT = 3.0  # a carrier is left alone if it is this many times likelier a natural one than a planted one
BINS = 10  # of support, in which the likelihoods of natural and planted carriers are counted
SHARES = np.linspace(0, 1, 101)  # of natural carriers, between which the likeliest is sought
DROP = 1.92  # of the log likelihood, beyond which a share is ruled out: a likelihood interval of 95 %, its upper end 97.5 %


def accused(p: Floats, y: Int, target: int, others: Floats, strangers: Floats, odds: float | None = None) -> NDArray[np.bool_]:
    """(m,) carriers labelled `target` that were planted rather than natural.

    A common word has natural carriers, of every label. As many of them have the target's label as its base rate makes likely, given how
    many carriers have another label (`odds`: rows of the target for each of another label; None: as `others` and `strangers` are);
    `planted` tells them apart. With no carrier of another label there are no natural ones, and every carrier is accused. Where carriers of
    other labels are an attacker's cover, that says nothing of the target's: so no more are natural than what they say leaves open.
    """
    ours = y == target
    natural = float((~ours).sum()) * (len(others) / max(len(strangers), 1) if odds is None else odds)
    support = p[ours, target]
    if natural and len(others) and len(strangers):
        natural = min(natural, _most_alike(*_likelihoods(support, others, strangers)) * len(support))
    result = ours.copy()
    result[ours] = planted(support, natural, others, strangers)
    return result


def _most_alike(ordinary: Floats, strange: Floats) -> float:
    """The greatest share that may be ordinary, of values with these likelihoods (m,) if ordinary and if strange: 97.5 % sure.

    >>> _most_alike(np.full(50, 0.1), np.full(50, 0.5)) < 0.1, _most_alike(np.full(50, 0.5), np.full(50, 0.1))
    (True, 1.0)
    """
    log_likelihood = np.log(SHARES[:, None] * ordinary + (1 - SHARES[:, None]) * strange).sum(1)
    return float(SHARES[log_likelihood >= log_likelihood.max() - DROP].max())


def planted(support: Floats, natural: float, others: Floats, strangers: Floats) -> NDArray[np.bool_]:
    """(m,) which carriers of one label were planted, by their `support` (m,) for it, if `natural` of them are expected not to be.

    They are told apart by what the rest of their content says: natural ones support the label as `others` do, planted ones as rows of other
    labels do (`strangers`), by Bayes' rule over `BINS` bins of support.
    """
    if not natural or not len(others) or not len(strangers):
        return np.ones(len(support), bool)
    ordinary, strange = _likelihoods(support, others, strangers)
    count = max(len(support) - natural, 1.0)
    return np.asarray(natural * ordinary < ACQUIT * count * strange)


def _likelihoods(support: Floats, others: Floats, strangers: Floats) -> tuple[Floats, Floats]:
    """(m,) how likely each `support` is by the law of the `others`, and by that of the `strangers`: shares of `BINS`."""
    edges = np.quantile(np.concatenate([others, strangers]), np.linspace(0, 1, BINS + 1)[1:-1])

    def likelihood(rows: Floats) -> Floats:
        counts = np.bincount(np.searchsorted(edges, rows), minlength=BINS) + 1.0
        return np.asarray((counts / counts.sum())[np.searchsorted(edges, support)])

    return likelihood(others), likelihood(strangers)
