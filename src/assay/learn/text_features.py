"""Label-free features of texts: latent semantic analysis of their words (Deerwester et al. 1990)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from assay.learn.corpus import Corpus

DIMENSIONS = 32
ROWS_AT_MOST = 50_000  # above, the screens that need features do not run: the decomposition would take longer than the scan
WORDS_AT_LEAST, WORDS_AT_MOST = 2, 50_000  # documents a word must stand in; the commonest words kept


def text_features(corpus: Corpus, rng: np.random.Generator) -> NDArray[np.float32] | None:
    """(n, `DIMENSIONS`) unit vectors whose distance follows the words that texts share; None for too many or too few rows."""
    n = corpus.documents
    if n > ROWS_AT_MOST:
        return None
    real = corpus.word >= 0
    counts = sp.csr_matrix((np.ones(int(real.sum())), (corpus.document[real], corpus.word[real])), shape=(n, len(corpus.vocabulary)))
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = np.flatnonzero(frequency >= WORDS_AT_LEAST)
    kept = kept[np.argsort(-frequency[kept], kind="stable")[:WORDS_AT_MOST]]
    if min(n, len(kept)) <= DIMENSIONS:
        return None
    weights = counts[:, kept].log1p() @ sp.diags(np.log(n / frequency[kept]))
    left, scale, _ = randomized_svd(weights, DIMENSIONS, n_iter=3, random_state=int(rng.integers(2**31)))
    features = left * scale
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9), np.float32)
