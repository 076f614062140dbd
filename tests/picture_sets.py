"""Data sets of pictures in memory, for tests of picture families."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.dataset.data import Columns, Dataset


def pictures(images: np.ndarray, y: np.ndarray) -> Dataset:
    """Pictures (n, h, w, c), labelled "0", "1", ... by `y` (n,)."""
    n, names = len(y), tuple(str(c) for c in range(int(y.max()) + 1))
    return Dataset(
        "memory", "numpy", "image", "classification", Columns((), ("label",)),
        pa.table({"label": pa.array([names[c] for c in y])}), images, np.arange(n), tuple(map(str, range(n))),
        np.zeros((n, 32), np.uint8), n, "", classes=names, y=y.astype(np.int64),
    )  # fmt: skip
