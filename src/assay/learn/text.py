"""A probe for text that can be asked about any part of a document.

A cross-fitted linear model on hashed word 1- and 2-grams and the letter 3- to 5-grams inside words. Being additive, it knows what
each token contributed, so "what does the rest of this document say" costs a subtraction, not a new prediction: the scan asks it
about every shared phrase at once.

It judges word choice and neighbours only: meaning that lies in longer order or in style is beyond it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import StratifiedKFold

from assay.engine.base import current, spans
from assay.engine.shelf import joined, kept, zeros
from assay.learn.corpus import AT_ONCE, BREAK, PLACE, Corpus, Place, counted
from assay.learn.n_grams import blocks_of
from assay.learn.threads import spread

Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

BITS = 18  # 262,144 hashed features: collisions only blur a feature, and none is ever reported
LETTERS = 17  # bits of hashed letter n-grams
LETTER_SIZES = (3, 4, 5)
LETTER_WEIGHT = 0.3  # of letter n-grams beside words: SST-2 .782 -> .798, Davidson .875 -> .882 out of fold
PENALTY = 0.2  # over the rows, of the averaged logistic regression: SST-2 .77, AG News .86, Davidson .89 out of fold, as good as
# an exact solver at its best penalty and forty times faster
EPOCHS, VISITS = (6, 60), 2e7  # passes over the rows: as many as keep the features seen near VISITS, within bounds
FOLDS = 5
REPEATS = 3  # cross-fits over different folds, averaged: some 15 % more evidence from 50 carriers
FOLDS_LARGE, LARGE = 3, 10_000  # above LARGE documents three folds, once, lose little and save time
LONG = 500_000  # tokens: a corpus of long documents is cross-fitted once, too
TRAIN_AT_MOST = 200_000  # documents a fold learns from
HELD_WHOLE = 1_000_000  # tokens up to which what models read of all documents is made once and held (130 bytes a token); above, each
# fold makes what it learns from, and lets go of it
JUDGED = 500_000  # tokens judged at a time


@dataclass(frozen=True)
class TextProbe:
    """Out-of-fold logits (n, k) of whole documents, and each token's share in them.

    `single` (t, k) is what the token itself adds, `double` (t, k) what the pair that starts there adds, both by the model that
    never saw the document, calibrated. Removing tokens a..b takes away singles a..b and doubles a-1..b.
    """

    logits: Floats
    single: NDArray[np.float32]
    double: NDArray[np.float32]

    @property
    def k(self) -> int:
        return self.logits.shape[1]

    def probabilities(self) -> Floats:
        return softmax(self.logits)

    def spans(self, starts: Int, length: int) -> Floats:
        """(m, k) what the runs of `length` tokens that start there contribute: subtract it to remove them."""
        add = np.zeros((len(starts), self.k))
        for offset in range(length):
            add += self.single[starts + offset]
            add += self.double[starts + offset]
        before = starts - 1
        add[before >= 0] += self.double[before[before >= 0]]
        return add


def softmax(logits: Floats) -> Floats:
    """Rows that sum to 1."""
    z = logits - logits.max(-1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(-1, keepdims=True)
    return np.asarray(z)


def folds_of(y: Int, votes_group: Int, count: int, rng: np.random.Generator) -> Int:
    """(n,) fold numbers; rows of one group (near-duplicates) share a fold, classes are balanced as far as that allows."""
    _, first, group = np.unique(votes_group, return_index=True, return_inverse=True)
    label = y[first]
    smallest = np.bincount(label - label.min()).min(initial=0, where=np.bincount(label - label.min()) > 0)
    if smallest < count:
        fold = rng.permutation(len(first)) % count
    else:
        fold = np.zeros(len(first), np.int64)
        splitter = StratifiedKFold(count, shuffle=True, random_state=int(rng.integers(2**31)))
        for number, (_, test) in enumerate(splitter.split(np.zeros(len(first)), label)):
            fold[test] = number
    return np.asarray(fold[group], np.int64)


def fit_text_probe(
    corpus: Corpus, y: Int, k: int, group: Int, rng: np.random.Generator, left_out: NDArray[np.bool_] | None = None
) -> TextProbe:
    """Fit one model a fold, on the rows of the other folds (less `left_out`), and read off every token's share.

    `y` (n,) codes, negative where there is no label: such rows are judged but not learnt from.
    """
    n = corpus.documents
    count = FOLDS if n <= LARGE else FOLDS_LARGE
    scale = 1 / np.sqrt(np.maximum(corpus.length, 1))
    letters = _letters(corpus.vocabulary)
    features = _matrix(corpus, letters, scale) if len(corpus.word) <= HELD_WHOLE else None
    usable = y >= 0 if left_out is None else (y >= 0) & ~left_out
    single, double = zeros((len(corpus.word), k), np.float32), zeros((len(corpus.word), k), np.float32)
    intercept = np.zeros((n, k))
    repeats = REPEATS if n <= LARGE and len(corpus.word) <= LONG else 1
    cuts: list[tuple[Int, int, Int, int]] = []  # folds, the one that is judged, the rows to learn from, a seed
    for _ in range(repeats):
        fold = folds_of(y, group, count, rng)
        for number in range(count):
            train = np.flatnonzero(usable & (fold != number))
            if len(train) > TRAIN_AT_MOST:
                train = np.sort(rng.choice(train, TRAIN_AT_MOST, replace=False))
            cuts.append((fold, number, train, int(rng.integers(2**31))))
    engine = current()
    seen = engine.put(_Seen(features, letters, replace(corpus, vocabulary=()), scale, repeats, y, k))
    said = spread(_judged, ((seen, fold.astype(np.int8), number, train, seed) for fold, number, train, seed in cuts))
    for (fold, number, _, _), (one_by_one, in_pairs, bias) in zip(cuts, said, strict=True):
        done = 0
        for here in _tokens_of(corpus, fold == number):
            single[here] += one_by_one[done : done + len(here)]
            double[here] += in_pairs[done : done + len(here)]
            done += len(here)
        intercept[fold == number] += bias / repeats
    logits = intercept + _by_document(corpus, single) + _by_document(corpus, double)
    slope, shift = _calibrate(logits, y, usable)
    for start, stop in spans(len(corpus.word), JUDGED):
        single[start:stop] *= np.float32(slope)
        double[start:stop] *= np.float32(slope)
    return TextProbe(logits * slope + shift, single, double)


@dataclass(frozen=True)
class _Seen:
    """What every fold of a corpus is learnt and judged from."""

    features: sp.csr_matrix | None
    letters: sp.csr_matrix
    corpus: Corpus  # without its words
    scale: Floats  # (n,) of a document's tokens
    repeats: int  # models that share in what is said of a document
    y: Int
    k: int

    def learnt_from(self, rows: Int) -> sp.csr_matrix:
        """What a model reads of these documents, which are sorted."""
        if self.features is not None:
            return self.features[rows]
        corpus = self.corpus
        place = np.full(corpus.documents, -1, PLACE)
        place[rows] = np.arange(len(rows))
        words, documents = [np.zeros(0, PLACE)], [np.zeros(0, PLACE)]
        for here in _tokens_of(corpus, place >= 0):
            words.append(kept(corpus.word[here]))
            documents.append(kept(place[corpus.document[here]]))
        some = Corpus(joined(words, PLACE), joined(documents, PLACE), len(rows), corpus.vocabulary, 0)
        return _matrix(some, self.letters, self.scale[rows])


def _judged(seen: _Seen, fold: NDArray[np.int8], number: int, train: Int, seed: int) -> tuple[Float32, Float32, Floats]:
    """A model of the rows `train`: what the tokens of fold `number`, in their order, add alone and in pairs, and its bias."""
    weights, bias = fit_words(seen.learnt_from(train), seen.y[train], seen.k, seed)
    spelt = seen.letters @ weights[2**BITS :]
    corpus, scale = seen.corpus, seen.scale / seen.repeats
    kind = np.float32 if seen.repeats == 1 else np.float64  # one model's share is held in 32 bits at once, several are added up first
    singles, doubles = [np.zeros((0, seen.k), kind)], [np.zeros((0, seen.k), kind)]
    for here in _tokens_of(corpus, fold == number):
        word, following = corpus.word[here], _following(corpus.word, here)
        one, two = _hashed(word, following)
        size = scale[corpus.document[here]][:, None]
        singles.append(kept(((weights[one] + spelt[word]) * size * (one >= 0)[:, None]).astype(kind)))
        doubles.append(kept((weights[two] * size * (two >= 0)[:, None]).astype(kind)))
    return joined(singles, kind), joined(doubles, kind), bias


def _tokens_of(corpus: Corpus, documents: NDArray[np.bool_]) -> Iterator[Int]:
    """The tokens of those documents (n,), in their order, some at a time."""
    return (start + np.flatnonzero(documents[corpus.document[start:stop]]) for start, stop in spans(len(corpus.word), JUDGED))


def word_matrix(corpus: Corpus) -> sp.csr_matrix:
    """(n, 2^BITS + 2^LETTERS) what the probe's models read of each document."""
    return _matrix(corpus, _letters(corpus.vocabulary), 1 / np.sqrt(np.maximum(corpus.length, 1)))


