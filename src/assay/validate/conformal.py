"""Rows that are not like the trusted ones, each with a p-value that holds whatever the law: conformal tests.

Guarantee: among the rows flagged, the expected share of rows that are exchangeable with the trusted ones is at most `FALSE_SHARE`
(Bates et al. 2023, see `assay.stats.conformal`). There are two questions, and each is a screen:

    trusted_outlier  is the content odd beside the trusted rows? The forest is grown on half of them, the other half calibrates.
    trusted_label    is the label odd for the content? The model learns from one half of the *data* and judges the other half and all
                     trusted rows, both ways; it has seen neither, so that under the null they are exchangeable.

A few odd rows among many need many trusted ones: no p-value is below one in their number. The rank is there at any rate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from assay.dataset.data import MISSING, Dataset
from assay.finding import RowScore
from assay.screen.agreement import relative_margin
from assay.screen.exact_duplicates import exact_groups
from assay.screen.isolation import isolation_fit
from assay.screen.statistics import row_statistics
from assay.screen.table_values import table_values
from assay.stats.conformal import conformal_p
from assay.stats.multiple import adjusted
from assay.validate.beside import Beside
from assay.validate.joint import picture_cells, seen

Float = NDArray[np.float64]
Int = NDArray[np.int64]

# Expected share of rows like the trusted ones among those flagged.
FALSE_SHARE = 0.1
# Fewer trusted rows than this cannot calibrate: the least p-value would be 1/20.
FEWEST_TRUSTED = 40
MOST_LEARNT = 20_000  # rows that a judge of labels learns from in each half


def outliers(beside: Beside, rng: np.random.Generator) -> RowScore | None:
    """Screen "trusted_outlier" for the new rows; None where there are too few trusted ones."""
    new, trusted = np.flatnonzero(beside.new), np.flatnonzero(~beside.new)
    if len(trusted) < FEWEST_TRUSTED:
        return None
    x = _values(beside.both)
    order = rng.permutation(trusted)
    grown, calibration = order[: len(order) // 2], order[len(order) // 2 :]
    forest = isolation_fit(x[grown], rng)
    score = -forest.score_samples(x[new])
    score[copied(beside)] = np.nan
    p = conformal_p(-forest.score_samples(x[calibration]), score)
    return _screen("trusted_outlier", score, p, "its content is odd beside the trusted rows", len(calibration))


def labels(beside: Beside, data: Dataset, trusted: Dataset, rng: np.random.Generator) -> RowScore | None:
    """Screen "trusted_label" for the new rows; None without classes that both have, or with too few trusted rows."""
    y = _codes(data, trusted)
    n = len(data)
    if y is None or int((y[n:] != MISSING).sum()) < FEWEST_TRUSTED:
        return None
    x, _ = seen(beside.both, with_labels=False)
    calibration = n + np.flatnonzero(y[n:] != MISSING)
    usable = (y[:n] != MISSING) & ~copied(beside)
    half = rng.random(n) < 0.5
    score, p = np.full(n, np.nan), np.ones(n)
    for learn, judge in ((half, ~half), (~half, half)):
        rows = np.flatnonzero(learn & usable)
        rows = np.sort(rng.choice(rows, MOST_LEARNT, replace=False)) if len(rows) > MOST_LEARNT else rows
        judged = np.flatnonzero(judge & usable)
        if len(np.unique(y[rows])) < 2 or not len(judged):
            return None
        model = _judge(x, rng).fit(x[rows], y[rows])
        k = int(y.max()) + 1
        score[judged] = relative_margin(_all(model, x[judged], k), y[judged])
        p[judged] = conformal_p(relative_margin(_all(model, x[calibration], k), y[calibration]), score[judged])
    return _screen("trusted_label", score, p, "its label is odd for its content, beside the trusted rows", len(calibration))


def copied(beside: Beside) -> NDArray[np.bool_]:
    """(n,) new rows whose content stands among the trusted ones: these were vouched for, and a judge must not learn from them."""
    group = exact_groups(beside.both)
    return np.isin(group[beside.new], group[~beside.new])


def _screen(name: str, score: Float, p: Float, reason: str, calibration: int) -> RowScore:
    bound = adjusted(p)
    said = f"{reason} (at most {FALSE_SHARE:.0%} of the rows flagged so are expected to be like them; {calibration:,} calibrated it)"
    return RowScore(
        name, np.nan_to_num(score, nan=float(np.nanmin(score)) if np.isfinite(score).any() else 0.0), bound <= FALSE_SHARE, said, bound
    )


def _values(both: Dataset) -> Float:
    if both.images is not None:
        return np.column_stack([picture_cells(both.images), row_statistics(both).values])
    values = table_values(both)
    return values if values.shape[1] else np.zeros((len(both), 1))


def _judge(x: Any, rng: np.random.Generator) -> Any:
    if hasattr(x, "tocsr"):
        return LogisticRegression(C=10.0, max_iter=200)
    return HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=int(rng.integers(2**31)))


def _all(model: Any, x: Any, k: int) -> Float:
    out = np.zeros((x.shape[0], k))
    out[:, np.asarray(model.classes_, np.int64)] = model.predict_proba(x)
    return out


def _codes(data: Dataset, trusted: Dataset) -> Int | None:
    """(n + m,) class codes of both in the data's classes; trusted labels that the data do not have are missing."""
    if not data.labelled or len(data.y) != len(data) or len(trusted.y) != len(trusted):
        return None
    code = {name: i for i, name in enumerate(data.classes)}
    translated = np.array([code.get(name, MISSING) for name in trusted.classes] + [MISSING], np.int64)
    return np.concatenate([data.y, translated[trusted.y]])
