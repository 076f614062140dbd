"""Hubs: passages that stand among the nearest of many others, as a page does that was written to be retrieved for everything.

How often a passage is among the ten nearest (cosine of TF-IDF) of some drawn passages is compared with how often the others are: a
negative binomial, fitted by moments to the corpus, since natural hubs exist in every corpus (Radovanović, Nanopoulos & Ivanović 2010,
JMLR 11). Adversarial passages that are near many queries: Zhong et al. 2023, EMNLP. Cannot see a page planted for one question alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import nbinom, poisson

Floats = NDArray[np.float64]

FEWEST = 200  # passages: fewer have no nearest ten to speak of
QUERIES = 1_000  # passages drawn to ask with
NEAREST = 10
HELD = 50_000  # passages compared, of more a sample: bounds time and memory
ALPHA = 0.01  # chance that any of the passages is flagged, where the fit holds
BLOCK = 100  # queries at a time: 100 x 50,000 similarities
WORDS = 2**18  # hashed features


def hubs(texts: Sequence[str], rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """(n,) scores from 0 to 1 and (n,) flags."""
    n = len(texts)
    if n < FEWEST:
        return np.zeros(n), np.zeros(n, bool)
    held = np.sort(rng.choice(n, min(n, HELD), replace=False))
    vectors = _vectors([texts[i] for i in held])
    asked = rng.choice(len(held), min(QUERIES, len(held)), replace=False)
    count = np.zeros(len(held), np.int64)
    for start in range(0, len(asked), BLOCK):
        some = asked[start : start + BLOCK]
        near = (vectors[some] @ vectors.T).tolil()
        near[np.arange(len(some)), some] = 0.0
        near = csr_array(near)
        for row in range(len(some)):
            at, value = near.indices[near.indptr[row] : near.indptr[row + 1]], near.data[near.indptr[row] : near.indptr[row + 1]]
            count[at[np.argpartition(-value, NEAREST)[:NEAREST] if len(value) > NEAREST else value > 0]] += 1
    tail = _tail(count)
    score, flag = np.zeros(n), np.zeros(n, bool)
    score[held], flag[held] = 1 - np.minimum(1.0, tail), tail < ALPHA / len(held)
    return score, flag


def _tail(count: NDArray[np.int64]) -> Floats:
    """(n,) P(as many or more) under a negative binomial with the mean and variance of all."""
    mean, variance = float(count.mean()), float(count.var())
    if variance <= mean or mean == 0:
        return np.asarray(poisson.sf(count - 1, max(mean, 1e-9)))
    return np.asarray(nbinom.sf(count - 1, mean**2 / (variance - mean), mean / variance))


def _vectors(texts: Sequence[str]) -> csr_array:
    """(n, words) unit vectors of TF-IDF."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    counts = HashingVectorizer(n_features=WORDS, alternate_sign=False, norm=None).transform(texts)
    return csr_array(TfidfTransformer(sublinear_tf=True).fit_transform(counts))
