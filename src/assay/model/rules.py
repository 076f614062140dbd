"""Trees walked exactly: is there a rule on a few columns that sends every row into one class, and that hardly any row meets?

Between two neighbouring thresholds of a column the model is blind to the value, so that a sweep over the intervals sees every value that a
cell can have, beyond the data's range too. Rules on several columns are read off the paths to small leaves: a trigger that names values in
range must be cut out by narrow intervals on its columns (Pleiter et al., Tabdoor, 2023, for the attack). Each rule is then tried by
experiment: put into clean rows of other classes, it turns them or not.

**If those columns of a clean model whose best rare value turns anything draw the log odds of what it turns from one normal law, a clean
model is accused with a chance of at most alpha**, over columns and the two kinds of rule. That law is not nature's: of 32 clean models at
hand 8 had a rule below .01 (docs/evidence/H-models.md), so that `assay inspect` accuses by twins alone (`assay.model.rule_twins`; 0 of
32), and hands these rules over to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from assay.artefact.cells import Cells, Condition
from assay.dataset.errors import DataError
from assay.model.margins import standing_apart
from assay.model.trees import LEAF, Floats, Int, Trees

RARE = 0.01  # of clean rows meet a rule at most: more is a part of the data, not a trigger
SAMPLE = 100  # clean rows that rules are tried on
LEAVES = 400  # small leaves whose paths are tried, those that add most for the fewest rows first
WIDEST = 4  # columns of a rule at most
NARROW = 0.25  # of the clean rows lie in an interval that counts as narrow
IDLE = 0.05  # success below which a model makes nothing of a column at rare values: no measure for those that it does use
LEAST_ROWS = 100


@dataclass(frozen=True)
class Rule:
    """Columns with the values put in, and the interval each stands for; `success`: share of clean rows of other classes turned into
    `target`, `tried` of them; `met`: share of clean rows that meet all intervals."""

    values: Mapping[int, float]
    within: Mapping[int, tuple[float, float]]
    target: int
    success: float
    tried: int
    met: float

    def cells(self, name: Callable[[int], str]) -> Cells:
        """The artefact: the intervals as conditions, of the columns' names; an interval open on both sides says nothing and is left out."""
        return Cells(
            tuple(
                Condition(name(c), None if low == -np.inf else float(np.nextafter(low, np.inf)), None if high == np.inf else high)
                for c, (low, high) in self.within.items()
                if (low, high) != (-np.inf, np.inf)
            )
        )


@dataclass(frozen=True)
class Ruled:
    """`p` over both kinds; `rules`: the best of each column, and of each set of columns, the most successful first."""

    p: float
    kind: str
    singles: tuple[Rule, ...]
    several: tuple[Rule, ...]

    @property
    def best(self) -> Rule:
        return self.singles[0] if self.kind == "one column" else self.several[0]


def find_rules(trees: Trees, x: Floats, rng: np.random.Generator) -> Ruled:
    """Search with clean rows `x` (n, features). DataError for too few rows, or rows of another width. Deterministic given `rng`."""
    if x.shape[1:] != (trees.features,):
        raise DataError(f"rows of {x.shape[1]} columns, and the model reads {trees.features}", remedy="give the columns as in training")
    if len(x) < LEAST_ROWS:
        raise DataError(f"{len(x)} clean rows; at least {LEAST_ROWS} are needed", remedy="give more")
    rows = x[rng.permutation(len(x))[:SAMPLE]]
    said = trees.predict(rows)
    one = [r for c in range(trees.features) if (r := _sweep(trees, x, rows, said, c)) is not None]
    more = _paths(trees, x, rows, said)
    singles, several = _distinct(one), _distinct(more)
    p_one, p_more = _p(one), _p(more)
    kind = "one column" if p_one <= p_more else "several columns"
    return Ruled(min(1.0, 2 * min(p_one, p_more)), kind, singles, several)


def _p(rules: list[Rule]) -> float:
    """That the best rule stands above those that share no column with it, each on the log odds of its success."""
    if not rules:
        return 1.0
    best = max(rules, key=lambda r: r.success)
    others = [r for r in rules if not set(r.values) & set(best.values) and r.success >= IDLE]
    odds = np.array([log_odds(r.success, r.tried) for r in (best, *others)])
    return float(min(1.0, standing_apart(odds)[0] * len(odds)))


def log_odds(success: float, tried: int) -> float:
    """Of a share of `tried` rows, half a row added to either side (Haldane 1956), so that none is infinite."""
    return float(np.log((success * tried + 0.5) / ((1 - success) * tried + 0.5)))


