"""The chance that each label is wrong, and the share of wrong labels, from out-of-fold probabilities.

Labels are taken to be right, or with probability e drawn evenly from all k classes. The label seen then follows

    (1 - e) q(y | x) + e / k,    q the clean probabilities: the model's own, sharpened or flattened by one temperature

and both numbers are found by maximum likelihood over the labels seen. A label that is there by noise, and of which the content
says another class, is wrong: Bayes' rule gives its chance. The model of noise is that of symmetric flips (Angluin and Laird 1988,
Machine Learning 2); the temperature is Guo et al.'s (2017, ICML).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

Float = NDArray[np.float64]
Int = NDArray[np.int64]

# Rows the two numbers are fitted on: their errors are then far below those of the model of noise.
MOST_ROWS, MOST_CELLS = 20_000, 2_000_000  # rows, and rows times classes: as many rows for a hundred classes
SMALLEST = 1e-9  # probabilities below this are taken for it: no model is that sure
# Starting points and bounds: noise from one in 100,000 to one in two, temperature from a twentieth to twenty.
START = ((-3.0, 0.0), (-6.0, 0.5), (-1.5, -0.7))
BOUNDS = ((-11.5, 0.0), (-3.0, 3.0))


@dataclass(frozen=True)
class Chance:
    """`wrong` (n,) chance that the label is wrong; `share` of wrong labels over all rows; the `temperature` of the probabilities."""

    wrong: Float
    share: float
    temperature: float


def error_chance(probabilities: Float, y: Int) -> Chance:
    """How likely each of the labels y (n,) is to be wrong, by out-of-fold `probabilities` (n, k).

    Calibrated where errors fall evenly on rows and classes and the model's order of classes is right on the whole. Errors that follow
    the content (a class taken for its neighbour, a backdoor) look like content, and are counted too low.

    >>> x = np.linspace(-9, 9, 1000); up = 1 / (1 + np.exp(-x)); y = (x > 0).astype(int); y[::20] = 1 - y[::20]
    >>> found = error_chance(np.column_stack([1 - up, up]), y)
    >>> round(found.share, 2), bool(found.wrong[0] > 0.9), bool(found.wrong[1] < 0.01)
    (0.05, True, True)
    """
    n, k = probabilities.shape
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), SMALLEST))  # single precision has no gradient to follow
    step = max(1, n // MOST_ROWS, n * k // MOST_CELLS)
    some, told = logs[::step], y[::step]

    def loss(theta: NDArray[np.float64]) -> float:
        noise, temperature = float(expit(theta[0])), float(np.exp(theta[1]))
        q = np.exp(log_softmax(some / temperature, axis=1)[np.arange(len(told)), told])
        return float(-np.log((1 - noise) * q + noise / k).mean())

    best = min((minimize(loss, start, bounds=BOUNDS, method="L-BFGS-B") for start in START), key=lambda found: float(found.fun))
    noise, temperature = float(expit(best.x[0])), float(np.exp(best.x[1]))
    q = np.exp(log_softmax(logs / temperature, axis=1)[np.arange(n), y])
    wrong = (noise / k) * (1 - q) / ((1 - noise) * q + noise / k)
    return Chance(np.asarray(wrong, np.float64), float(wrong.mean()), temperature)
