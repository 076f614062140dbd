"""Can a classifier tell new rows from trusted ones? The two-sample test by classification, cross-fitted.

Guarantee: P(p <= a) <= a where both are exchangeable: given the half it was learnt on, the classifier's scores on the other half are
exchangeable between new and trusted rows. Lopez-Paz and Oquab 2017, "Revisiting Classifier Two-Sample Tests", ICLR; the two halves'
p-values, which depend on each other, are joined by twice their mean (Vovk and Wang 2020, Biometrika 107).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from assay.dataset.data import Dataset
from assay.learn.columns import code_columns
from assay.screen.statistics import joined_text, row_statistics
from assay.stats.exchangeable import more_often
from assay.stats.ranks import stands_low
from assay.validate.beside import Beside

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

# Rows learnt from and judged, of each side: AUROC is then known to a hundredth.
MOST_ROWS = 10_000
FEWEST_ROWS = 60
# A few rows of a new kind do not move ranks on the whole: the highest scores are looked at by themselves too.
TOP = 0.02
# Categories past this many share codes (boosted trees take at most 255).
CODES = 250
WORD_BITS = 15
GRID = 8  # pictures are seen as 8 x 8 cells


@dataclass(frozen=True)
class Joint:
    """`auroc` of telling new rows from trusted ones, out of fold, over the `rows` that were judged."""

    auroc: float
    p: float
    rows: int


def joint_test(beside: Beside, rng: np.random.Generator) -> Joint | None:
    """None where there are too few rows to learn from. Sees what boosted trees see in columns and in pictures of 8 x 8 cells, and a linear
    model in words.
    """
    new = beside.new
    if min(int(new.sum()), int((~new).sum())) < FEWEST_ROWS:
        return None
    keep = np.sort(
        np.concatenate(
            [r if len(r) <= MOST_ROWS else rng.choice(r, MOST_ROWS, replace=False) for r in (np.flatnonzero(new), np.flatnonzero(~new))]
        )
    )
    x, categorical = seen(beside.both.subset(keep))
    side = new[keep]
    half = np.zeros(len(side), bool)
    for rows in (np.flatnonzero(side), np.flatnonzero(~side)):
        half[rng.permutation(rows)[: len(rows) // 2]] = True
    p: list[float] = []
    auroc: list[float] = []
    for learn in (half, ~half):
        model = _model(x, categorical, rng).fit(x[learn], side[learn], sample_weight=_weights(side[learn]))
        score = model.predict_proba(x[~learn])[:, 1]
        p.append(_p_value(score, side[~learn], rng))
        auroc.append(float(roc_auc_score(side[~learn], score)))
    return Joint(float(np.mean(auroc)), min(1.0, 2 * float(np.mean(p))), len(side))


def _p_value(score: Float, new: Bool, rng: np.random.Generator) -> float:
    ranks = stands_low(-score[new], -score[~new])
    order = np.lexsort((rng.random(len(score)), -score))
    top = new[order[: max(int(TOP * len(score)), 1)]]
    few = more_often(int(top.sum()), len(top), int(new.sum() - top.sum()), len(new) - len(top))
    return min(1.0, 2 * min(ranks, few))


def _weights(side: Bool) -> Float:
    """Both sides weigh the same, however many rows they have."""
    share = side.mean()
    return np.where(side, 0.5 / max(share, 1e-9), 0.5 / max(1 - share, 1e-9))


def _model(x: Any, categorical: Bool | None, rng: np.random.Generator) -> Any:
    if sp.issparse(x):
        return LogisticRegression(C=1.0, max_iter=200)
    return HistGradientBoostingClassifier(
        max_iter=60, early_stopping=False, categorical_features=categorical, random_state=int(rng.integers(2**31))
    )


def seen(both: Dataset, with_labels: bool = True) -> tuple[Any, Bool | None]:
    """What the classifier learns from, and which columns of it hold codes."""
    if both.images is not None:
        return np.column_stack([picture_cells(both.images), row_statistics(both).values]), None
    if both.modality == "text":
        words = HashingVectorizer(n_features=2**WORD_BITS, alternate_sign=False, norm="l2", ngram_range=(1, 2))
        return words.transform(joined_text(both).to_pylist()), None
    coded = code_columns(both.table, [*both.columns.content, *(both.columns.label if with_labels else ())])
    cells = coded.cells.copy()
    for j in np.flatnonzero(~coded.numeric):
        cells[:, j] = np.where(cells[:, j] >= CODES, CODES, cells[:, j])
    return cells, ~coded.numeric


def picture_cells(images: NDArray[np.uint8]) -> Float:
    """(n, cells * c) mean of each of at most 8 x 8 equal cells."""
    n, height, width, channels = images.shape
    rows = np.linspace(0, height, min(GRID, height) + 1).astype(int)
    cols = np.linspace(0, width, min(GRID, width) + 1).astype(int)
    out = np.empty((n, len(rows) - 1, len(cols) - 1, channels), np.float32)
    for a in range(len(rows) - 1):
        for b in range(len(cols) - 1):
            out[:, a, b] = images[:, rows[a] : rows[a + 1], cols[b] : cols[b + 1]].mean(axis=(1, 2))
    return out.reshape(n, -1).astype(np.float64)
