"""A surrogate: a cheap model of the data, for attackers who choose rows or values by what a model will make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import Ridge

from assay.attack.base import Int
from assay.attack.labels import labelled
from assay.dataset.data import Dataset
from assay.dataset.rows import UInt8
from assay.learn.columns import code_columns

Floats = NDArray[np.float64]

SIDE = 16  # pixels a side to which pictures are averaged down: a linear model sees no more in them
WORDS = 1 << 14  # hashed word features: collisions are rare in a vocabulary of some thousand words
FEW = 20  # categories of a column that get a feature each; rarer ones share none
RIDGE = 1.0  # with features of unit scale; any value near it ranks rows alike
FOLDS = 5


def features(data: Dataset) -> Any:
    """(n, d) of what a model would see: shrunken pixels, hashed words, or standardised numbers; d is the same for all rows."""
    if data.images is not None:
        return shrunken(data.images).reshape(len(data), -1)
    table = data.table.select(list(data.columns.content))
    if data.modality == "text":
        texts = [" ".join(str(v) for v in row if v is not None) for row in zip(*(c.to_pylist() for c in table.columns), strict=True)]
        return HashingVectorizer(n_features=WORDS, alternate_sign=False).transform(texts)
    return table_features(table)[0]


def table_features(table: pa.Table) -> tuple[Floats, list[str]]:
    """(n, d) standardised numbers and one column a frequent category, missing as the mean; and the column each comes from."""
    coded = code_columns(table, table.column_names)
    made, names = [], []
    for name, numeric, cells in zip(coded.names, coded.numeric, coded.cells.T, strict=True):
        if numeric:
            known = np.isfinite(cells)
            mean, spread = (float(cells[known].mean()), float(cells[known].std())) if known.any() else (0.0, 1.0)
            made.append(np.where(known, (cells - mean) / max(spread, 1e-12), 0.0))
            names.append(name)
        else:
            for code in range(min(FEW, int(np.nanmax(cells, initial=-1)) + 1)):
                made.append((cells == code).astype(np.float64))
                names.append(name)
    return np.stack(made, 1) if made else np.zeros((table.num_rows, 0)), names


def shrunken(images: UInt8) -> Floats:
    """(n, h, w, c) in 0 .. 1, averaged over blocks so that no side is longer than SIDE (rows and columns left over are cut)."""
    n, h, w, c = images.shape
    a, b = max(1, h // SIDE), max(1, w // SIDE)
    kept = images[:, : h // a * a, : w // b * b].astype(np.float32) / 255
    return kept.reshape(n, h // a, a, w // b, b, c).mean((2, 4), dtype=np.float64)


def scores(data: Dataset, rng: np.random.Generator) -> Floats:
    """(n, classes) how much a ridge regression on 0/1 labels, fitted without the row's fold, supports each class.

    Rows without a label are scored by the first fold's model. About 1 for a class that is certain, and no probability.
    """
    x = features(data)
    known = np.flatnonzero(labelled(data))
    fold = np.zeros(len(data), np.int64)
    fold[known] = rng.permutation(len(known)) % FOLDS
    wanted = np.eye(len(data.classes))[np.maximum(data.y, 0)]
    result = np.zeros((len(data), len(data.classes)))
    for f in range(FOLDS):
        fit = known[fold[known] != f]
        result[fold == f] = Ridge(RIDGE).fit(x[fit], wanted[fit]).predict(x[np.flatnonzero(fold == f)])
    return result


def own_margin(data: Dataset, rng: np.random.Generator) -> Floats:
    """(n,) support for a row's own label less that for the best other; small: hard. Infinite without a label."""
    return runner_up(data, rng)[0]


def runner_up(data: Dataset, rng: np.random.Generator) -> tuple[Floats, Int]:
    """(n,) the margin as `own_margin` has it, and the class code of the best other class."""
    support = scores(data, rng)
    at = np.arange(len(data)), np.maximum(data.y, 0)
    own = support[at].copy()
    support[at] = -np.inf
    return np.where(labelled(data), own - support.max(1), np.inf), support.argmax(1)
