"""A linear head in closed form: ridge regression on one-hot labels, and what it would say without any rows, exactly and without a refit.

With A = (X'X + lambda I)^-1 and residuals R, leaving rows S out moves the weights by -A X_S' (I - X_S A X_S')^-1 R_S (Sherman, Morrison and
Woodbury; Cook and Weisberg, Residuals and Influence in Regression, 1982, section 2.2). No approximation as in influence functions of deep
networks (Koh and Liang 2017): for this model it is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

PENALTIES = np.logspace(-4, 2, 13)  # times the mean eigenvalue of X'X; the best by generalised cross-validation


@dataclass(frozen=True)
class Head:
    """`x` (n, d + 1) features with a constant, `targets` (n, k), `weights` (d + 1, k)."""

    x: Floats
    targets: Floats
    weights: Floats
    penalty: float

    @cached_property
    def inverse(self) -> Floats:
        """A (d + 1, d + 1): what learning needs no more, and influence does."""
        return np.asarray(cho_solve(_factor(self.x.T @ self.x, self.penalty), np.eye(self.x.shape[1])))

    def scores(self, x: Floats) -> Floats:
        """(m, k) of rows (m, d + 1)."""
        return x @ self.weights

    @property
    def residuals(self) -> Floats:
        """(n, k) what the targets hold that the head does not say."""
        return self.targets - self.x @ self.weights

    def moves(self, at: Floats, along: Floats) -> Floats:
        """(n,) by how much the score `along` (k,) at one row `at` (d + 1,) rises if each row alone is left out.

        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(30, 3)), rng.integers(0, 2, 30)
        >>> head = fit_head(x, one_hot(y, 2))
        >>> without = refit(head, np.arange(1, 30))
        >>> change = (head.x[5] @ without.weights - head.x[5] @ head.weights)[1]
        >>> bool(np.isclose(head.moves(head.x[5], np.array([0.0, 1.0]))[0], change))
        True
        """
        reach = self.x @ (self.inverse @ at)
        leverage = ((self.x @ self.inverse) * self.x).sum(1)
        return np.asarray(-reach * (self.residuals @ along) / np.maximum(1 - leverage, 1e-9))

    def shares(self, at: Floats, along: Floats) -> Floats:
        """(n,) what each row's own target adds to the score `along` (k,) at one row `at` (d + 1,): they sum to the score.

        A head is linear in its targets. Rows that say the same share what they say, where `moves` finds each of them dispensable.
        """
        return np.asarray(self.x @ (self.inverse @ at) * (self.targets @ along))

    def without(self, rows: Int) -> Floats:
        """(d + 1, k) the weights of a head that never saw these rows, exactly."""
        part = self.x[rows]
        reach = self.inverse @ part.T
        inner = np.eye(len(rows)) - part @ reach
        return np.asarray(self.weights - reach @ np.linalg.solve(inner, self.residuals[rows]))


def one_hot(y: Int, k: int) -> Floats:
    """(n, k) 1 for the label, 0 else; a missing label (negative) has no 1."""
    return np.asarray((y[:, None] == np.arange(k)).astype(np.float64))


def with_constant(features: Floats) -> Floats:
    """(n, d + 1) features and a column of ones."""
    return np.column_stack([features, np.ones(len(features))])


def fit_head(features: Floats, targets: Floats, penalty: float | None = None) -> Head:
    """The head of all rows: `features` (n, d), `targets` (n, k). Without a penalty, the one that generalised cross-validation prefers
    (Golub, Heath and Wahba 1979)."""
    x = with_constant(features)
    if penalty is None:
        penalty = _penalty(x, targets)
    return _solve(x, targets, penalty)


def refit(head: Head, rows: Int) -> Head:
    """The same head, fitted anew on some of its rows, under the same penalty."""
    return _solve(head.x[rows], head.targets[rows], head.penalty)


def _solve(x: Floats, targets: Floats, penalty: float) -> Head:
    """By the smaller of X'X and XX': of more features than rows, (X'X + lambda I)^-1 X' is X' (XX' + lambda I)^-1."""
    if x.shape[1] > len(x):
        return Head(x, targets, np.asarray(x.T @ cho_solve(_factor(x @ x.T, penalty), targets)), penalty)
    return Head(x, targets, np.asarray(cho_solve(_factor(x.T @ x, penalty), x.T @ targets)), penalty)


def _factor(gram: Floats, penalty: float) -> tuple[Floats, bool]:
    factor: tuple[Floats, bool] = cho_factor(gram + penalty * np.eye(len(gram)))
    return factor


def _penalty(x: Floats, targets: Floats) -> float:
    n, d = x.shape
    spectrum, basis = np.linalg.eigh(x @ x.T if d > n else x.T @ x)
    spectrum = np.maximum(spectrum, 0)
    # |X'Y|^2 along each axis; of XX' the other eigenvalues of X'X are 0, and its axes are those of Y
    inside = spectrum[:, None] * (basis.T @ targets) ** 2 if d > n else (basis.T @ (x.T @ targets)) ** 2
    whole = float((targets**2).sum())
    scale = float(spectrum.sum() / d) + 1e-12
    best, least = float(PENALTIES[0] * scale), np.inf
    for penalty in PENALTIES * scale:
        shrunk = spectrum + penalty
        # |Y - XW|^2 = |Y|^2 - 2 Y'XW + |XW|^2, in the basis of X'X
        residual = whole - (inside * (2 / shrunk - spectrum / shrunk**2)[:, None]).sum()
        freedom = float((spectrum / shrunk).sum())
        value = residual / n / max(1 - freedom / n, 1e-6) ** 2
        if value < least:
            best, least = float(penalty), value
    return best
