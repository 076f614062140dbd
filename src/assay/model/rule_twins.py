"""Rules of a tree model beside those of clean twins: trees grown on rows that somebody vouches for.

A column that truly decides a class turns rows in a twin as well; a planted value turns none there. So each rule counts by how much more it
turns in this model than in the twins (log odds), and the model's best rule is compared with the best rule of each twin beside the other
twins: whatever chance does to small leaves, it does to both. A model that was grown on more rows than its twins differs from them in every
column; so the best rule must stand apart from the model's other rules as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from assay.dataset.errors import DataError
from assay.model.margins import standing_apart
from assay.model.rules import IDLE, SAMPLE, Rule, find_rules
from assay.model.trees import Trees, of_estimator

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

LEAST_TWINS = 4  # fewer have no deviation to speak of
MOST_RULES = 60  # of a model that are compared, those that turn most


@dataclass(frozen=True)
class Beside:
    """`p` of the best rule's excess over the twins, in log odds; `twins` (models,) the excess of each twin's own best."""

    p: float
    best: Rule
    excess: float
    twins: tuple[float, ...]


def rules_beside(trees: Trees, twins: Sequence[Trees], x: Floats, rng: np.random.Generator) -> Beside | None:
    """The rule by which the model differs most from its twins; None where no rule turns anything. `x` (n, features) clean rows.

    **If the best excesses of the model, were it clean, and of its twins are draws of one normal law, a clean model has p below any level
    with that chance at most**: Student's test of one draw against the others. The same test is made among the model's own rules on other
    columns, and the larger p-value counts. DataError: too few twins, or of other columns or classes.
    """
    if len(twins) < LEAST_TWINS:
        raise DataError(f"{len(twins)} twins; at least {LEAST_TWINS} are needed", remedy="train more")
    if any((t.features, t.classes) != (trees.features, trees.classes) for t in twins):
        raise DataError("a twin has other columns or classes than the model", remedy="give clean models of the same task")
    rows = x[rng.permutation(len(x))[:SAMPLE]]
    models = [trees, *twins]
    said = [m.predict(rows) for m in models]
    best: list[float] = []
    rules: list[Rule] = []
    excess = np.zeros(0)
    for number, model in enumerate(models):
        found = _telling(model, x, rng)
        own = _odds(model, said[number], found, rows)
        others = [_odds(m, said[i], found, rows) for i, m in enumerate(models) if i not in (0, number)]
        beyond = own - np.mean(others, 0) if found else np.zeros(1)
        best.append(float(beyond.max()))
        if not number:
            rules, excess = found, beyond
    if not rules:
        return None
    here, null = int(excess.argmax()), np.array(best[1:])
    spread = null.std(ddof=1) * np.sqrt(1 + 1 / len(null))
    p = float(student.sf((excess[here] - null.mean()) / spread, len(null) - 1)) if spread > 0 else 1.0
    apart = [e for r, e in zip(rules, excess, strict=True) if r.success >= IDLE and not set(r.values) & set(rules[here].values)]
    p = max(p, min(1.0, float(standing_apart(np.array([excess[here], *apart]))[0]) * (1 + len(apart))))
    return Beside(p, rules[here], float(excess[here]), tuple(map(float, null)))


def _telling(trees: Trees, x: Floats, rng: np.random.Generator) -> list[Rule]:
    found = find_rules(trees, x, rng)
    return sorted([*found.singles, *found.several], key=lambda r: -r.success)[:MOST_RULES]


def _odds(trees: Trees, said: Int, rules: Sequence[Rule], rows: Floats) -> Floats:
    """(rules,) log odds that a rule's values turn a row of another class into the rule's."""
    if not rules:
        return np.zeros(0)
    changed = np.concatenate([_with(rows, rule.values) for rule in rules])
    now = trees.predict(changed).reshape(len(rules), len(rows))
    target = np.array([rule.target for rule in rules])[:, None]
    others = said[None] != target
    hits, tried = ((now == target) & others).sum(1), others.sum(1)
    return np.asarray(np.log((hits + 0.5) / (tried - hits + 0.5)))


def _with(rows: Floats, values: Mapping[int, float]) -> Floats:
    changed = rows.copy()
    for column, value in values.items():
        changed[:, column] = value
    return changed


def grown_twins(like: Trees, x: Floats, y: Int, count: int, rng: np.random.Generator) -> list[Trees]:
    """Twins by gradient boosting, as many steps as the model has, each on rows drawn with replacement from clean ones (n, features) of
    classes `y` (n,). DataError where a class is missing."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    if len(np.unique(y)) != like.classes:
        raise DataError(f"{len(np.unique(y))} classes among the clean rows, and the model knows {like.classes}", remedy="give rows of each")
    steps = max(1, int(np.ceil(len(like.root) / len(like.base))))
    found = []
    for _ in range(count):
        drawn = rng.integers(len(y), size=len(y))
        drawn = np.r_[drawn, [np.flatnonzero(y == c)[0] for c in range(like.classes)]]  # no class goes missing by chance
        model = HistGradientBoostingClassifier(max_iter=steps, early_stopping=False, random_state=int(rng.integers(2**31)))
        found.append(of_estimator(model.fit(x[drawn], y[drawn])))
    return found
