"""Small victims and samples on which the attacks are tried: seconds, not hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_union

from assay.attack.measure import Fit, Predict
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows
from assay.learn.images_linear import LinearLearner

Make = Callable[..., Dataset]


def pixels(rows: Rows) -> np.ndarray[Any, Any]:
    assert rows.images is not None
    return rows.images.reshape(len(rows), -1) / 255 - 0.5


def ridge(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
    """Linear in the pixels."""
    model = RidgeClassifier(1.0).fit(pixels(rows), y)
    return lambda other: model.predict(pixels(other))


def network(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
    """One hidden layer, 25 passes."""
    model = MLPClassifier((64,), random_state=0, learning_rate_init=2e-3)
    for _ in range(25):
        model.partial_fit(pixels(rows), y, classes=np.unique(y))
    return lambda other: model.predict(pixels(other))


def convolutional(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
    """A layer of filters learnt from the pictures, and a linear one on top."""
    assert rows.images is not None
    learner = LinearLearner.of(rows.images, np.random.default_rng(0))
    model = learner.fit(learner.prepare(rows.images), y, int(y.max()) + 1)
    return lambda other: model.scores(learner.prepare(other.images)).argmax(1)  # type: ignore[arg-type]


def reader(column: str = "text") -> Fit:
    """Linear in words, pairs of words and pairs of letters."""

    def fit(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
        words = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+", lowercase=False),
            TfidfVectorizer(analyzer="char", ngram_range=(1, 2), min_df=2, sublinear_tf=True, lowercase=False),
        )
        model = RidgeClassifier(0.3).fit(words.fit_transform(rows.table.column(column).to_pylist()), y)
        return lambda other: model.predict(words.transform(other.table.column(column).to_pylist()))

    return fit


def reviews(real_data: Callable[[str], Path], make: Make, train: int = 2000, test: int = 400) -> tuple[Dataset, Dataset]:
    """Sentences of film reviews, SST-2; neg and pos."""
    stored = pq.read_table(real_data("sst2/sst2.parquet"))
    drawn = np.random.default_rng(0).permutation(len(stored))[: train + test]
    stored = stored.take(drawn)
    data = make(np.array(stored["label"]), table={"text": stored["text"].cast(pa.string())}, content=["text"], classes=["neg", "pos"])
    data = replace(data, modality="text")
    return data.subset(np.arange(train)), data.subset(np.arange(train, train + test))


def digits(make: Make) -> tuple[Dataset, Dataset]:
    """1,200 and 597 handwritten digits, 8x8 grey."""
    bunch = load_digits()
    images = (bunch.images * 15).astype(np.uint8)[..., None]
    data = make(bunch.target, images=images, classes=[str(c) for c in range(10)])
    order = np.random.default_rng(0).permutation(len(data))
    return data.subset(order[:1200]), data.subset(order[1200:])


def signs(real_data: Callable[[str], Path], make: Make, train: int = 1500, test: int = 400) -> tuple[Dataset, Dataset]:
    """Traffic signs of the ten commonest classes, 32x32 colour."""
    stored = np.load(real_data("gtsrb32/gtsrb32_every3.npz"), allow_pickle=False)
    common = np.sort(np.argsort(-np.bincount(stored["y"]), kind="stable")[:10])
    there = np.flatnonzero(np.isin(stored["y"], common))
    drawn = np.random.default_rng(0).permutation(there)[: train + test]
    data = make(np.searchsorted(common, stored["y"][drawn]), images=stored["x"][drawn], classes=[f"sign{c}" for c in range(10)])
    return data.subset(np.arange(train)), data.subset(np.arange(train, train + test))
