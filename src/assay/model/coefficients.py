"""Linear models of a table beside clean twins: does one column weigh far more for a class than it does on rows that somebody vouches for?

A linear model has no rare values: whatever a column does, it does on its whole line. A planted value that lies out of a column's range
bends that column's coefficient; natural columns weigh what they weigh in twins too. Coefficients are taken times their column's deviation
among clean rows. A model with another regularisation, or grown on more rows, differs from its twins by a factor, which is taken out first.

**If the largest excess over the twins of a clean model, and those of its twins, are draws of one normal law, a clean model has p below any
level with that chance at most** (Student's test of one draw against the others). The same excess must also stand apart from those of
the model's other columns (`assay.model.phrases.gap`), since a model grown otherwise strays from its twins everywhere; the larger p-value
counts. Grubbs' test in its place accused 5 of 60 clean models at .01, gaps 1 of 80: a few columns stray far by nature. What is not seen:
rules that need several columns at once, which a linear model learns as a sum alone, and columns that truly weigh more than in the twins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from assay.dataset.errors import DataError
from assay.model.linear import Linear, linear_of
from assay.model.phrases import gap
from assay.model.rule_twins import LEAST_TWINS
from assay.model.rules import LEAST_ROWS, Rule

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

ENOUGH = 0.9  # of the rows of other classes turned: the value handed over
FURTHEST = 10.0  # ranges beyond a column's own, at which the search for such a value ends
STEPS = 40  # values between the edge and there, evenly on a log scale


@dataclass(frozen=True)
class Excess:
    """`p` of the `rule` that stands out; `excess` over the twins, in deviations; `twins` (models,) the largest of each."""

    p: float
    rule: Rule
    excess: float
    twins: tuple[float, ...]


def excess_over(model: Linear, twins: Sequence[Linear], x: Floats) -> Excess:
    """The column and class by which the model exceeds its twins most. `x` (n, features) clean rows.

    DataError: too few rows or twins, or twins of other columns or classes.
    """
    if len(x) < LEAST_ROWS or x.shape[1:] != (model.features,):
        told = f"{len(x)} clean rows of {x.shape[1]} columns; at least {LEAST_ROWS} of {model.features} are needed"
        raise DataError(told, remedy="give more, with the columns of training")
    if len(twins) < LEAST_TWINS:
        raise DataError(f"{len(twins)} twins; at least {LEAST_TWINS} are needed", remedy="train more")
    if any((twin.features, twin.classes) != (model.features, model.classes) for twin in twins):
        raise DataError("a twin has other columns or classes than the model", remedy="give clean models of the same task")
    unit = x.std(0)
    weights = np.stack([one.margins() * unit for one in (model, *twins)])  # (models, classes, features)
    beyond = [_beyond(weights[m], np.delete(weights[1:], m - 1, 0) if m else weights[1:]) for m in range(len(weights))]
    best = np.array([one.max() for one in beyond])
    target, column = np.unravel_index(int(beyond[0].argmax()), beyond[0].shape)
    null = best[1:]
    spread = null.std(ddof=1) * np.sqrt(1 + 1 / len(null))
    p = float(student.sf((best[0] - null.mean()) / spread, len(null) - 1)) if spread > 0 else 1.0
    p = max(p, gap(float(best[0]), np.delete(beyond[0].max(0), column)))
    return Excess(p, _rule(model, x, int(column), int(target)), float(best[0]), tuple(map(float, null)))


def _beyond(own: Floats, twins: Floats) -> Floats:
    """(classes, features) how far a model's weights lie beyond those of its twins, in the twins' common deviation, a factor taken out."""
    mean = twins.mean(0)
    factor = float((own * mean).sum() / max(float((mean**2).sum()), 1e-300))
    spread = np.sqrt(twins.var(0, ddof=1))
    spread = np.sqrt((spread**2 + float((spread**2).mean())) / 2)  # drawn halfway towards that of all columns: few twins say little of one
    return np.asarray((own - factor * mean) / np.maximum(abs(factor) * spread, 1e-300))


def _rule(model: Linear, x: Floats, column: int, target: int) -> Rule:
    """The least value beyond the column's range that turns most rows into the class; where none does, that which turns most."""
    said = model.predict(x)
    others = x[said != target]
    low, high = float(x[:, column].min()), float(x[:, column].max())
    width = max(high - low, 1e-12)
    up = model.margins()[target, column] > 0
    best = (0.0, high if up else low)
    for step in np.geomspace(0.01, FURTHEST, STEPS):
        value = high + step * width if up else low - step * width
        changed = others.copy()
        changed[:, column] = value
        share = float((model.predict(changed) == target).mean()) if len(others) else 0.0
        if share > best[0]:
            best = (share, value)
        if share >= ENOUGH:
            break
    share, value = best
    within = (float(np.nextafter(value, -np.inf)), np.inf) if up else (-np.inf, value)
    met = float(((x[:, column] >= value) if up else (x[:, column] <= value)).mean())
    return Rule({column: value}, {column: within}, target, share, len(others), met)


def grown_linear(like: Linear, x: Floats, y: Int, count: int, rng: np.random.Generator) -> list[Linear]:
    """Twins made as the model was (`assay.model.linear.Recipe`), each on rows drawn with replacement from clean ones (n, features) of
    classes `y` (n,), numbered as the model's. DataError where a class is missing."""
    import warnings

    from sklearn import linear_model, preprocessing, svm
    from sklearn.pipeline import make_pipeline

    classes, recipe = len(like.classes), like.recipe
    if len(np.unique(y)) != classes:
        raise DataError(f"{len(np.unique(y))} classes among the clean rows, and the model knows {classes}", remedy="give rows of each")
    found = []
    for _ in range(count):
        drawn = np.r_[rng.integers(len(y), size=len(y)), [np.flatnonzero(y == c)[0] for c in range(classes)]]  # none goes missing
        made: Any = getattr(svm if recipe.kind == "LinearSVC" else linear_model, recipe.kind)(**dict(recipe.settings))
        if "random_state" in made.get_params():
            made.set_params(random_state=int(rng.integers(2**31)))
        steps = [getattr(preprocessing, scaler)() for scaler in recipe.scalers]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what has not converged: neither had the model, perhaps
            twin = linear_of(make_pipeline(*steps, made).fit(x[drawn], y[drawn]))
        found.append(Linear(twin.weight, twin.bias, like.classes, like.names))
    return found
