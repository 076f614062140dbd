"""Rows that random cuts set apart early: the isolation forest, on numbers and rare categories or on features.

Liu, Ting and Zhou 2008, "Isolation Forest", ICDM. scikit-learn's `contamination` is never used: it fixes the share
flagged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from assay.finding import RowScore
from assay.screen.context import Context
from assay.screen.row_blocks import RowBlocks
from assay.screen.statistics import finite_or
from assay.screen.tail import BOUNDED, beyond_tail, tail_bound

Float = NDArray[np.float64]

# Trees, and rows a tree: the paper's own figures, past which its scores settle.
TREES = 100
ROWS_A_TREE = 256


def isolation_score(values: RowBlocks, forest: IsolationForest) -> Float:
    """(n,) in (0, 1): 0.5 is usual, towards 1 set apart early. `values` (n, m) finite. Linear in rows."""
    return np.concatenate(list(values.map(_score_of, values.engine.put(forest))))


def _score_of(block: Float, forest: IsolationForest) -> Float:
    return np.asarray(-forest.score_samples(block), np.float64)


def isolation_fit(values: Float, rng: np.random.Generator) -> IsolationForest:
    """The forest itself, grown on `values` (n, m), finite."""
    forest = IsolationForest(n_estimators=TREES, max_samples=min(ROWS_A_TREE, len(values)), random_state=int(rng.integers(2**31)))
    return forest.fit(values)


def run(context: Context) -> RowScore:
    """The screen: features where there are some and the rows are not a table (whose own columns say more), else
    numbers.
    """
    if context.data.modality == "table" or context.features is None:
        values, blocks = context.table_values, context.table_blocks
        where = "its values together are"
    else:
        features = np.asarray(context.features, np.float64)
        values = finite_or(features, np.zeros(features.shape[1]))
        blocks = RowBlocks.of(values)
        where = "its features are"
    score = isolation_score(blocks, isolation_fit(values, context.rng))
    return RowScore(
        "isolation_forest",
        score,
        beyond_tail(score, lightest=BOUNDED),
        f"{where} set apart from the rest by few random cuts",
        tail_bound(score, lightest=BOUNDED),
    )
