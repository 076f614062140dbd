"""Models of texts for trials that leave rows out: sparse words, or numbers that stand for a whole text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.learn.images_linear import Linear, softmax_regression
from assay.learn.text import fit_words

Int = NDArray[np.int64]
Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class WordModel:
    """Scores of sparse rows (m, d): `weights` (d, k), `bias` (k,)."""

    weights: Floats
    bias: Floats

    def scores(self, inputs: Any) -> Float32:
        return np.asarray(inputs @ self.weights + self.bias, np.float32)


@dataclass(frozen=True)
class WordFitter:
    """The averaged logistic regression of the text probe, on rows of a sparse matrix."""

    seed: int

    def fit(self, inputs: Any, y: Int, classes: int) -> WordModel:
        return WordModel(*fit_words(inputs, y, classes, self.seed))


@dataclass(frozen=True)
class MeaningFitter:
    """A softmax regression on vectors of unit length; the ridge expects numbers of about unit size."""

    def fit(self, inputs: Float32, y: Int, classes: int) -> Linear:
        size = np.float32(np.sqrt(inputs.shape[1]))
        weights, bias = softmax_regression(inputs * size, y, classes)
        return Linear(weights * size, bias)
