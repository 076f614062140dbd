"""One data set seen as several questions: with several labels a row, each label is tried by itself.

A backdoor aims at one label; the set of all labels a row has makes classes too many and too small to be surprised at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from assay.dataset.data import MISSING, Dataset
from assay.dataset.labels import JOIN, NO_LABEL

LABELS_AT_MOST = 20  # labels tried, the commonest first: each costs a scan of its own
FEWEST = 20  # rows with, and rows without: fewer tell a probe nothing


@dataclass(frozen=True)
class View:
    """The data set, and what its families' names are followed by ("" where there is one view)."""

    data: Dataset
    suffix: str = ""


def views(data: Dataset) -> tuple[tuple[View, ...], tuple[str, ...]]:
    """The views, and the labels that are not tried. Rows keep their positions in every view."""
    if data.task != "multilabel" or not data.classes:
        return (View(data),), ()
    sets = [frozenset(() if name == NO_LABEL else name.split(JOIN)) for name in data.classes]
    labels = sorted({label for labels in sets for label in labels})
    known = data.y != MISSING
    has = {label: np.array([label in s for s in sets])[np.where(known, data.y, 0)] & known for label in labels}
    enough = [v for v in labels if min(has[v].sum(), (known & ~has[v]).sum()) >= FEWEST]
    tried = sorted(enough, key=lambda v: -int(has[v].sum()))[:LABELS_AT_MOST]
    return (
        tuple(View(replace(data, y=np.where(known, has[v], MISSING).astype(np.int64), classes=(f"not {v}", v)), f"[{v}]") for v in tried),
        tuple(v for v in labels if v not in tried),
    )