def _following(word: Place, at: Int) -> Place:
    """(m,) the token after each place."""
    return np.where(at + 1 < len(word), word[np.minimum(at + 1, len(word) - 1)], BREAK)


def _hashed(word: Place, following: Place) -> tuple[Int, Int]:
    """(t,) feature number of each token and of the pair that starts there; -1 where there is none."""
    mask = np.uint64(2**BITS - 1)
    one = mix(word.astype(np.uint64)) & mask
    two = mix(word.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + following.astype(np.uint64) + np.uint64(1)) & mask
    return (
        np.where(word >= 0, one.astype(np.int64), -1),
        np.where((word >= 0) & (following >= 0), two.astype(np.int64), -1),
    )


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014): every input bit reaches every output bit."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _letters(vocabulary: tuple[str, ...]) -> sp.csr_matrix:
    """(words, 2^LETTERS) weighted counts of the letter n-grams of each word, its ends marked."""
    if not vocabulary:  # texts of spaces alone: one line that breaks, which have no letters, may point to
        return sp.csr_matrix((1, 2**LETTERS))
    vectoriser = HashingVectorizer(
        analyzer="char_wb", ngram_range=(LETTER_SIZES[0], LETTER_SIZES[-1]), n_features=2**LETTERS, norm=None,
        alternate_sign=False, lowercase=False,
    )  # fmt: skip
    return (vectoriser.transform(vocabulary) * LETTER_WEIGHT).tocsr()


