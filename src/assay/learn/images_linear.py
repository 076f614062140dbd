"""The probe of a machine without torch: softmax regression on random convolution patches, with a ridge.

59 % of CIFAR-10 and 75 % of GTSRB (by track) from 5,000 and 4,400 rows; 6 s for 10,000 rows of 32x32 on one core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from assay.dataset.rows import UInt8
from assay.learn.images_features import PatchFeatures, shrink
from assay.learn.images_memory import FeatureMemory
from assay.learn.threads import in_parallel

Int = NDArray[np.int64]
Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]

RIDGE = 0.05  # half of it times the squared weights is added to the mean loss: the best of .03, .1 and .3 on both sets
ITERATIONS = 30  # 60 gain .3 points at most
BLOCK = 128  # rows whose inputs stay in the processor's memory between the scores and the slope: a quarter less time
CHUNK = 2000  # rows whose scores one thread computes at a time
DRAWN_FROM = 2000  # pictures that filters are drawn from


@dataclass(frozen=True)
class Linear:
    """Scores of features (m, d): `weights` (d, k), `bias` (k,)."""

    weights: Float32
    bias: Float32

    def scores(self, inputs: NDArray[Any]) -> Float32:
        parts = [inputs[i : i + CHUNK] for i in range(0, len(inputs), CHUNK)]
        return np.concatenate(in_parallel(lambda part: part @ self.weights + self.bias, parts))


@dataclass(frozen=True)
class LinearLearner:
    """Filters are drawn without labels and serve both folds; weights are fitted on one. `memory`: pictures met before."""

    features: PatchFeatures
    memory: FeatureMemory | None = None
    side_by_side: ClassVar[bool] = True

    @classmethod
    def of(cls, images: UInt8, rng: np.random.Generator, remember: bool = False) -> LinearLearner:
        """Filters from some of these pictures (n, h, w, c); with `remember`, what they say of each is computed once."""
        drawn = np.sort(rng.permutation(len(images))[:DRAWN_FROM])
        features = PatchFeatures.learn(shrink(images[drawn]), rng)
        return cls(features, FeatureMemory(shrink(images), features) if remember else None)

    def prepare(self, images: UInt8) -> Float32:
        return self.features.transform(images) if self.memory is None else self.memory.transform(images)

    def prepare_altered(self, images: UInt8, originals: UInt8, inputs: NDArray[Any]) -> Float32:
        return self.features.altered(images, originals, inputs)

    def fit(self, inputs: NDArray[Any], y: Int, classes: int) -> Linear:
        return fit_linear(inputs, y, classes)


@dataclass(frozen=True)
class GivenLearner:
    """A linear model of inputs that somebody else made of the rows, and that pictures cannot be turned into here."""

    side_by_side: ClassVar[bool] = True

    def prepare(self, images: UInt8) -> Float32:
        raise TypeError("these inputs were given, and cannot be made of other pictures")

    def prepare_altered(self, images: UInt8, originals: UInt8, inputs: NDArray[Any]) -> Float32:
        return self.prepare(images)

    def fit(self, inputs: NDArray[Any], y: Int, classes: int) -> Linear:
        return fit_linear(inputs, y, classes)


def fit_linear(inputs: NDArray[Any], y: Int, classes: int) -> Linear:
    """Softmax regression on inputs (n, d), each number in units of its spread."""
    centre, spread = inputs.mean(0), inputs.std(0) + 1e-6
    weights, bias = softmax_regression((inputs - centre) / spread, y, classes)
    weights = weights / spread[:, None]
    return Linear(weights, bias - centre @ weights)


def softmax_regression(x: Float32, y: Int, classes: int) -> tuple[Float32, Float32]:
    """Weights (d, k) and bias (k,) that minimise mean log loss plus the ridge; classes may be absent from `y` (n,).

    >>> x = np.array([[-1.0], [1.0]], np.float32)
    >>> weights, bias = softmax_regression(x, np.array([0, 1]), 2)
    >>> (x @ weights + bias).argmax(1).tolist()
    [0, 1]
    """
    n, d = x.shape

    def objective(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(d + 1, classes).astype(np.float32)
        loss, slope = 0.0, np.zeros((classes, d + 1))
        for start in range(0, n, BLOCK):
            some, told = x[start : start + BLOCK], y[start : start + BLOCK]
            each = np.arange(len(told))
            p = some @ w[:-1] + w[-1]
            p -= p.max(1, keepdims=True)
            says = p[each, told]
            np.exp(p, out=p)
            total = p.sum(1, keepdims=True)
            loss += float(np.log(total).sum(dtype=np.float64) - says.sum(dtype=np.float64))
            p /= total
            p[each, told] -= 1
            slope[:, :d] += p.T @ some
            slope[:, d] += p.sum(0)
        slope = slope.T / n
        slope[:-1] += RIDGE * w[:-1]
        return loss / n + RIDGE / 2 * float((w[:-1] ** 2).sum()), slope.ravel()

    start = np.zeros((d + 1) * classes)
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    w = found.x.reshape(d + 1, classes).astype(np.float32)
    return w[:-1], w[-1]
