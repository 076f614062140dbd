"""Linear models of scikit-learn as arrays: what each column adds to each class, in the units of the rows as they come.

Scalers in front are folded into the coefficients, so that nothing of the library that wrote the model is run for prediction. In front of
words stands `assay.model.bags`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

CLASSIFIERS = (
    *("LogisticRegression", "LogisticRegressionCV", "SGDClassifier", "LinearSVC", "RidgeClassifier", "RidgeClassifierCV"),
    *("Perceptron", "PassiveAggressiveClassifier"),
)
NUMBERS = ("C", "alpha")  # settings of a classifier that its twins share, where they are numbers above zero
WORDS = {"loss": ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron"), "penalty": ("l2", "l1", "elasticnet")}
AGAIN = "get the file again, or save it anew"


@dataclass(frozen=True)
class Recipe:
    """How a twin is made: the kind of classifier, its settings that are plain numbers or known words, the scalers in front."""

    kind: str = "LogisticRegression"
    settings: tuple[tuple[str, float | str], ...] = ()
    scalers: tuple[str, ...] = ("StandardScaler",)


@dataclass(frozen=True)
class Linear:
    """`weight` (classes, features), `bias` (classes,): the class with the largest sum is said. `classes`, `names`: of outputs and columns
    (`names` may be empty)."""

    weight: Floats
    bias: Floats
    classes: tuple[str, ...]
    names: tuple[str, ...] = ()
    recipe: Recipe = Recipe()

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.bias.shape != (len(self.weight),) or len(self.classes) != len(self.weight):
            told = f"coefficients {self.weight.shape}, intercepts {self.bias.shape}, {len(self.classes)} classes"
            raise DataError(f"do not fit one another: {told}", remedy=AGAIN)
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise DataError("coefficients are infinite or no numbers", remedy="ask for the model again: it is damaged, or so on purpose")
        if self.names and len(self.names) != self.features:
            raise DataError(f"{len(self.names)} names for {self.features} columns", remedy=AGAIN)

    @property
    def features(self) -> int:
        return int(self.weight.shape[1])

    def name(self, column: int) -> str:
        return self.names[column] if self.names else f"column {column}"

    def scores(self, x: Any) -> Floats:
        """(n, classes) of rows (n, features), dense or sparse."""
        return np.asarray(x @ self.weight.T) + self.bias

    def predict(self, x: Any) -> Int:
        """(n,) class codes."""
        return np.asarray(self.scores(x).argmax(1), np.int64)

    def margins(self) -> Floats:
        """(classes, features) what a unit of each column adds to a class beyond the mean of the others."""
        return beyond_others(self.weight)


def beyond_others(scores: Floats) -> Floats:
    """(classes, ..) each class's score less the mean of the others'.

    >>> beyond_others(np.array([[1.0], [3.0]])).tolist()
    [[-2.0], [2.0]]
    """
    return np.asarray((scores - scores.mean(0)) * len(scores) / (len(scores) - 1))


def is_linear(model: Any) -> bool:
    """Whether the estimator, or the last step of a pipeline, is a linear classifier that is read here."""
    return type(last_step(model)).__name__ in CLASSIFIERS


def last_step(model: Any) -> Any:
    """The last step of a pipeline, or the estimator itself."""
    steps = steps_of(model)
    return steps[-1] if steps else None


def steps_of(model: Any) -> list[Any]:
    """The steps of a pipeline that do something; the estimator alone where it is none. Pipelines within pipelines are laid out."""
    if type(model).__name__ != "Pipeline":
        return [model]
    return [inner for _, step in model.steps if step not in (None, "passthrough") for inner in steps_of(step)]


def linear_of(model: Any) -> Linear:
    """The coefficients of an estimator, or of a pipeline of scalers and one. DataError for others, and for arrays that do not fit."""
    *before, last = steps_of(model)
    found = coefficients(last)
    weight, bias = found.weight, found.bias
    for step in reversed(before):
        times, plus = _scaling(step, weight.shape[1])
        weight, bias = weight * times, bias + weight @ plus
    recipe = Recipe(type(last).__name__, _settings(last), tuple(type(step).__name__ for step in before))
    return Linear(weight, bias, found.classes, _names([*before, last]), recipe)


def coefficients(last: Any) -> Linear:
    """Those of the classifier by itself. A single output (two classes) is halved onto both."""
    kind = type(last).__name__
    if kind not in CLASSIFIERS:
        raise DataError(f"{kind} is no linear classifier that is known here", remedy=f"these are: {', '.join(CLASSIFIERS)}")
    weight, bias = np.atleast_2d(np.asarray(last.coef_, np.float64)), np.atleast_1d(np.asarray(last.intercept_, np.float64))
    bias = np.broadcast_to(bias, (len(weight),)).copy() if bias.size == 1 else bias
    if len(weight) == 1:
        weight, bias = np.vstack([-weight, weight]) / 2, np.r_[-bias, bias] / 2
    return Linear(weight, bias, tuple(map(str, np.asarray(last.classes_).ravel().tolist())))


def _settings(last: Any) -> tuple[tuple[str, float | str], ...]:
    told: dict[str, Any] = {name: getattr(last, name, None) for name in (*NUMBERS, *WORDS)}
    numbers = [(n, float(told[n])) for n in NUMBERS if isinstance(told[n], int | float) and 0 < told[n] < np.inf]
    return (*numbers, *((n, str(told[n])) for n, known in WORDS.items() if isinstance(told[n], str) and told[n] in known))


def _scaling(step: Any, features: int) -> tuple[Floats, Floats]:
    """(features,) what a scaler multiplies each column with, and what it then adds."""
    kind = type(step).__name__
    if kind == "StandardScaler":
        by, less = _array(step.scale_, features, 1.0), _array(step.mean_ if step.with_mean else None, features, 0.0)
        return 1 / by, -less / by
    if kind == "RobustScaler":
        by, less = _array(step.scale_, features, 1.0), _array(step.center_ if step.with_centering else None, features, 0.0)
        return 1 / by, -less / by
    if kind == "MaxAbsScaler":
        return 1 / _array(step.scale_, features, 1.0), np.zeros(features)
    if kind == "MinMaxScaler" and not step.clip:
        return _array(step.scale_, features, 1.0), _array(step.min_, features, 0.0)
    raise DataError(f"{kind} stands in front of the coefficients, and is not known here", remedy="scalers and word counts are read")


def _array(values: Any, features: int, otherwise: float) -> Floats:
    found = np.full(features, otherwise) if values is None else np.asarray(values, np.float64)
    if found.shape != (features,):
        raise DataError(f"a scaler of {found.shape} columns in front of {features} coefficients", remedy=AGAIN)
    return found


def _names(steps: Sequence[Any]) -> tuple[str, ...]:
    return tuple(map(str, getattr(steps[0], "feature_names_in_", ())))
