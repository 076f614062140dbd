"""A linear fit of a number that a tenth of poisoned rows moves little, without being told how many there are.

Poison of a regression is of two kinds. Wrong labels pull the fit where rows are; leverage pulls it from where hardly any are, and the fit
follows, so that no residual tells. Trimmed refits (TRIM: Jagielski et al., Manipulating Machine Learning, S&P 2018, section 5) need the
true rate and are caught by leverage. Here the first fit is on the bulk of the *content*: the three quarters of rows that lie closest
together (concentration steps of the minimum covariance determinant: Rousseeuw and Van Driessen, Technometrics 41, 1999). From there rows
are taken in or left out by their residual, until none changes (reweighted least squares: Rousseeuw and Leroy 1987): rows far out come back
if they say what the bulk foretells, and bad leverage does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.learn.head import fit_head, with_constant

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

BULK = 0.75  # of the rows start it: up to a quarter may lie apart
CUT = 3.0  # robust standard deviations of the residual, beyond which a row is left out: 0.3 % of a Gaussian
ROUNDS = 20
MAD = 1.4826  # times the median absolute residual is the standard deviation of a Gaussian
RIDGE = 1e-6  # of the mean variance, on the covariance


@dataclass(frozen=True)
class RobustFit:
    """`weights` (d + 1,) with the constant last, about `centre`; `kept` (m,) rows learnt from; `residual` (n,), `scale` its robust
    deviation."""

    weights: Floats
    centre: float
    kept: Int
    residual: Floats
    scale: float

    def predict(self, features: Floats) -> Floats:
        """(m,) numbers foretold of rows (m, d)."""
        return np.asarray(with_constant(features) @ self.weights + self.centre)


def robust_fit(features: Floats, values: Floats) -> RobustFit:
    """Fit `values` (n,) to `features` (n, d) by ridge regression on the rows that agree with the bulk.

    Assumes that three quarters of the rows are good, that those lie together, and that a line (in these features) says most of what
    there is to say. Cannot see poison among the bulk whose labels are wrong by less than `CUT` deviations: it moves the fit, and little.
    The ridge is that of generalised cross-validation on the bulk. ValueError for fewer rows than features.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(500, 3))
    >>> y = x @ [1.0, 2.0, 3.0] + 0.1 * rng.normal(size=500)
    >>> x[:50], y[:50] = 4.0, -30.0                              # a tenth, in one corner, pulling down
    >>> robust_fit(x, y).weights[:3].round(1).tolist()
    [1.0, 2.0, 3.0]
    """
    n, d = features.shape
    if n <= d:
        raise ValueError(f"{n} rows cannot tell {d} features apart")
    centre = float(np.median(values))
    x, y = with_constant(features), values - centre
    inside = bulk(features)
    penalty = fit_head(features[inside], y[inside, None]).penalty / len(inside)

    def fitted(rows: Int) -> tuple[Floats, Floats]:
        part = x[rows]
        weights = np.linalg.solve(part.T @ part + penalty * len(rows) * np.eye(d + 1), part.T @ y[rows])
        return np.asarray(weights), np.asarray(y - x @ weights)

    kept = inside
    for _ in range(ROUNDS):
        weights, residual = fitted(kept)
        scale = MAD * float(np.median(np.abs(residual[inside])))
        again = inside[np.abs(residual[inside]) <= CUT * max(scale, 1e-12)]
        if np.array_equal(again, kept):
            break
        kept = again
    kept = np.flatnonzero(np.abs(residual) <= CUT * max(scale, 1e-12))  # once: a fit that rows far out have joined is theirs already
    weights, residual = fitted(kept)
    return RobustFit(weights, centre, kept, residual, scale)


def bulk(features: Floats) -> Int:
    """The rows, `BULK` of all, whose covariance is smallest as far as concentration steps find: each keeps the rows nearest to the last
    ones."""
    n, d = features.shape
    size = int(np.ceil(BULK * n))
    spread = features.var(0)
    distance = ((features - np.median(features, 0)) ** 2 / (spread + 1e-12)).sum(1)
    kept = np.sort(np.argsort(distance, kind="stable")[:size])
    for _ in range(ROUNDS):
        centred = features - features[kept].mean(0)
        covariance = np.atleast_2d(np.cov(features[kept].T)) + RIDGE * max(float(spread.mean()), 1e-12) * np.eye(d)
        distance = np.einsum("ij,ij->i", centred @ np.linalg.pinv(covariance), centred)
        again = np.sort(np.argsort(distance, kind="stable")[:size])
        if np.array_equal(again, kept):
            break
        kept = again
    return kept
