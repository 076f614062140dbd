"""What is odd in clean data by nature: rows twice, signatures, watermarks, borders, sentinels, rare classes, wrong labels.

Each change is made at random, whatever the label, so that a scan that removes rows for it is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.bench import sets as real_sets
from assay.dataset.data import MISSING, Dataset, Modality

SIGNATURE = "\n--\nSent from my mobile device. Please excuse brevity."
RARE = 10.0  # times as many rows in the largest class as in the smallest, at least
WRONG = 0.05  # of the labels: Northcutt, Athalye, Mueller, 2021, estimate 3.3 % on average in ten test sets


def rebuilt(data: Dataset, table: pa.Table | None = None, images: NDArray[np.uint8] | None = None) -> Dataset:
    """The data with other content, numbered and digested anew."""
    labels = [data.classes[c] for c in data.y]
    table = data.rows.table if table is None else table
    images = data.images if images is None else images
    return real_sets.in_memory(data.modality, labels, table if table.num_columns else None, images, data.path)


def duplicated(data: Dataset, rng: np.random.Generator) -> Dataset:
    """5 % of the rows a second time, anywhere."""
    again = rng.choice(len(data), max(len(data) // 20, 1), replace=False)
    return rebuilt(data.subset(rng.permutation(np.r_[np.arange(len(data)), again])))


def boilerplate(data: Dataset, rng: np.random.Generator) -> Dataset:
    """The same signature under 10 % of the texts."""
    table = data.rows.table
    name = table.column_names[-1]
    marked = rng.random(len(data)) < 0.1
    texts = [(t or "") + SIGNATURE if m else t for t, m in zip(table.column(name).to_pylist(), marked, strict=True)]
    return rebuilt(data, table=table.set_column(table.column_names.index(name), name, pa.array(texts)))


def watermarked(data: Dataset, rng: np.random.Generator) -> Dataset:
    """A ring, a quarter of the picture wide, half transparent in the lower right corner, on 5 % of the pictures."""
    assert data.images is not None
    images = data.images.copy()
    _, height, width, _ = images.shape
    side = max(min(height, width) // 4, 4)
    row, column = np.mgrid[:side, :side] - (side - 1) / 2
    ring = np.abs(np.hypot(row, column) - side / 3) < side / 8 + 0.3
    marked = np.flatnonzero(rng.random(len(data)) < 0.05)
    corner = images[marked, height - side - 1 : height - 1, width - side - 1 : width - 1].astype(float)
    corner[:, ring] = 0.5 * corner[:, ring] + 0.5 * 255
    images[marked, height - side - 1 : height - 1, width - side - 1 : width - 1] = corner.astype(np.uint8)
    return rebuilt(data, images=images)


def bordered(data: Dataset, rng: np.random.Generator) -> Dataset:
    """A black frame, a sixteenth of the picture wide, on 10 % of the pictures."""
    assert data.images is not None
    images = data.images.copy()
    edge = max(min(images.shape[1:3]) // 16, 1)
    marked = np.flatnonzero(rng.random(len(data)) < 0.1)
    inner = images[marked, edge:-edge, edge:-edge].copy()
    images[marked] = 0
    images[marked[:, None, None], np.arange(edge, images.shape[1] - edge)[:, None], np.arange(edge, images.shape[2] - edge)] = inner
    return rebuilt(data, images=images)


def sentinel(data: Dataset, rng: np.random.Generator) -> Dataset:
    """-999 where a number is missing: 5 % of one numeric column, as exports write it."""
    table = data.rows.table
    numeric = [f.name for f in table.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]
    name = numeric[int(rng.integers(len(numeric)))]
    values = table.column(name).to_numpy().copy()
    values[rng.random(len(values)) < 0.05] = -999
    return rebuilt(data, table=table.set_column(table.column_names.index(name), name, pa.array(values)))


def imbalanced(data: Dataset, rng: np.random.Generator) -> Dataset:
    """Classes in an order drawn, their sizes falling evenly (as logarithms) to a tenth of the largest; none gains rows."""
    sizes = np.bincount(data.y[data.y != MISSING], minlength=len(data.classes))
    kept = [np.flatnonzero(data.y == MISSING)]
    for rank, label in enumerate(rng.permutation(len(data.classes))):
        rows = np.flatnonzero(data.y == label)
        goal = sizes.max() * RARE ** (-rank / max(len(data.classes) - 1, 1))
        kept.append(rng.choice(rows, min(len(rows), max(round(goal), 2)), replace=False))
    return rebuilt(data.subset(np.sort(np.concatenate(kept))))


def mislabelled(data: Dataset, rng: np.random.Generator) -> Dataset:
    """5 % of the rows under another label, drawn evenly, as careless annotators leave it."""
    k, y = len(data.classes), data.y.copy()
    wrong = np.flatnonzero((rng.random(len(y)) < WRONG) & (y != MISSING))
    y[wrong] = (y[wrong] + rng.integers(1, k, len(wrong))) % k
    return rebuilt(replace(data, y=y))


Change = Callable[[Dataset, np.random.Generator], Dataset]
VARIANTS: dict[str, tuple[Change, tuple[Modality, ...]]] = {
    "duplicated": (duplicated, ("text", "table", "image")),
    "boilerplate": (boilerplate, ("text",)),
    "watermarked": (watermarked, ("image",)),
    "bordered": (bordered, ("image",)),
    "sentinel": (sentinel, ("table",)),
    "imbalanced": (imbalanced, ("text", "table", "image")),
    "mislabelled": (mislabelled, ("text", "table", "image")),
}


def varied(data: Dataset, variant: str, rng: np.random.Generator) -> Dataset:
    """The data with a change, under its own class codes, so that rows held back before can be compared."""
    made = VARIANTS[variant][0](data, rng)
    codes = np.array([data.classes.index(name) for name in made.classes], np.int64)
    return replace(made, classes=data.classes, y=codes[made.y])
