"""What families that part the labels of pictures ask of data."""

from __future__ import annotations

from assay.dataset.data import Dataset
from assay.finding import Check
from assay.trial.family import Depth

FEWEST = 1_000  # pictures: below, halves of ten classes hold too few rows to part any
MOST = 20_000  # rows looked at: some 5,000 numbers of each are held
LOOKED = "labels were parted, and rows named,"  # where they are not all


def partable(name: str, data: Dataset, depth: Depth) -> Check:
    """Whether a family of this name can part these labels, or why not."""
    if data.images is None:
        return Check(name, "not_applicable", "there are no pictures")
    if not data.labelled:
        return Check(name, "not_applicable", "there are no labels to part")
    if len(data) < FEWEST:
        return Check(name, "not_applicable", f"fewer than {FEWEST:,} pictures: too few to part labels in halves")
    if depth == "fast":
        return Check(name, "not_planned", "poison that shares no pixels is looked for at depth full")
    return Check(name, "ran")
