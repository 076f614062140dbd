"""Dense, label-free features of any modality for a linear head: few enough that leaving rows out is arithmetic, not a refit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from assay.dataset.rows import UInt8
from assay.learn.columns import Coded
from assay.learn.corpus import Corpus, joint
from assay.learn.images_features import PatchFeatures, shrink

Floats = NDArray[np.float64]

DIMENSIONS = 256  # of pictures and texts: a head of some thousand rows can fit no more
DRAWN_FROM = 2_000  # pictures that filters are drawn from, as the probe's
WORDS_AT_MOST = 50_000  # the commonest words; and pairs of words, twice as many
BINS = 8  # steps of a numeric column: an additive model that may bend
CELLS = 2_000  # features of all columns of a table together; where they would be more, columns have fewer steps, or their standing alone
OWN_CODE = 30  # categories of a column with a feature of their own; the rest share one


def picture_features(images: UInt8, rng: np.random.Generator) -> Floats:
    """(n, d) principal components of random convolution patches of pictures (n, h, w, c): what the linear probe sees."""
    small = shrink(images)
    drawn = np.sort(rng.permutation(len(small))[:DRAWN_FROM])
    x = PatchFeatures.learn(small[drawn], rng).transform(small)
    x -= x.mean(0)
    x /= x.std(0) + 1e-6
    return _components(x, rng)


def text_features(corpus: Corpus, rng: np.random.Generator) -> Floats:
    """(n, d) latent semantic analysis of words and word pairs (Deerwester et al. 1990), each row of length 1."""
    n = corpus.documents
    following = np.append(corpus.word[1:], -1)
    pair = (corpus.word >= 0) & (following >= 0)
    _, code = np.unique(joint(corpus.word[pair], following[pair], len(corpus.vocabulary)), return_inverse=True)
    real = corpus.word >= 0
    words = _weighted(corpus.document[real], corpus.word[real], n, WORDS_AT_MOST)
    pairs = _weighted(corpus.document[pair], code, n, 2 * WORDS_AT_MOST)
    x = _components(sp.hstack([words, pairs], format="csr"), rng)
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9))


def cell_features(coded: Coded) -> Floats:
    """(n, d) of table cells: steps of each numeric column and its standing, one column a frequent category; missing is a feature too.

    d is about `CELLS` at most, or the columns of a table that has more.
    """
    parts: list[Floats] = []
    bins = min(BINS, CELLS // max(int(coded.numeric.sum()), 1) - 1)
    for numeric, cells in zip(coded.numeric, coded.cells.T, strict=True):
        known = np.isfinite(cells)
        if not known.any():
            continue
        if numeric:
            edges = np.unique(np.quantile(cells[known], np.linspace(0, 1, max(bins, 1) + 1)[1:-1]))
            step = np.searchsorted(edges, cells, side="right")
            size, standing = len(edges) + 1, np.zeros(len(cells))
            ordered = np.sort(cells[known])
            standing[known] = (np.searchsorted(ordered, cells[known]) + np.searchsorted(ordered, cells[known], side="right")) / len(
                ordered
            ) - 1
            parts.append(standing[:, None])
            if bins < 2:
                parts += [] if known.all() else [(~known)[:, None].astype(np.float64)]
                continue
        else:
            step = np.where(known, np.minimum(cells, OWN_CODE), 0).astype(np.int64)
            size = int(step.max()) + 1
        step = np.where(known, step, size)
        parts.append((step[:, None] == np.arange(size + (not known.all()))).astype(np.float64))
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(coded), 0))


def joined(columns: Sequence[pa.ChunkedArray]) -> list[list[str]]:
    """Texts of several columns, missing ones empty."""
    return [[str(v) if v is not None else "" for v in column.to_pylist()] for column in columns]


def _weighted(document: NDArray[np.int64], term: NDArray[np.int64], n: int, most: int) -> sp.csr_matrix:
    """(n, terms) log counts times inverse document frequency, of the terms in two documents or more, the commonest `most`."""
    counts = sp.csr_matrix((np.ones(len(term)), (document, term)), shape=(n, int(term.max(initial=-1)) + 1))
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = np.flatnonzero(frequency >= 2)
    kept = kept[np.argsort(-frequency[kept], kind="stable")[:most]]
    return (counts[:, kept].log1p() @ sp.diags(np.log(n / frequency[kept]))).tocsr()


def _components(x: sp.csr_matrix | NDArray[np.float32], rng: np.random.Generator) -> Floats:
    """(n, at most DIMENSIONS) leading components, scaled."""
    size = min(DIMENSIONS, *(s - 1 for s in x.shape))
    if size < 1:
        return np.zeros((x.shape[0], 0))
    left, scale, _ = randomized_svd(x, size, n_iter=2, random_state=int(rng.integers(2**31)))
    return np.asarray(left * scale, np.float64)
