"""Texts as a pipeline of scikit-learn's word counts sees them, and the linear model behind it: read off arrays, nothing of it run.

The settings of a CountVectorizer or a TfidfVectorizer are held beside a short list, and a fresh counter is made from them: a file cannot
bring code, nor an expression of its own that takes for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.model.linear import AGAIN, Linear, coefficients, steps_of

Floats = NDArray[np.float64]

PATTERNS = (r"(?u)\b\w\w+\b", r"\b\w\w+\b", r"(?u)\b\w+\b", r"\b\w+\b", r"(?u)\w+", r"\w+", r"\S+", r"(?u)\S+", r"[^\s]+")
COUNTERS = ("CountVectorizer", "TfidfVectorizer")
LONGEST = 3  # words of an n-gram


@dataclass(frozen=True)
class Bag:
    """`words` (features,) the word or n-gram of each column; `idf` (features,) its weight; `norm` "l1", "l2" or "": of a row."""

    counter: Any  # a CountVectorizer with a fixed vocabulary, made here
    words: tuple[str, ...]
    idf: Floats
    norm: str
    sublinear: bool

    def weighed(self, texts: Sequence[str]) -> Any:
        """(n, features) sparse: counts (or 1 plus their log) times the weights, before a row is normed."""
        held = self.counter.transform(texts).astype(np.float64).tocsr()
        if self.sublinear:
            held.data = 1 + np.log(held.data)
        return held.multiply(self.idf).tocsr()

    def lengths(self, weighed: Any) -> Floats:
        """(n,) what each row is divided by."""
        if not self.norm:
            return np.ones(weighed.shape[0])
        total = abs(weighed).sum(1) if self.norm == "l1" else np.sqrt(weighed.multiply(weighed).sum(1))
        return np.asarray(total, np.float64).ravel()

    def longer(self, lengths: Floats, by: Floats) -> Floats:
        """(n, words) the lengths (n,) of rows to which one word of weight `by` (words,) that they lacked is added."""
        if not self.norm:
            return np.ones((len(lengths), len(by)))
        return np.asarray(lengths[:, None] + by if self.norm == "l1" else np.hypot(lengths[:, None], by))


@dataclass(frozen=True)
class WordModel:
    """A linear model over a bag of words."""

    bag: Bag
    linear: Linear

    @property
    def classes(self) -> tuple[str, ...]:
        return self.linear.classes

    def scores(self, texts: Sequence[str]) -> Floats:
        """(n, classes)."""
        weighed = self.bag.weighed(texts)
        return np.asarray(self.sums(weighed) / np.maximum(self.bag.lengths(weighed), 1e-300)[:, None] + self.linear.bias)

    def sums(self, weighed: Any) -> Floats:
        """(n, classes) of rows before they are normed, the intercepts left out."""
        return np.asarray(weighed @ self.linear.weight.T)


def reads_words(model: Any) -> bool:
    """Whether a pipeline begins with words that are counted."""
    return type(steps_of(model)[0]).__name__.endswith("Vectorizer")


def word_model(model: Any) -> WordModel:
    """The words and coefficients of a pipeline of a counter, TF-IDF or not, and a linear classifier. DataError for what else it holds."""
    counter, *between, last = steps_of(model)
    linear = coefficients(last)
    weigh = next((s for s in (*between, getattr(counter, "_tfidf", None)) if type(s).__name__ == "TfidfTransformer"), None)
    strange = [type(s).__name__ for s in between if type(s).__name__ != "TfidfTransformer"]
    if strange or len(between) > 1 or (between and type(counter).__name__ == "TfidfVectorizer"):
        raise DataError(f"{', '.join(strange) or 'TF-IDF twice'} stands between words and coefficients", remedy="it is not known here")
    fresh = _counter(counter, linear.features)
    words = np.empty(linear.features, object)
    for word, column in fresh.vocabulary.items():
        words[column] = word
    idf = np.ones(linear.features) if weigh is None or not weigh.use_idf else np.asarray(weigh.idf_, np.float64)
    norm = "" if weigh is None or weigh.norm is None else str(weigh.norm)
    if idf.shape != (linear.features,) or not np.isfinite(idf).all() or norm not in ("", "l1", "l2"):
        raise DataError(f"TF-IDF of {idf.shape} weights, norm {norm!r}, in front of {linear.features} coefficients", remedy=AGAIN)
    return WordModel(Bag(fresh, tuple(words), idf, norm, weigh is not None and bool(weigh.sublinear_tf)), linear)


def _counter(given: Any, features: int) -> Any:
    """A counter of scikit-learn's, made anew from the settings of one in a file."""
    from sklearn.feature_extraction.text import CountVectorizer

    kind = type(given).__name__
    if kind not in COUNTERS:
        raise DataError(f"{kind} keeps no words", remedy="CountVectorizer and TfidfVectorizer are read")
    shortest, longest = given.ngram_range
    unknown = [
        *(name for name in ("tokenizer", "preprocessor") if getattr(given, name) is not None),
        *(["analyzer"] if given.analyzer != "word" else []),
        *(["token_pattern"] if given.token_pattern not in PATTERNS else []),
        *(["ngram_range"] if not 1 <= shortest <= longest <= LONGEST else []),
        *(["strip_accents"] if given.strip_accents not in (None, "unicode", "ascii") else []),
    ]
    if unknown:
        raise DataError(
            f"splits texts in a way that is not known here ({', '.join(unknown)})", remedy="words are read; ask it as a black box"
        )
    vocabulary = {str(word): int(column) for word, column in given.vocabulary_.items()}
    if sorted(vocabulary.values()) != list(range(features)):
        raise DataError(f"{len(vocabulary)} words in front of {features} coefficients", remedy=AGAIN)
    stop = given.stop_words
    return CountVectorizer(
        vocabulary=vocabulary, lowercase=bool(given.lowercase), token_pattern=given.token_pattern, ngram_range=(shortest, longest),
        binary=bool(given.binary), strip_accents=given.strip_accents, stop_words=stop if stop is None or stop == "english" else list(stop),
    )  # fmt: skip