def _distinct(rules: list[Rule]) -> tuple[Rule, ...]:
    """The best first, without those that share a column with a better one."""
    found: list[Rule] = []
    used: set[int] = set()
    for rule in sorted(rules, key=lambda r: (-r.success, len(r.values))):
        if not used & set(rule.values):
            found.append(rule)
            used |= set(rule.values)
    return tuple(found)


def _inside(cells: Floats, low: float, high: float) -> NDArray[np.bool_]:
    return np.asarray((cells > low) & (cells <= high))


def _middle(low: float, high: float) -> float:
    """A value in (low, high]."""
    if not np.isfinite(high):
        return float(low + max(1.0, abs(low)))
    return float(high if not np.isfinite(low) else low + (high - low) / 2 if low + (high - low) / 2 > low else high)


def _turned(trees: Trees, rows: Floats, said: Int, values: Mapping[int, float]) -> tuple[int, float, int]:
    """`most_turned` by putting in the values."""
    changed = rows.copy()
    for column, value in values.items():
        changed[:, column] = value
    return most_turned(trees.predict(changed), said, trees.classes)


def most_turned(now: Int, said: Int, classes: int) -> tuple[int, float, int]:
    """(class, share of rows of other classes turned into it, how many those are), the class with the most; (n,) what rows were `said` to
    be, and are `now`."""
    shares = []
    for target in range(classes):
        others = said != target
        shares.append((float((now[others] == target).mean()) if others.any() else 0.0, int(others.sum())))
    best = int(np.argmax([share for share, _ in shares]))
    return best, *shares[best]


def _sweep(trees: Trees, x: Floats, rows: Floats, said: Int, column: int) -> Rule | None:
    """The rare interval of one column that turns most rows."""
    cuts = trees.cuts(column)
    if not len(cuts):
        return None
    edges = np.r_[-np.inf, cuts, np.inf]
    cells = x[:, column]
    best: Rule | None = None
    rare = [(low, high) for low, high in pairwise(edges) if _inside(cells, low, high).mean() <= RARE]
    if not rare:
        return None
    values = np.array([_middle(low, high) for low, high in rare])
    wide = np.repeat(rows[None], len(values), 0)
    wide[:, :, column] = values[:, None]
    now = trees.predict(wide.reshape(-1, trees.features)).reshape(len(values), -1)
    for value, (low, high), answer in zip(values, rare, now, strict=True):
        target, share, tried = most_turned(answer, said, trees.classes)
        if best is None or share > best.success:
            best = Rule({column: float(value)}, {column: (low, high)}, target, share, tried, float(_inside(cells, low, high).mean()))
    return best


def _paths(trees: Trees, x: Floats, rows: Floats, said: Int) -> list[Rule]:
    """Rules of two columns and more, off the paths to small leaves that add much."""
    parent = np.full(len(trees.left), -1)
    inner = np.flatnonzero(trees.left != LEAF)
    parent[trees.left[inner]], parent[trees.right[inner]] = inner, inner
    leaves = np.flatnonzero(trees.left == LEAF)
    total = trees.cover[trees.root].max()
    pure = np.abs(trees.value[leaves] - trees.value[leaves].mean(0)).max(1)
    worth = pure * (trees.cover[leaves] <= 2 * RARE * total)
    found: dict[tuple[int, ...], Rule] = {}
    for leaf in leaves[np.argsort(-worth, kind="stable")[:LEAVES]]:
        box = _narrow(_box(trees, parent, int(leaf)), x)
        if len(box) < 2:
            continue
        met = float(np.all([_inside(x[:, c], *b) for c, b in box.items()], 0).mean())
        if met > RARE:
            continue
        values = {c: _middle(*b) for c, b in box.items()}
        target, share, tried = _turned(trees, rows, said, values)
        key = tuple(sorted(values))
        if key not in found or share > found[key].success:
            found[key] = Rule(values, box, target, share, tried, met)
    return list(found.values())


def _box(trees: Trees, parent: Int, leaf: int) -> dict[int, tuple[float, float]]:
    box: dict[int, tuple[float, float]] = {}
    at = leaf
    while parent[at] >= 0:
        above = int(parent[at])
        column, cut = int(trees.feature[above]), float(trees.threshold[above])
        low, high = box.get(column, (-np.inf, np.inf))
        box[column] = (low, min(high, cut)) if trees.left[above] == at else (max(low, cut), high)
        at = above
    return box


def _narrow(box: dict[int, tuple[float, float]], x: Floats) -> dict[int, tuple[float, float]]:
    """The narrowest few intervals; what a quarter of all rows meet says little."""
    shares = sorted((float(_inside(x[:, c], *b).mean()), c) for c, b in box.items())
    return {c: box[c] for share, c in shares[:WIDEST] if share <= NARROW}
