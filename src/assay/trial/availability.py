"""How much of a data set is corrupted, and what it costs whoever trains on it.

The share of wrong labels: `assay.screen.mislabelled`. The cost is measured on a linear head over label-free features (`learn/head.py`),
because leaving rows out of it is arithmetic: a learning curve with and without the suspected rows, and, for every contributor, source and
stretch of time (of rows in their order, where no column holds times), the error that the rest would make without it: RONI (Nelson et al.,
Exploiting Machine Learning to Subvert Your Spam Filter, 2008), per contributor or batch rather than per row, since one row moves nothing
that could be measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from assay.dataset.data import MISSING, Dataset
from assay.finding import Availability, CurvePoint, Damage
from assay.learn.head import Head, fit_head, one_hot, with_constant
from assay.learn.threads import in_parallel
from assay.screen.mislabelled import estimate_mislabelled
from assay.trial.head_features import head_features

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
Bools = NDArray[np.bool_]

SHARES = (0.125, 0.25, 0.5, 1.0)  # of the rows to learn from: three doublings show where a curve is going
MOST_ROWS = 4_000  # the head is fitted to, drawn at random: its features take two seconds, and error is known to a point
FOLDS = 4
FEWEST_ROWS = 10  # of a contributor: fewer move nothing that could be measured
MOST_MEMBERS = 200  # contributors of one column that are left out in turn, those with most rows
STRETCHES = 20  # of time, equal in rows
IN_ORDER = "row"  # what stretches of rows in their order are called
SORTED = 0.25  # of its labels' shares that a stretch differs from all rows in, on average, above which the order is one of labels
MOST_FLOWS = 10  # from one class to another, that are named
LEAST_FLOW = 5e-4  # of all rows


def availability(
    data: Dataset, probabilities: NDArray[np.float64] | None, suspected: Bools, rng: np.random.Generator, features: Floats | None = None
) -> Availability | None:
    """The estimate and the cost; None without out-of-fold probabilities (n, k), or with too few labelled rows.

    `suspected` (n,): rows of findings and those that a label screen flags. `features` (n, d): of all rows, where they are at hand already.
    Held-out rows have wrong labels too: those suspected do not count, and the others raise both curves alike. Cannot see what a linear
    head on these features does not feel; a network may be hurt more, or less.
    """
    if probabilities is None or not data.labelled:
        return None
    found = estimate_mislabelled(probabilities, data.y, rng)
    if found is None:
        return None
    known = np.flatnonzero(data.y != MISSING)
    rows = np.sort(rng.choice(known, MOST_ROWS, replace=False)) if len(known) > MOST_ROWS else known
    x = head_features(data.subset(rows), rng) if features is None else features[rows]
    curve: tuple[CurvePoint, ...] = ()
    damage: tuple[Damage, ...] = ()
    if x is not None:
        y, bad = data.y[rows], suspected[rows]
        curve = learning_curve(x, y, len(data.classes), bad, rng)
        damage = damages(x, y, len(data.classes), bad, memberships(data, rows), rng)
    flows = [(i, j) for i, j in np.argwhere(found.turned > LEAST_FLOW) if i != j]
    flows.sort(key=lambda f: -found.turned[f])
    return Availability(
        found.fraction,
        found.low,
        found.high,
        found.rows,
        tuple((data.classes[i], data.classes[j], float(found.turned[i, j])) for i, j in flows[:MOST_FLOWS]),
        int(suspected.sum()),
        curve,
        damage,
    )


def learning_curve(x: Floats, y: Int, k: int, suspected: Bools, rng: np.random.Generator) -> tuple[CurvePoint, ...]:
    """Held-out error by number of rows learnt from, with the suspected rows (n,) and without: the same held-out rows for both."""
    fold = rng.permutation(len(y)) % FOLDS
    orders = [rng.permutation(np.flatnonzero(fold != number)) for number in range(FOLDS)]
    tests = [np.flatnonzero((fold == number) & ~suspected) for number in range(FOLDS)]
    judged = sum(len(test) for test in tests)
    parts = [(i, number, order[: round(share * len(order))]) for i, share in enumerate(SHARES) for number, order in enumerate(orders)]

    def errors(point: tuple[int, int, Int]) -> list[int]:
        _, number, part = point
        test = tests[number]
        return [int(_wrong(x, y, k, kept, test).sum()) if len(kept) else len(test) for kept in (part, part[~suspected[part]])]

    wrong = np.zeros((len(SHARES), 2))
    learnt = np.zeros(len(SHARES))
    for (i, _, part), pair in zip(parts, in_parallel(errors, parts), strict=True):
        wrong[i] += pair
        learnt[i] += len(part) / FOLDS
    rates = wrong / max(judged, 1)
    return tuple(CurvePoint(round(n), float(a), float(b)) for n, (a, b) in zip(learnt, rates, strict=True))


def _wrong(x: Floats, y: Int, k: int, train: Int, test: Int) -> Bools:
    head = fit_head(x[train], one_hot(y[train], k))
    return np.asarray(head.scores(with_constant(x[test])).argmax(1) != y[test])


def memberships(data: Dataset, rows: Int) -> list[tuple[str, Sequence[Any]]]:
    """(column, its value in each of these rows) for contributors, sources, and stretches of time or else of rows in their order."""
    found: list[tuple[str, Sequence[Any]]] = []
    for column in dict.fromkeys((data.columns.contributor, data.columns.source)):
        if column is not None:
            found.append((column, data.table.column(column).take(rows).to_pylist()))
    if data.columns.time is not None:
        found.append((data.columns.time, stretches(data.table.column(data.columns.time).take(rows).to_pylist())))
    else:
        batches = stretches(data.row[rows].tolist())
        if not _sorted_by_label(batches, data.y[rows]):
            found.append((IN_ORDER, batches))
    return found


def _sorted_by_label(batches: Sequence[str | None], y: Int) -> bool:
    """Whether rows stand in the order of their labels (folders of classes): a stretch of them is then a class, and no batch."""
    _, batch = np.unique(np.array(batches, object).astype(str), return_inverse=True)
    shares = np.zeros((batch.max() + 1, int(y.max()) + 1))
    np.add.at(shares, (batch, y), 1.0)
    apart = np.abs(shares / shares.sum(1, keepdims=True) - shares.sum(0) / shares.sum()).sum(1) / 2
    return bool(apart.mean() > SORTED)


def stretches(times: Sequence[Any]) -> list[str | None]:
    """Each row's stretch of time by its first and last value; rows without a time have none. As many stretches as rows allow, equal in
    rows.

    >>> stretches([3, 1, None, 2] * 10)[:3]
    ['3 to 3', '1 to 1', None]
    """
    at = [i for i, t in enumerate(times) if t is not None]
    order = sorted(at, key=lambda i: times[i])
    named: list[str | None] = [None] * len(times)
    count = max(1, min(STRETCHES, len(order) // FEWEST_ROWS))
    for part in np.array_split(np.array(order, np.int64), count):
        if len(part):
            name = f"{times[part[0]]} to {times[part[-1]]}"
            for i in part:
                named[i] = name
    return named


def damages(
    x: Floats, y: Int, k: int, suspected: Bools, members: list[tuple[str, Sequence[Any]]], rng: np.random.Generator
) -> tuple[Damage, ...]:
    """Every member left out in turn, the most harmful first.

    Judged by squared error, halved, of rows of *other* members that a head never saw: it says more than right or wrong does. A head of
    each fold is fitted once; without a member it is known in closed form. Assumes that held-out rows err independently.
    """
    if not members:
        return ()
    fold = rng.permutation(len(y)) % FOLDS
    heads = [(number, fit_head(x[fold != number], one_hot(y[fold != number], k))) for number in range(FOLDS)]
    found = []
    for column, values in members:
        name = np.array(["" if v is None else str(v) for v in values], object)
        there, count = np.unique(name[name != ""].astype(str), return_counts=True)
        if len(there) < 2:
            continue
        for i in np.argsort(-count, kind="stable")[:MOST_MEMBERS]:
            if count[i] >= FEWEST_ROWS:
                found.append(_damage(heads, x, y, k, fold, suspected, name == there[i], (column, str(there[i]))))
    return tuple(sorted(found, key=lambda d: -d.change))


def _damage(
    heads: list[tuple[int, Head]], x: Floats, y: Int, k: int, fold: Int, suspected: Bools, mine: Bools, named: tuple[str, str]
) -> Damage:
    gains = []
    for number, head in heads:
        test = np.flatnonzero((fold == number) & ~suspected & ~mine)
        if not len(test):
            continue
        inputs, truth = with_constant(x[test]), one_hot(y[test], k)
        before = ((truth - inputs @ head.weights) ** 2).sum(1)
        after = ((truth - inputs @ head.without(np.flatnonzero(mine[fold != number]))) ** 2).sum(1)
        gains.append((before - after) / 2)
    gain = np.concatenate(gains) if gains else np.zeros(1)
    error = float(gain.std() / np.sqrt(len(gain))) + 1e-12
    mean = float(gain.mean())
    return Damage(*named, int(mine.sum()), mean, mean - 1.96 * error, mean + 1.96 * error, float(norm.sf(mean / error)))
