"""Is a class of this model unlike the same class of clean twins: models of the same kind whose training rows somebody vouches for?

Within one model the classes differ by nature: a sign that three pixels make is always nearer than one that needs thirty. Twins know how
far each class lies by nature, and what is left is noise of training, which is much smaller. The layout is that of two-way analysis of
variance, classes by models; the deviation of each class is drawn towards that of all classes by as much as the classes' own deviations
are alike (Smyth, Linear models and empirical Bayes methods, 2004).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, fdtrc, polygamma, stdtr

Floats = NDArray[np.float64]

LEAST_TWINS = 2  # fewer say nothing about how far a class strays from one training to the next
LEAST_CLASSES = 5  # fewer say nothing about how far one model lies from another as a whole
ANOTHER_RECIPE = 0.05  # chance that the model's other classes stray so far by the twins' law, below which their own law is taken
NEWTON = 20  # steps at most: they double the digits


def against_twins(values: Floats, twins: Floats) -> Floats:
    """(classes,) p-values that a class lies above what its twins and the model's other classes foretell, each alone.

    `values` (classes,) of the model, `twins` (models, classes). **If a figure is a sum of its class, its model and normal noise, in this
    model as in its twins, each p-value errs at most at its level**, but for the estimate of how much the classes' deviations differ,
    which counts as known. A model trained in another way than its twins strays from them in all classes; the spread of its own other
    classes then takes the place of the twins'. Too few twins or classes, or figures that are not finite: 1.

    >>> rng = np.random.default_rng(0)
    >>> nature = np.linspace(0, 9, 10)
    >>> others = nature + rng.normal(0, 0.1, (5, 10))
    >>> odd = nature + np.where(np.arange(10) == 2, 1.5, 0) + rng.normal(0, 0.1, 10)
    >>> p = against_twins(odd, others)
    >>> int(p.argmin()), bool(p.min() < 1e-4), bool(np.sort(p)[1] > 0.01)
    (2, True, True)
    """
    models, classes = twins.shape
    if models < LEAST_TWINS or classes < LEAST_CLASSES or not (np.isfinite(values).all() and np.isfinite(twins).all()):
        return np.ones(classes)
    left = twins - twins.mean(0) - twins.mean(1, keepdims=True) + twins.mean()
    own = (left**2).sum(0) / ((models - 1) * (1 - 1 / classes))
    variance, freedom = moderated(own, models - 1)
    apart = values - twins.mean(0)
    others = (apart.sum() - apart) / (classes - 1)
    squares = (apart**2).sum() - apart**2 - (classes - 1) * others**2
    here, beside = np.maximum(squares, 0) / (classes - 2), variance * (1 + 1 / models)
    spread = np.maximum(here, beside)  # the larger of two estimates: on clean models that errs on the safe side
    if not (spread > 0).all():
        return np.ones(classes)
    strays = fdtrc(classes - 2, freedom, here / np.maximum(beside, 1e-300)) < ANOTHER_RECIPE
    t = (apart - others) / np.sqrt(spread * classes / (classes - 1))
    return np.asarray(stdtr(np.where(strays, classes - 2, freedom), -t))


def moderated(variances: Floats, freedom: int) -> tuple[Floats, float]:
    """(classes,) variances drawn towards a common one, and their degrees of freedom; each one given has `freedom` of them.

    Where they differ no more than chance would have it, all become their mean, with the freedom of all together.

    >>> moderated(np.full(6, 2.0), 4)
    (array([2., 2., 2., 2., 2., 2.]), 24.0)
    """
    n = len(variances)
    together = float(n * freedom)
    if (variances <= 0).any():
        return np.full(n, variances.mean()), together
    logs = np.log(variances) - digamma(freedom / 2) + np.log(freedom / 2)
    beyond = logs.var(ddof=1) - float(polygamma(1, freedom / 2))
    if beyond <= 0:
        return np.full(n, variances.mean()), together
    prior = 2 * _trigamma_inverse(beyond)
    common = np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2))
    return (prior * common + freedom * variances) / (prior + freedom), min(prior + freedom, together)


def _trigamma_inverse(value: float) -> float:
    """The x above zero whose trigamma is `value`: Newton's steps on its reciprocal, which is nearly straight (Smyth, appendix).

    >>> round(float(polygamma(1, _trigamma_inverse(0.3))), 12)
    0.3
    """
    x = 0.5 + 1 / value
    for _ in range(NEWTON):
        slope = float(polygamma(1, x))
        step = slope * (1 - slope / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-12 * x:
            break
    return float(x)
