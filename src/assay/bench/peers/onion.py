"""ONION-like: after Qi, Chen, Li, Yao, Liu, Sun, 2021, "ONION: A Simple and Effective Defense Against Textual Backdoor Attacks".

A word whose removal makes the text much more fluent is suspicious. The paper asks GPT-2 for the perplexity; here a bigram model of the
corpus itself does (absolute discounting), since no large model is at hand: that is why it is called ONION-like. A row's score is its
most suspicious word's gain; rows above what 1 % of clean rows reach are removed (told clean rows for the threshold).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.bench.case import Case
from assay.bench.defence import Flags
from assay.dataset.data import Dataset
from assay.learn.corpus import Corpus, distinct, read_corpus
from assay.trial.text_columns import text_columns

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

DISCOUNT = 0.75
REJECTED = 0.01


def told_clean_rows(case: Case) -> Flags:
    """Rows with a word that fits less than any word in 99 % of clean rows."""
    both = _corpus(case.data, case.test)
    gain = _gains(both)
    ours, clean = gain[: len(case.data)], gain[len(case.data) :]
    return Flags(ours > np.quantile(clean, 1 - REJECTED), ours)


def _corpus(data: Dataset, test: Dataset) -> Corpus:
    """One vocabulary for the rows and the clean rows."""
    columns = [data.table.column(c).to_pylist() + test.table.column(c).to_pylist() for c in text_columns(data)]
    return read_corpus(columns)


def _gains(corpus: Corpus) -> Floats:
    """(documents,) the most that leaving out one word adds to the mean log probability a word."""
    word = corpus.word.astype(np.int64) + 1  # the break is 0
    size = len(corpus.vocabulary) + 1
    before, after = np.r_[0, word[:-1]], np.r_[word[1:], 0]
    single = np.bincount(word, minlength=size).astype(float)
    pairs = np.sort(before * size + word)
    keys = distinct(pairs)
    count = np.diff(np.r_[np.searchsorted(pairs, keys), len(pairs)]).astype(float)
    followers = np.bincount(keys // size, minlength=size)

    def log_p(left: Int, right: Int) -> Floats:
        at = np.minimum(np.searchsorted(keys, left * size + right), len(keys) - 1)
        seen = np.where(keys[at] == left * size + right, count[at], 0.0)
        total = np.maximum(single[left], 1)
        back = (single[right] + 0.1) / (single.sum() + 0.1 * size)
        return np.asarray(np.log(np.maximum(seen - DISCOUNT, 0) / total + DISCOUNT * followers[left] / total * back + 1e-12))

    change = log_p(before, after) - log_p(before, word) - log_p(word, after)
    real = corpus.word >= 0
    gain = np.full(corpus.documents, -np.inf)
    np.maximum.at(gain, corpus.document[real], change[real])
    return np.where(np.isfinite(gain), gain, 0.0)
