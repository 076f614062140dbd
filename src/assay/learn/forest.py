"""Boosted trees asked for many rows at once: every cell is a place in its column, every tree a set of leaves that are still possible.

The guarantee: what scikit-learn's `predict_proba` and `predict` give of the same model, to the bit before the link function, in a third to
an eighth of the time. A row's cell says of each tree which leaves it leaves possible; their intersection over the columns is one leaf
(Lucchese et al. 2015, QuickScorer, SIGIR; here with both sides of a question taken away, so that one bit is left). Where cells lie among a
model's thresholds is told once, however often rows are asked with cells taken out.

Reads private parts of scikit-learn's models (`_predictors`, `_preprocessor`, `_baseline_prediction`; alike from 1.6 to 1.9): each forest is
held to its model's public answers before it is used, and `Misread` is raised where they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.uint8]
Int = NDArray[np.int64]

PLACES, GONE = 256, 255  # of a cell, the last for a missing one: a model tells at most 255 others apart
TOGETHER, BLOCK = 64, 2_048  # trees, and rows, that are asked together: of 31 leaves they take half a megabyte, and stay in the cache
WIDTHS = (8, 16, 32, 64)  # bits, of which a tree's leaves take the first that they fit
ASKED = 64  # rows that a forest and its model are both asked, made of cells at all kinds of places: 2 to 5 ms
GAP = 7  # of which every seventh cell of a column is missing
READ = "scikit-learn>=1.6,<1.10"  # whose models are read here


class Misread(RuntimeError):
    """The forest is not the model: this scikit-learn lays its trees out in another way."""


@dataclass(frozen=True)
class Some:
    """A few of the trees: from the first of them on, and what each place of a column that they ask leaves possible, (256, trees)."""

    first: int
    asked: tuple[tuple[int, NDArray[Any]], ...]


@dataclass(frozen=True)
class Forest:
    """A fitted model. `edges` (d,): of a column of numbers its thresholds, of a column of categories (`named`) those it knows; `value`
    (trees, leaves) what a leaf adds, tree t to output t modulo their number; `base` (outputs,).
    """

    edges: tuple[Floats, ...]
    named: Bools
    trees: tuple[Some, ...]
    value: Floats
    base: Floats

    @staticmethod
    def of(model: HistGradientBoostingClassifier | HistGradientBoostingRegressor) -> Forest:
        """The trees of a fitted model, of at most 64 leaves each. Misread where they are laid out in a way that is not known here."""
        try:
            forest = Forest._of(model)
            agrees = forest._agrees(model)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise Misread(_misread(f"{type(error).__name__}: {error}")) from error
        if not agrees:
            raise Misread(_misread("the trees, as they are read here, answer otherwise than the model"))
        return forest

    @staticmethod
    def _of(model: HistGradientBoostingClassifier | HistGradientBoostingRegressor) -> Forest:
        named, known = _categories(model)
        order = np.concatenate([np.flatnonzero(named), np.flatnonzero(~named)])  # in which the model itself has its columns
        trees = [(tree.nodes, tree.raw_left_cat_bitsets) for step in model._predictors for tree in step]
        column = [np.where(nodes["is_leaf"], -1, order[nodes["feature_idx"]]) for nodes, _ in trees]
        edges = []
        for j, categories in enumerate(known):
            thresholds = [nodes["num_threshold"][of == j] for (nodes, _), of in zip(trees, column, strict=True)]
            edges.append(np.unique(np.concatenate(thresholds)) if categories is None else categories)
        leaves = max(int(nodes["is_leaf"].sum()) for nodes, _ in trees)
        value = np.zeros((len(trees), leaves))
        kind = np.dtype(f"u{next(width for width in WIDTHS if width >= leaves) // 8}")
        some = []
        for first in range(0, len(trees), TOGETHER):
            mine = trees[first : first + TOGETHER]
            every = np.array([_bits((0, int(nodes["is_leaf"].sum())), kind) for nodes, _ in mine], kind)
            possible: dict[int, NDArray[Any]] = {}
            for t, (nodes, bits) in enumerate(mine):
                below = _below(nodes)
                end = np.flatnonzero(nodes["is_leaf"])
                value[first + t, below[end, 0]] = nodes["value"][end]
                for node, j in zip(nodes, column[first + t], strict=True):
                    if j >= 0:
                        left, right = (~_bits(below[node[side]], kind) for side in ("left", "right"))
                        if j not in possible:
                            possible[int(j)] = np.tile(every, (PLACES, 1))
                        possible[int(j)][:, t] &= np.where(_goes_left(node, edges[j], bits), right, left)
            some.append(Some(first, tuple(sorted(possible.items(), key=lambda p: p[0]))))
        return Forest(tuple(edges), named, tuple(some), value, np.asarray(model._baseline_prediction, np.float64).ravel())

    def _agrees(self, model: Any) -> bool:
        """Whether it says what the model's public methods say of rows whose cells lie at and between the edges, are missing, or are of no
        category that is known."""
        cells = np.full((ASKED, len(self.edges)), np.nan)
        for j, edges in enumerate(self.edges):
            known = edges[np.isfinite(edges)]
            kinds = np.concatenate([known, (known[1:] + known[:-1]) / 2, known[:1] - 1, known[-1:] + 1])
            if len(kinds):
                cells[:, j] = np.sort(kinds)[(np.arange(ASKED) * (2 * j + 1) * len(kinds) // ASKED) % len(kinds)]
            cells[j % GAP :: GAP, j] = np.nan
        asked = model.decision_function if hasattr(model, "decision_function") else model.predict
        return bool(np.allclose(self.raw(self.places(cells)), np.reshape(asked(cells), (ASKED, -1)), rtol=1e-9, atol=1e-12))

    def places(self, cells: Floats) -> Places:
        """(m, d) where each cell lies: between which thresholds, or which category; `GONE` where it is missing or a category unknown."""
        out = np.empty(cells.shape, np.uint8)
        for j, edges in enumerate(self.edges):
            out[:, j] = self._placed(cells[:, j], edges, bool(self.named[j]))
        return out

    def _placed(self, cells: Floats, edges: Floats, named: bool) -> Places:
        place = np.searchsorted(edges, cells)
        missing = np.isnan(cells)
        if named and len(edges):
            missing |= edges[np.minimum(place, len(edges) - 1)] != cells
        elif named:
            missing[:] = True
        return np.where(missing, GONE, place).astype(np.uint8)

    def recoded(self, cells: Floats) -> Forest:
        """The same trees for rows whose places are the numbers of lines of `cells` (256, d), which hold what the cells there are."""
        line = self.places(cells)
        trees = tuple(Some(some.first, tuple((j, table[line[:, j]]) for j, table in some.asked)) for some in self.trees)
        return replace(self, trees=trees)

    def raw(self, places: Places) -> Floats:
        """(m, outputs) sums of leaves: log odds of two classes, a logarithm for each of more, or the number foretold."""
        out = np.tile(self.base, (len(places), 1))
        for start in range(0, len(places), BLOCK):
            block, sums = places[start : start + BLOCK], out[start : start + BLOCK]
            for some in self.trees:
                leaves = np.zeros((min(TOGETHER, len(self.value) - some.first), len(block)), np.uint8)
                if some.asked:
                    left = _intersection(block, some.asked)
                    leaves = np.bitwise_count(left - left.dtype.type(1)).T  # one bit is left: so many leaves lie before it
                for t, leaf in enumerate(leaves, some.first):
                    sums[:, t % len(self.base)] += self.value[t].take(leaf, mode="clip")
        return out


def probabilities(forest: Forest, places: Places) -> Floats:
    """(m, classes) as `predict_proba` gives them."""
    raw = forest.raw(places)
    if raw.shape[1] == 1:
        second = expit(raw[:, 0])
        return np.column_stack([1 - second, second])
    raw -= raw.max(1, keepdims=True)
    np.exp(raw, out=raw)
    return np.asarray(raw / raw.sum(1, keepdims=True))


def placed(forests: Sequence[Forest], cells: Floats, fold: Int) -> Places:
    """(m, d) where the cells of each row lie for the forest that its `fold` (m,) names."""
    out = np.empty(cells.shape, np.uint8)
    for number, forest in enumerate(forests):
        mine = np.flatnonzero(fold == number)
        out[mine] = forest.places(cells[mine])
    return out


def _intersection(block: Places, asked: tuple[tuple[int, NDArray[Any]], ...]) -> NDArray[Any]:
    (first, table), *others = asked
    left = table.take(block[:, first], axis=0, mode="clip")
    for j, table in others:
        left &= table.take(block[:, j], axis=0, mode="clip")
    return left


def _misread(why: str) -> str:
    return f"the boosted trees of scikit-learn {sklearn.__version__} cannot be read ({why}). Remedy: pip install '{READ}'"


def _categories(model: Any) -> tuple[Bools, list[Floats | None]]:
    """(d,) which columns are categories to this model, and of these the ones it knows, sorted."""
    d = model.n_features_in_
    if model._preprocessor is None:
        return np.zeros(d, bool), [None] * d
    named = np.asarray(model.is_categorical_, bool)
    known: list[Floats | None] = [None] * d
    for j, categories in zip(np.flatnonzero(named), model._preprocessor.named_transformers_["encoder"].categories_, strict=True):
        known[j] = np.asarray(categories, np.float64)[~np.isnan(np.asarray(categories, np.float64))]
    return named, known


def _below(nodes: NDArray[Any]) -> Int:
    """(nodes, 2) the first leaf below each node and the one after its last, leaves being numbered from left to right."""
    below = np.zeros((len(nodes), 2), np.int64)

    def number(i: int, first: int) -> int:
        end = first + 1 if nodes[i]["is_leaf"] else number(int(nodes[i]["right"]), number(int(nodes[i]["left"]), first))
        below[i] = first, end
        return end

    number(0, 0)
    return below


def _bits(leaves: Sequence[int] | Int, kind: np.dtype[Any]) -> Any:
    first, end = map(int, leaves)
    return kind.type((1 << end) - (1 << first))


def _goes_left(node: Any, edges: Floats, bits: NDArray[np.uint32]) -> Bools:
    """(256,) whether a row goes left at this node, by its place in the node's column."""
    place = np.arange(PLACES)
    if node["is_categorical"]:
        held = bits[int(node["bitset_idx"])]
        left = (held[place >> 5] >> (place & 31).astype(np.uint32)) & 1 == 1
        left[len(edges) :] = node["missing_go_to_left"]
    else:
        left = place <= np.searchsorted(edges, node["num_threshold"])
    left[GONE] = node["missing_go_to_left"]
    return np.asarray(left, bool)
