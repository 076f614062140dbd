"""What a scan cannot see, in words: of this data, at this depth."""

from __future__ import annotations

from assay.dataset.data import Dataset
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
    return (*EVERYWHERE, ANEW, *of_pictures)
