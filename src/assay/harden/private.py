"""A linear classifier that is differentially private, and says what that is worth against poison."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import row_norms
from sklearn.utils.validation import check_is_fitted, validate_data

from assay.harden.inner import class_codes
from assay.harden.privacy import epsilon_of, noise_for, raised, raised_gaussian

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

CLIP = 1.0  # of a unit's gradient; a row's own is at most sqrt(2), so that only rows that are badly wrong are held back
FEWEST, MOST = 10, 1000  # steps of gradient descent, where their number is left to the classifier
STEP = 2.0  # 1 / the largest curvature (1 / 2) of multinomial logistic loss on rows of length 1 (Bohning 1992)


class PrivateClassifier(ClassifierMixin, BaseEstimator):
    """**Guarantee**: the fitted model is (epsilon, delta)-differentially private in every row, or with `groups` in every contributor: no
    one of them changes the probability of any outcome by more than a factor e^epsilon, save with probability delta. So k poisoned rows
    raise the probability of what they are meant for no further than `raised(probability, k)`.

    Multinomial logistic regression by noisy gradient descent with clipped gradients (Song, Chaudhuri & Sarwate 2013; Abadi et al. 2016)
    over all rows, or over a Poisson sample of them a step (`sample_rate` below 1, for data too large for every step). What counts as
    neighbours and how epsilon is counted: `assay.harden.privacy`. Rows are scaled to length 1 first, each by itself, so features must be
    of like scale already, by bounds or scalers that were *not* learnt from these rows. The last half of the steps is averaged, which costs
    no privacy.

    Public, and so outside the promise: the number of rows, the classes, the settings, and whatever is measured of the model on other
    private rows. `delta` should be far below 1 / rows. `random_state=None` draws noise from the system; a seed that others may learn
    undoes the promise. Noise is of double precision, whose lowest bits are not private (Mironov 2012).

    `steps=None` takes rows times mu of them, 10 to 1,000: noise in a weight is some 2 steps / (rows mu) and so stays at 2, where rows are
    of length 1; more epsilon buys more steps. Both numbers are public.

    After `fit`: `epsilon_` spent, `steps_`, `noise_multiplier_`, `mu_` (sensitivity over noise; None where steps are sampled), `coef_`,
    `intercept_`.

    >>> from sklearn.datasets import load_digits
    >>> x, y = load_digits(return_X_y=True)
    >>> model = PrivateClassifier(epsilon=2.0, random_state=0).fit(x / 16, y)
    >>> model.epsilon_ <= 2.0, bool(model.score(x / 16, y) > 0.8), round(model.raised(0.01, 1), 3)
    (True, True, 0.034)
    """

    def __init__(
        self,
        epsilon: float = 1.0,
        delta: float = 1e-5,
        steps: int | None = None,
        clip: float = CLIP,
        sample_rate: float = 1.0,
        random_state: int | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.steps = steps
        self.clip = clip
        self.sample_rate = sample_rate
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> Self:
        """Train on rows (n, d), dense or sparse; `groups` (n,), one contributor a row, makes contributors the unit of privacy."""
        for name, value in (("epsilon", self.epsilon), ("clip", self.clip)):
            if not isinstance(value, Real) or not 0 < value < np.inf:
                raise ValueError(f"{name} is {value!r}; give a number above 0")
        if not 0 < self.delta < 1 or not 0 < self.sample_rate <= 1 or (self.steps is not None and self.steps < 1):
            raise ValueError(
                f"delta {self.delta}, sample_rate {self.sample_rate}, steps {self.steps}: shares in (0, 1), and 1 step or more"
            )
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        self.classes_, code = class_codes(y)
        unit = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        if unit is not None and len(unit) != len(code):
            raise ValueError(f"groups has {len(unit)} entries for {len(code)} rows")
        epsilon, delta, rate = float(self.epsilon), float(self.delta), float(self.sample_rate)
        if self.steps is None:
            self.steps_ = int(np.clip(round(len(code) / noise_for(epsilon, delta, 1)), FEWEST, MOST))
        else:
            self.steps_ = int(self.steps)
        self.noise_multiplier_ = noise_for(epsilon, delta, self.steps_, rate)
        self.epsilon_ = epsilon_of(self.noise_multiplier_, self.steps_, rate, delta)
        self.mu_ = float(np.sqrt(self.steps_) / self.noise_multiplier_) if rate == 1 else None
        weights = self._descend(_unit_rows(X), code, unit, np.random.default_rng(self.random_state))
        self.coef_, self.intercept_ = weights[:, :-1], weights[:, -1]
        return self

    def raised(self, probability: float, poisons: int) -> float:
        """What `poisons` units can make of an outcome that has this probability without them, at the most."""
        check_is_fitted(self, "coef_")
        if self.mu_ is not None:
            return raised_gaussian(probability, poisons, self.mu_)
        return raised(probability, poisons, self.epsilon_, self.delta)

    def decision_function(self, X: Any) -> Floats:
        """(n, classes) scores; (n,) of the second class where there are two."""
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        scores = np.asarray(_unit_rows(X) @ np.column_stack([self.coef_, self.intercept_]).T)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> Floats:
        """(n, classes)."""
        scores = self.decision_function(X)
        return np.asarray(softmax(scores if scores.ndim == 2 else np.stack([np.zeros_like(scores), scores], 1), axis=1))

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) classes."""
        said = self.predict_proba(X)
        return np.asarray(self.classes_[said.argmax(1)])

    def _descend(self, z: Any, code: Int, unit: Int | None, rng: np.random.Generator) -> Floats:
        """(classes, d + 1) weights, averaged over the last half of the steps."""
        n, classes = z.shape[0], len(self.classes_)
        length = row_norms(z)
        weights, total, counted = np.zeros((classes, z.shape[1])), np.zeros((classes, z.shape[1])), 0
        for step in range(self.steps_):
            wrong = softmax(np.asarray(z @ weights.T), axis=1)
            wrong[np.arange(n), code] -= 1
            if unit is None:
                seen = np.ones(n) if self.sample_rate == 1 else (rng.random(n) < self.sample_rate).astype(np.float64)
                size = np.linalg.norm(wrong, axis=1) * length
                gradient = np.asarray((z.T @ (wrong * (seen * _held(size, self.clip))[:, None])).T)
            else:
                gradient = self._by_unit(z, wrong, unit, rng)
            noise = rng.normal(0.0, self.noise_multiplier_ * self.clip, weights.shape)
            weights = weights - STEP / (n * self.sample_rate) * (gradient + noise)
            if step >= self.steps_ // 2:
                total, counted = total + weights, counted + 1
        return np.asarray(total / counted)

    def _by_unit(self, z: Any, wrong: Floats, unit: Int, rng: np.random.Generator) -> Floats:
        """(classes, d + 1) the sum of every contributor's gradient, each clipped as a whole."""
        order = np.argsort(unit, kind="stable")
        gradient = np.zeros((wrong.shape[1], z.shape[1]))
        for rows in np.split(order, np.flatnonzero(np.diff(unit[order])) + 1):
            if self.sample_rate < 1 and rng.random() >= self.sample_rate:
                continue
            own = np.asarray((z[rows].T @ wrong[rows]).T)
            gradient += own * _held(np.atleast_1d(np.linalg.norm(own)), self.clip)
        return gradient

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.non_deterministic = self.random_state is None
        tags.classifier_tags.poor_score = True  # on the some hundred rows of the checks noise is as large as what there is to learn
        return tags


def _held(size: Floats, clip: float) -> Floats:
    """What to multiply gradients of these lengths by, so that none is longer than `clip`."""
    return np.asarray(np.minimum(1.0, clip / np.maximum(size, 1e-12)))


def _unit_rows(x: Any) -> Any:
    """(n, d + 1) rows scaled to length 1, with a constant, together of length 1 at the most."""
    rows: Any = normalize(x) / np.sqrt(2)
    constant: Any = np.full((x.shape[0], 1), np.sqrt(0.5))
    blocks: Any = [rows, constant]
    return sp.hstack(blocks, format="csr") if sp.issparse(rows) else np.hstack(blocks)