def _matrix(corpus: Corpus, letters: sp.csr_matrix, scale: Floats) -> sp.csr_matrix:
    """(n, 2^BITS + 2^LETTERS) counts over the square root of the document's length."""
    ends = np.searchsorted(corpus.document, np.arange(corpus.documents), side="right")
    edges = [0, *(np.flatnonzero(np.diff(ends // JUDGED)) + 1).tolist(), corpus.documents]
    return _stacked(_lines(corpus, first, last, ends, letters, scale) for first, last in pairwise(edges) if first < last)


def _lines(corpus: Corpus, first: int, last: int, ends: Int, letters: sp.csr_matrix, scale: Floats) -> sp.csr_matrix:
    """The lines of the documents `first` to before `last`; `ends` (n,): the token after each document."""
    here = np.arange(ends[first - 1] if first else 0, ends[last - 1])
    word, document = corpus.word[here], corpus.document[here] - first
    one, two = _hashed(word, _following(corpus.word, here))
    column = np.concatenate([one[one >= 0], two[two >= 0]])
    row = np.concatenate([document[one >= 0], document[two >= 0]])
    weight = scale[first:last]
    hashed = sp.csr_matrix((weight[row], (row, column)), shape=(last - first, 2**BITS))
    real = word >= 0
    counts = sp.csr_matrix((weight[document[real]], (document[real], word[real])), shape=(last - first, letters.shape[0]))
    return sp.hstack([hashed, counts @ letters], format="csr")


def _stacked(parts: Iterable[sp.csr_matrix]) -> sp.csr_matrix:
    """The matrices one above another, each let go of as it is put there."""
    data, indices, lengths, width = [], [], [np.zeros(1, np.int64)], 0
    for part in parts:
        data.append(kept(part.data))
        indices.append(kept(part.indices))
        lengths.append(np.diff(part.indptr))
        width = part.shape[1]
    indptr = np.cumsum(np.concatenate(lengths))
    whole = joined(data, np.float64), joined(indices, np.int32), indptr
    return sp.csr_matrix(whole, shape=(len(indptr) - 1, width))


def fit_words(features: sp.csr_matrix, y: Int, k: int, seed: int) -> tuple[Floats, Floats]:
    """Weights (features, k) and bias (k,); classes absent here get a very low bias. Columns that are empty here are left out."""
    some = [slice(*span) for span in spans(features.nnz, AT_ONCE)]
    used = np.flatnonzero(counted((features.indices[part] for part in some), features.shape[1]))
    present = np.unique(y)
    weights, bias = np.zeros((features.shape[1], k)), np.full(k, -10.0)
    if len(present) < 2 or not len(used):  # copies of one text all lie in one fold, and leave nothing for its model to learn from
        bias[present] = 0.0
        return weights, bias
    place = np.zeros(features.shape[1], features.indices.dtype)
    place[used] = np.arange(len(used))
    column = zeros(features.nnz, place.dtype)
    for part in some:
        column[part] = place[features.indices[part]]
    x = sp.csr_matrix((features.data, column, features.indptr), shape=(features.shape[0], len(used)))  # data are shared
    rows = x.shape[0]
    epochs = int(np.clip(VISITS // max(x.nnz, 1), *EPOCHS))
    model = SGDClassifier(
        loss="log_loss", alpha=PENALTY / rows, max_iter=epochs, tol=None, average=True, random_state=seed, n_jobs=len(present)
    )
    model.fit(x, y)
    coefficient, offset = model.coef_, model.intercept_
    if len(present) == 2:
        coefficient, offset = np.vstack([-coefficient / 2, coefficient / 2]), np.array([-offset[0] / 2, offset[0] / 2])
    weights[np.ix_(used, present)] = coefficient.T
    bias[present] = offset
    return weights, bias


def _by_document(corpus: Corpus, share: NDArray[np.float32]) -> Floats:
    """(n, k) sums of token shares."""
    sums = np.zeros((corpus.documents, share.shape[1]))
    for block in blocks_of(corpus, JUDGED):
        some = share[block.start : block.start + len(block.word)]
        for c, column in enumerate(some.T):
            sums[block.first : block.first + block.documents, c] = np.bincount(block.document - block.first, column.astype(float))
    return sums


def _calibrate(logits: Floats, y: Int, usable: NDArray[np.bool_]) -> tuple[float, Floats]:
    """One slope and a shift a class that make the out-of-fold logits probabilities (temperature scaling; Guo et al. 2017)."""
    rows = np.flatnonzero(usable)
    z, label = logits[rows], y[rows]
    k = z.shape[1]

    own = np.arange(len(label)), label

    def loss(theta: Floats) -> tuple[float, Floats]:
        slope, shift = np.exp(theta[0]), theta[1:]
        gap = softmax(z * slope + shift)
        nll = -np.log(np.maximum(gap[own], 1e-12)).mean() + 1e-3 * (shift**2).sum()
        gap[own] -= 1
        by_slope = gap * z
        by_slope *= slope
        return float(nll), np.concatenate([[by_slope.sum() / len(label)], gap.mean(0) + 2e-3 * shift])

    best = minimize(loss, np.zeros(k + 1), jac=True, method="L-BFGS-B", options={"maxiter": 100})
    return float(np.exp(best.x[0])), np.asarray(best.x[1:])
