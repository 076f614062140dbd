"""Hubs: passages that stand among the nearest of many others, as a page does that was written to be retrieved for everything.

How often a passage is among the ten nearest (cosine of TF-IDF) of some drawn passages is compared with how often the others are: a
negative binomial, fitted by moments to the corpus, since natural hubs exist in every corpus (Radovanović, Nanopoulos & Ivanović 2010,
JMLR 11). Adversarial passages that are near many queries: Zhong et al. 2023, EMNLP. Cannot see a page planted for one question alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import nbinom, poisson

from assay.engine.base import current, spans
from assay.stats.counts import Tally
from assay.stats.nearest import Nearest, nearest_in_part

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

FEWEST = 200  # passages: fewer have no nearest ten to speak of
QUERIES = 1_000  # passages drawn to ask with
NEAREST = 10
HELD = 50_000  # passages compared, of more a sample: bounds time
PART = 5_000  # passages that one piece of work holds and asks: bounds memory
ALPHA = 0.01  # chance that any of the passages is flagged, where the fit holds
BLOCK = 100  # queries at a time: 100 x 5,000 similarities
WORDS = 2**18  # hashed features


def hubs(texts: Sequence[str], rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """(n,) scores from 0 to 1 and (n,) flags."""
    n = len(texts)
    if n < FEWEST:
        return np.zeros(n), np.zeros(n, bool)
    held = np.sort(rng.choice(n, min(n, HELD), replace=False))
    asked = rng.choice(len(held), min(QUERIES, len(held)), replace=False)
    found = nearest_texts([texts[i] for i in held], asked).place
    count = np.bincount(found[found >= 0], minlength=len(held))
    tail = _tail(count)
    score, flag = np.zeros(n), np.zeros(n, bool)
    score[held], flag[held] = 1 - np.minimum(1.0, tail), tail < ALPHA / len(held)
    return score, flag


def nearest_texts(texts: Sequence[str], asked: Int) -> Nearest:
    """The `NEAREST` texts to each of the texts `asked` (q,), itself left out, nobody where no word is shared.

    The index lies in parts, where whoever works for this process has them: a part counts its words, weighs them by how many texts of all
    hold each, and answers for its own texts; the answers are merged.
    """
    engine, edges = current(), spans(len(texts), PART)
    parts = engine.hold(_words, [(texts[start:stop],) for start, stop in edges])
    holding = engine.fold(_holding, [(part,) for part in parts])
    assert holding is not None
    weight = engine.put(np.log((1 + len(texts)) / (1 + holding.counts)) + 1.0)
    parts = engine.hold(_weighed, [(part, weight) for part in parts])
    order = np.argsort(asked, kind="stable")
    cuts = np.searchsorted(asked[order], [start for start, _ in edges[1:]])
    mine = [rows - start for rows, (start, _) in zip(np.split(asked[order], cuts), edges, strict=True)]
    questions = sparse.vstack(list(engine.map(_some, list(zip(parts, mine, strict=True)))), format="csr")
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    placed = engine.put(questions[back])
    found = engine.fold(_nearest, [(part, start, placed, asked) for part, (start, _) in zip(parts, edges, strict=True)])
    assert found is not None
    return found


def _words(texts: Sequence[str]) -> sparse.csr_array:
    """(n, words) how often each text has each."""
    from sklearn.feature_extraction.text import HashingVectorizer

    return sparse.csr_array(HashingVectorizer(n_features=WORDS, alternate_sign=False, norm=None).transform(texts))


def _holding(counts: sparse.csr_array) -> Tally:
    return Tally(np.bincount(counts.indices, minlength=WORDS))


def _weighed(counts: sparse.csr_array, weight: Floats) -> sparse.csr_array:
    """Unit vectors of TF-IDF."""
    from sklearn.preprocessing import normalize

    vectors = counts.copy()
    vectors.data = (np.log(vectors.data) + 1.0) * weight[vectors.indices]
    return sparse.csr_array(normalize(vectors))


def _some(vectors: sparse.csr_array, rows: Int) -> sparse.csr_array:
    return vectors[rows]


def _nearest(vectors: sparse.csr_array, first: int, questions: sparse.csr_array, asked: Int) -> Nearest:
    """Of the texts of one part, which begins at `first`."""

    def near(some: slice) -> Floats:
        products = (questions[some] @ vectors.T).toarray()
        products[products <= 0] = -np.inf
        return np.asarray(products, np.float64)

    return nearest_in_part(near, asked, NEAREST, first, BLOCK)


def _tail(count: NDArray[np.int64]) -> Floats:
    """(n,) P(as many or more) under a negative binomial with the mean and variance of all."""
    mean, variance = float(count.mean()), float(count.var())
    if variance <= mean or mean == 0:
        return np.asarray(poisson.sf(count - 1, max(mean, 1e-9)))
    return np.asarray(nbinom.sf(count - 1, mean**2 / (variance - mean), mean / variance))
