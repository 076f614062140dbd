"""A probe for tables whose label is a number: what value does the rest of a row foresee, with some of its columns taken out?

The sibling of `assay.learn.tables`: boosted trees, cross-fitted, trained on every row as it is and with cells missing at random. It
learns the value's rank among all rows (0 to 1), so that a long tail or a change of units changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingRegressor

from assay.learn.columns import Bools, Coded, Floats, never_empty
from assay.learn.forest import GONE, Forest, Places, placed
from assay.learn.tables import (
    BATCH,
    FOLDS,
    FOLDS_SMALL,
    LEAF,
    LEAF_SHARE,
    MASKED,
    PIECE,
    RATE,
    SMALL,
    TRAIN_AT_MOST,
    TREES,
    bucketed,
    fold_numbers,
)  # fmt: skip
from assay.learn.threads import in_parallel

Int = NDArray[np.int64]


@dataclass(frozen=True)
class ValueProbe:
    """Boosted trees, one forest a fold; row i is only ever judged by `forests[fold[i]]`, which never saw it or its equals.

    `places` (n, d): where a row's cells lie for the one that judges it.
    """

    forests: tuple[Forest, ...]
    fold: Int
    places: Places

    def without(self, rows: Int, columns: Bools) -> Floats:
        """(m,) out-of-fold ranks foreseen for these rows with some columns taken out: `columns` (m, d), or (1, d) for all alike."""
        out = np.empty(len(rows))
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            gone = columns if len(columns) == 1 else columns[start : start + BATCH]
            places, fold = self.places[part], self.fold[part]
            np.copyto(places, GONE, where=gone)
            pieces: list[tuple[Forest, Int]] = []
            for number, forest in enumerate(self.forests):
                mine = np.flatnonzero(fold == number)
                pieces += [(forest, mine[i : i + PIECE]) for i in range(0, len(mine), PIECE)]
            told = in_parallel(lambda piece, places=places: piece[0].raw(places[piece[1]])[:, 0], pieces)  # type: ignore[misc]
            for (_, mine), values in zip(pieces, told, strict=True):
                out[start + mine] = values
        return out


def value_ranks(values: Floats) -> Floats:
    """(n,) rank of each number among all, over their count; equal numbers share the middle one; missing stays NaN.

    >>> value_ranks(np.array([10.0, 30.0, np.nan, 10.0])).tolist()
    [0.5, 1.0, nan, 0.5]
    """
    known = np.isfinite(values)
    out = np.full(len(values), np.nan)
    out[known] = rankdata(values[known]) / max(int(known.sum()), 1)
    return out


def fit_value_probe(coded: Coded, ranks: Floats, rng: np.random.Generator, shown: Floats | None = None) -> ValueProbe:
    """Learns `ranks` (n,) (NaN: judged but not learnt from) from the other folds' rows; `shown` as in `fit_table_probe`."""
    cells = bucketed(coded.numeric, coded.cells)
    learnt_from = cells if shown is None else bucketed(coded.numeric, shown)
    folds = FOLDS_SMALL if len(ranks) < SMALL else FOLDS
    fold = fold_numbers(coded.same, np.nan_to_num(10 * ranks, nan=-1.0).astype(np.int64), folds, rng)
    usable = np.flatnonzero(np.isfinite(ranks))
    if len(usable) > TRAIN_AT_MOST:
        usable = np.sort(rng.choice(usable, TRAIN_AT_MOST, replace=False))

    def learnt(number: int, seed: int) -> HistGradientBoostingRegressor:
        mine = usable[fold[usable] != number]
        chance = np.random.default_rng(seed)
        copy = learnt_from[mine].copy()
        copy[chance.random(copy.shape) < MASKED] = np.nan
        model = HistGradientBoostingRegressor(
            max_iter=TREES,
            learning_rate=RATE,
            min_samples_leaf=int(np.clip(LEAF_SHARE * len(mine), 5, LEAF)),
            early_stopping=False,
            categorical_features=~coded.numeric,
            random_state=int(chance.integers(2**31)),
        )
        return model.fit(never_empty(np.vstack([learnt_from[mine], copy])), np.concatenate([ranks[mine], ranks[mine]]))

    seeds = rng.integers(2**31, size=folds).tolist()
    forests = tuple(Forest.of(model) for model in in_parallel(lambda which: learnt(*which), list(enumerate(seeds))))
    return ValueProbe(forests, fold, placed(forests, cells, fold))
