"""Does a phrase stand in its sentences, or was it dropped into them?

A natural word keeps company: "the worst", "prime minister". A word that was inserted at random places has the neighbours that random
places have. The log Bayes factor of "it has its own neighbours" (a Dirichlet-multinomial around the corpus's words) against "its
neighbours are drawn like any words" is computed for both sides. Labels are not read, so it speaks of poison that relabelled
nothing, where surprise and contradiction are blind; it carries no error guarantee of its own, and such findings are suspected at most.

Measured a carrier: planted words -1.4 to -1.9 (SST-2, AG News, Davidson); the lowest natural phrases that are as pure and as frequent -0.4.
It cannot see a trigger that always stands at the same place, such as the end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import binom

from assay.learn.corpus import BREAK, Corpus, distinct
from assay.mine.phrases import Shared

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

FEWEST = 20  # carriers: with fewer, natural words look placeless now and then
PURE = 0.98  # share of the carriers that have one label
PLACELESS = -0.8  # log Bayes factor a carrier: half-way between natural and planted
PRIOR = 20.0  # weight of the Dirichlet prior, in neighbours
ALPHA = 0.01  # of the label purity against the label's base rate, Bonferroni over the phrases of one length


def pure_phrases(shared: Shared, y: Int, k: int) -> tuple[Int, Int]:
    """(phrases, their labels): frequent and of one label far beyond that label's base rate."""
    pairs = distinct(shared.gram * len(y) + shared.document)
    gram, label = pairs // len(y), y[pairs % len(y)]
    known = label >= 0
    hits = np.stack([np.bincount(gram[known], label[known] == t, minlength=len(shared)) for t in range(k)], 1)
    total = hits.sum(1)
    often = np.flatnonzero((total >= FEWEST) & (hits.max(1) >= PURE * total))
    best = hits[often].argmax(1)
    base = np.bincount(y[y >= 0], minlength=k) / max((y >= 0).sum(), 1)
    chance = binom.logsf(hits[often, best] - 1, total[often], base[best])
    keep = chance < np.log(ALPHA / max(len(shared), 1))
    return often[keep], best[keep]


def usual_neighbours(corpus: Corpus) -> Floats:
    """(words + 1,) how often each word stands anywhere, the break between documents first; sums to 1."""
    usual = np.bincount(corpus.word - BREAK, minlength=len(corpus.vocabulary) + 1) + 0.5
    return np.asarray(usual / usual.sum())


def placement(corpus: Corpus, shared: Shared, gram: int, usual: Floats) -> float:
    """Log Bayes factor a carrier, both sides together; below `PLACELESS` the phrase was dropped in."""
    at = shared.at[shared.gram == gram]
    left = np.where(at > 0, corpus.word[at - 1], BREAK)
    right = corpus.word[np.minimum(at + shared.words, len(corpus.word) - 1)]
    return sum(_own_company(side - BREAK, usual) for side in (left, right)) / len(at)


def _own_company(neighbours: Int, usual: Floats) -> float:
    """Log marginal likelihood of these words under a Dirichlet-multinomial around `usual`, less that under `usual` itself."""
    words, count = np.unique(neighbours, return_counts=True)
    prior = PRIOR * usual[words]
    own = gammaln(count + prior) - gammaln(prior)
    total = gammaln(len(neighbours) + PRIOR) - gammaln(PRIOR)
    return float(own.sum() - total - (count * np.log(usual[words])).sum())
