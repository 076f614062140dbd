"""The plain models that attacks are measured on and that peers look into: what many people would train, without tricks.

Text: TF-IDF of words and pairs, logistic regression. Tables: histogram gradient boosting. Pictures: a small convolutional net with torch
(`assay.bench.net`), without augmentation, so that small triggers implant; a perceptron on pixels where torch is not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from assay.dataset.data import Dataset
from assay.dataset.rows import Rows
from assay.learn.columns import code_columns

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
Answer = Callable[[Rows], Floats]

DIMENSIONS = 64  # of a text victim's features: the document in the space that its commonest words span


@dataclass(frozen=True)
class Trained:
    """A fitted victim. `probabilities(rows)` (n, k); `features(rows)` (n, d), what its last layer sees."""

    probabilities: Answer
    features: Answer

    def predict(self, rows: Rows) -> Int:
        return np.asarray(self.probabilities(rows).argmax(1), np.int64)


def fit(data: Dataset, rng: np.random.Generator) -> Trained:
    """Train the victim that goes with the modality on the labelled rows."""
    known = data.subset(np.flatnonzero(data.y >= 0))
    if data.modality == "image":
        return _pictures(known, rng)
    return _texts(known, rng) if data.modality == "text" else _table(known, rng)


def _pictures(data: Dataset, rng: np.random.Generator) -> Trained:
    assert data.images is not None
    if find_spec("torch") is not None:
        from assay.bench.net import fit_net

        return fit_net(data.images, data.y, len(data.classes), rng)

    def pixels(rows: Rows) -> Floats:
        assert rows.images is not None
        return rows.images.reshape(len(rows), -1) / 255.0

    model = MLPClassifier((128, 64), max_iter=40, early_stopping=False, random_state=int(rng.integers(2**31)))
    model.fit(pixels(data.rows), data.y)

    def features(rows: Rows) -> Floats:
        hidden = pixels(rows)
        for weight, bias in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
            hidden = np.maximum(hidden @ weight + bias, 0)
        return hidden

    return Trained(lambda rows: _spread(model.predict_proba(pixels(rows)), model.classes_, len(data.classes)), features)


def _texts(data: Dataset, rng: np.random.Generator) -> Trained:
    def joined(rows: Rows) -> list[str]:
        columns = [rows.table.column(c).to_pylist() for c in rows.table.column_names]
        return [" \n ".join(str(v or "") for v in parts) for parts in zip(*columns, strict=True)]

    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", min_df=2)
    x = words.fit_transform(joined(data.rows))
    model = LogisticRegression(C=10, max_iter=200).fit(x, data.y)
    weight = np.abs(model.coef_).max(0)
    telling = np.argsort(-weight * np.asarray(x.mean(0)).ravel(), kind="stable")[:DIMENSIONS]

    def features(rows: Rows) -> Floats:
        return np.asarray(words.transform(joined(rows))[:, telling].multiply(weight[telling]).todense())

    return Trained(lambda rows: _spread(model.predict_proba(words.transform(joined(rows))), model.classes_, len(data.classes)), features)


def _table(data: Dataset, rng: np.random.Generator) -> Trained:
    coded = code_columns(data.table, list(data.columns.content))
    names = coded.names
    levels = [None if number else _levels(data.rows, name) for name, number in zip(names, coded.numeric, strict=True)]

    def cells(rows: Rows) -> Floats:
        return np.stack([_coded(rows, name, level) for name, level in zip(names, levels, strict=True)], 1)

    model = HistGradientBoostingClassifier(max_iter=100, random_state=int(rng.integers(2**31))).fit(cells(data.rows), data.y)
    center, spread = np.nanmean(cells(data.rows), 0), np.nanstd(cells(data.rows), 0) + 1e-9
    return Trained(
        lambda rows: _spread(model.predict_proba(cells(rows)), model.classes_, len(data.classes)),
        lambda rows: np.nan_to_num((cells(rows) - center) / spread),
    )


def _levels(rows: Rows, name: str) -> dict[str, int]:
    return {v: i for i, v in enumerate(sorted({str(v) for v in rows.table.column(name).to_pylist()}))}


def _coded(rows: Rows, name: str, levels: dict[str, int] | None) -> Floats:
    if levels is None:
        return code_columns(rows.table, [name]).cells[:, 0]
    return np.array([levels.get(str(v), -1) for v in rows.table.column(name).to_pylist()], float)


def _spread(probabilities: Floats, present: Int, k: int) -> Floats:
    """(n, k): classes that the model never saw have probability 0."""
    full = np.zeros((len(probabilities), k))
    full[:, present] = probabilities
    return full
