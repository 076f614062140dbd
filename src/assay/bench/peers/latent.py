"""What the peers that look into a victim share: its features of the training rows, class by class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from assay.bench.case import Case

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

FEWEST = 10  # rows of a class that can be split or decomposed


def features_by_class(case: Case) -> Iterator[tuple[int, Int, Floats]]:
    """(class, positions, (m, d) features) of every class with enough rows."""
    features = case.victim.features(case.data.rows)
    for label in range(len(case.data.classes)):
        rows = np.flatnonzero(case.data.y == label)
        if len(rows) >= FEWEST:
            yield label, rows, features[rows]
