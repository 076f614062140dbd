"""What a scan cannot see, in words: of this data, at this depth."""

from __future__ import annotations

import numpy as np

from assay.dataset.data import MISSING, Dataset
from assay.trial.canaries import SMALL
from assay.trial.family import Depth

EVERYWHERE = (
    "Poison in fewer than five rows (ten in a table), or that shares nothing with any other row (the screens rank those for review).",
    "Triggers planted without changing labels: at most suspected, because such rows agree with their label.",
)
ANEW = "Triggers that are spelt or drawn anew in every row (sample-specific, styled)."
PICTURES = {
    "fast": "In pictures, warps, coarse palettes and overlays of a few frequencies (sine waves): they are looked for at depth full.",
    "full": "In pictures, warps, coarse palettes and triggers drawn anew in fewer than some fiftieth of the rows, or two hundred; messages "
    "hidden anew in each; what one label's rows hold beside a part that nature sets apart more clearly.",
}


def blind_spots(data: Dataset, depth: Depth) -> tuple[str, ...]:
    """Lines for a report; they say what no check of this kind of data sees, not what a check that failed would have seen."""
    of_pictures = () if data.images is None else (PICTURES[depth],)
    return (*EVERYWHERE, *_small_classes(data), ANEW, *of_pictures)


def _small_classes(data: Dataset) -> tuple[str, ...]:
    """Classes for which the canaries do not speak."""
    size = np.bincount(data.y[data.y != MISSING], minlength=len(data.classes))
    small, there = np.count_nonzero((size > 0) & (size < SMALL)), np.count_nonzero(size)
    if not small:
        return ()
    told = f"{small:,} of {there:,} classes have fewer than {SMALL} rows: triggers for them are caught less often"
    return (f"{told}." if small == there else f"{told} than the sensitivity says, which is of larger ones.",)
