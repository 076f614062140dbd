"""What a model says of one row once it is trained again without others: a second opinion beside the head's arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from assay.dataset.data import MISSING, Dataset
from assay.learn import images_net
from assay.learn.columns import code_columns, never_empty
from assay.learn.head_features import joined
from assay.learn.images import Learner
from assay.learn.images_features import shrink
from assay.learn.images_linear import LinearLearner
from assay.learn.tables import RATE, TREES, bucketed
from assay.learn.text import softmax
from assay.trial.family import Depth
from assay.trial.opinion import value_columns
from assay.trial.text_columns import text_columns

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

MOST_TERMS = 50_000  # the commonest words and word pairs
WORDS_C = 10.0  # inverse penalty: the benchmarks' plain probe has the same (`benchmarks/screens.py`)
LAST_LAYER_C = 1.0  # the library's default, as one who retrains a last layer would take it; features have a spread of 1
ROUNDS = 200

Retrain = Callable[[Int], Floats]  # (k,) probabilities of the asked row, by a model trained without these rows


def retrainer(data: Dataset, asked: int, depth: Depth, seed: int) -> Retrain:
    """Trains on every labelled row but the asked one and those named; the same seed each time.

    Pictures: the scan's linear probe, or at full depth its network; else logistic regression on words and word pairs; else boosted trees on
    cells. Near-duplicates of the asked row do vote here, unlike in a scan: they are what is asked about.
    """
    k = len(data.classes)

    def kept(gone: Int) -> Int:
        y = data.y.copy()
        y[gone] = MISSING
        y[asked] = MISSING
        return y

    if data.images is not None:
        return _of_pictures(data, asked, depth, seed, kept)
    if texts := text_columns(data):
        return _of_texts(["\n".join(parts) for parts in zip(*joined([data.table.column(c) for c in texts]), strict=True)], asked, k, kept)
    coded = code_columns(data.table, value_columns(data))
    cells = bucketed(coded.numeric, coded.cells)

    def by_trees(gone: Int) -> Floats:
        y = kept(gone)
        rows = np.flatnonzero(y != MISSING)
        model = HistGradientBoostingClassifier(
            max_iter=TREES, learning_rate=RATE, early_stopping=False, categorical_features=~coded.numeric, random_state=seed
        ).fit(never_empty(cells[rows]), y[rows])
        said = np.zeros(k)
        said[model.classes_] = model.predict_proba(cells[asked : asked + 1])[0]
        return said

    return by_trees


def by_features(features: Floats, y: Int, asked: int, k: int) -> Retrain:
    """Logistic regression on features (n, d) that are given: the last layer of a network whose other layers stay as they are.

    Rows with a label `y` below 0 are not learnt from, nor is the one asked about.
    """
    scaled = features / max(float(features.std()), 1e-9)

    def by_last_layer(gone: Int) -> Floats:
        known = y >= 0
        known[gone], known[asked] = False, False
        model = LogisticRegression(C=LAST_LAYER_C, max_iter=ROUNDS).fit(scaled[known], y[known])
        said = np.zeros(k)
        said[model.classes_] = model.predict_proba(scaled[asked : asked + 1])[0]
        return said

    return by_last_layer


def _of_texts(texts: list[str], asked: int, k: int, kept: Callable[[Int], Int]) -> Retrain:
    inputs = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=MOST_TERMS).fit_transform(texts)

    def by_words(gone: Int) -> Floats:
        y = kept(gone)
        rows = np.flatnonzero(y != MISSING)
        model = LogisticRegression(C=WORDS_C, max_iter=ROUNDS).fit(inputs[rows], y[rows])
        said = np.zeros(k)
        said[model.classes_] = model.predict_proba(inputs[asked])[0]
        return said

    return by_words


def _of_pictures(data: Dataset, asked: int, depth: Depth, seed: int, kept: Callable[[Int], Int]) -> Retrain:
    assert data.images is not None
    small = shrink(data.images)
    rng = np.random.default_rng(seed)
    learner: Learner = images_net.NetLearner.of(rng) if depth == "full" and images_net.installed() else LinearLearner.of(data.images, rng)
    inputs = learner.prepare(small)

    def by_learner(gone: Int) -> Floats:
        y = kept(gone)
        rows = np.flatnonzero(y != MISSING)
        return softmax(learner.fit(inputs[rows], y[rows], len(data.classes)).scores(inputs[asked : asked + 1]).astype(np.float64))[0]

    return by_learner
