"""Without any data: does one class stand apart from the others of the same model?

Four figures a class or channel, none of which needs a picture. The maximum margin: how far the logit of a class can be driven above all
others by choosing the input; a backdoor's class has learnt a short way there (Wang, Xiang, Miller & Kesidis, MM-BD, 2024). The last layer:
how far a class's row of weights lies from the mean row; the pull: how much of that speaks for the class. The channel Lipschitz constants of
each convolution with its normalisation (Zheng, Tang, Li & Liu, 2022), which name channels and no class.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from assay.model.networks import EPSILON, Network, forward
from assay.model.weights import Array

Floats = NDArray[np.float64]

STARTS = 4  # random pictures a class: the margins they reach differ by a few percent
STEPS = 40  # of Adam: the margin grows by a few percent afterwards on nets of this size, alike for all classes
RATE = 0.05  # of the range of a pixel
LEAST_CLASSES = 5  # below, a class has too few others to stand apart from
OUTLYING = 3.0  # deviations above the layer's mean, as the method's authors prune


def maximum_margins(network: Network, rng: np.random.Generator) -> Floats:
    """(classes,) the largest margin of each class over inputs in 0 .. 1, from random starts. Deterministic given `rng`."""
    import torch

    shape = (network.classes * STARTS, network.channels, network.size, network.size)
    x = torch.from_numpy(rng.random(shape, np.float32)).requires_grad_()
    own = torch.nn.functional.one_hot(torch.arange(network.classes).repeat_interleave(STARTS), network.classes).bool()
    optimizer = torch.optim.Adam([x], RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (-_margins(forward(network, x), own).sum()).backward()
        optimizer.step()
        with torch.no_grad():
            x.clamp_(0, 1)
    with torch.inference_mode():
        reached = _margins(network.module(x), own).reshape(network.classes, STARTS).amax(1)
    return np.asarray(reached.double().numpy())


def joined(p: Floats) -> Floats:
    """(classes,) one p-value a class from those of several checks (checks, classes), by the Cauchy combination.

    **Whatever the dependence of the checks, its error at small levels is nearly the level** (Liu & Xie, 2020): the mean of tangents of
    standard Cauchy form keeps a Cauchy tail. Where checks agree it is smaller than any Bonferroni bound on the least of them.

    >>> joined(np.array([[0.001], [0.001], [0.5]])).round(4).tolist()
    [0.0015]
    """
    bounded = np.clip(p, 1e-15, 1 - 1e-3)  # a p-value of 1 would bury all others
    mean: Floats = np.tan((0.5 - bounded) * np.pi).mean(0)
    return np.asarray(0.5 - np.arctan(mean) / np.pi)


def summed(values: list[Floats]) -> Floats:
    """(classes,) several figures of each class added up, each less its median and over its median deviation among the classes.

    A figure that most classes share has no scale, and adds nothing. Where the checks agree on one class, its sum stands further apart than
    any of them; how much they depend on one another need not be known, since sums are compared with sums.
    """
    total = np.zeros(len(values[0]))
    for value in values:
        middle = np.median(value)
        spread = np.median(np.abs(value - middle))
        if np.isfinite(value).all() and spread > 0:
            total = total + (value - middle) / spread
    return total


def _margins(logits: Any, own: Any) -> Any:
    """(n,) each row's own logit above the best other; `own` (n, classes) says which it is."""
    return logits[own] - logits.masked_fill(own, float("-inf")).amax(1)


def last_layer(weights: Mapping[str, Array], classes: int) -> Floats:
    """(classes,) distance of each class's row in the last matrix of `classes` rows from the mean row; empty where there is none."""
    return np.asarray(np.linalg.norm(_apart(weights, classes), axis=1))


def pull(weights: Mapping[str, Array], classes: int) -> Floats:
    """(classes,) how far each class's row lies above the mean row, summed over what it reads: behind a rectifier only that speaks for it.

    A trigger's features must speak for its class against all others; what speaks for it by nature also speaks against some.
    """
    return np.asarray(np.maximum(_apart(weights, classes), 0).sum(1))


def _apart(weights: Mapping[str, Array], classes: int) -> Floats:
    """(classes, inputs) rows of the last matrix of `classes` rows, less their mean; no row where there is none."""
    rows = [array for array in weights.values() if array.ndim == 2 and array.shape[0] == classes]
    if not rows:
        return np.zeros((0, 0))
    last = rows[-1].astype(np.float64)
    return np.asarray(last - last.mean(0))


def channel_outliers(weights: Mapping[str, Array]) -> dict[str, list[int]]:
    """Channels whose Lipschitz constant lies more than 3 deviations above the mean of their convolution, by its name.

    Each constant is the largest singular value of the channel's kernel as a matrix, times the scale of the normalisation that follows it
    in the file; convolutions that none follows are passed over.
    """
    found = {}
    names = [name for name, array in weights.items() if name.endswith(".weight") and array.ndim in (1, 4)]
    for name, following in pairwise(names):
        kernel, norm = weights[name], following.removesuffix(".weight")
        variance = weights.get(f"{norm}.running_var")
        if kernel.ndim != 4 or variance is None or len(variance) != len(kernel):
            continue
        scale = np.abs(weights[following]) / np.sqrt(variance + EPSILON)
        constants = scale * np.linalg.norm(kernel.reshape(*kernel.shape[:2], -1), 2, axis=(1, 2))
        high = np.flatnonzero(constants > constants.mean() + OUTLYING * constants.std())
        if len(high):
            found[name] = [int(c) for c in high]
    return found


def standing_apart(values: Floats) -> Floats:
    """(classes,) p-values that a class lies above what the others foretell, each alone.

    **If the values are drawn from one normal law, whatever its mean and deviation, each p-value is exact**: the value against the
    others' mean, over their deviation times sqrt(1 + 1/others), follows Student's law with others - 1 degrees of freedom. So the
    smallest times the number of classes (Bonferroni) errs at most at its level: Grubbs' test, 1950. Other laws are not covered. Values
    below 5 classes, or that are all the same: 1.

    >>> standing_apart(np.array([1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 3.0])).round(6).tolist()[-1] < 1e-4
    True
    """
    n = len(values)
    p = np.ones(n)
    if n < LEAST_CLASSES or not np.isfinite(values).all():
        return p
    for i in range(n):
        others = np.delete(values, i)
        spread = others.std(ddof=1)
        if spread > 0:
            p[i] = student.sf((values[i] - others.mean()) / (spread * np.sqrt(1 + 1 / (n - 1))), n - 2)
    return p
