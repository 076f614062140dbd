"""What families that part the labels of pictures ask of data, and the rows that they look at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import Check
from assay.mine.candidate import Candidate
from assay.trial.family import Depth, Tried

Int = NDArray[np.int64]

FEWEST = 1_000  # pictures: below, halves of ten classes hold too few rows to part any
MOST = 20_000  # rows looked at: some 5,000 numbers of each are held


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


def drawn(data: Dataset, rng: np.random.Generator) -> tuple[Int, Dataset, tuple[str, ...]]:
    """The rows to look at, the data of these alone, and what is to be said where they are not all."""
    if len(data) <= MOST:
        return np.arange(len(data)), data, ()
    chosen = np.sort(rng.choice(len(data), MOST, replace=False))
    return chosen, data.subset(chosen), (f"labels were parted, and rows named, in {MOST:,} rows drawn at random",)


def in_whole(tried: Tried, chosen: Int) -> Tried:
    """The same, its rows named by their positions in the whole data set."""
    candidate = Candidate(tried.candidate.artefact, chosen[tried.candidate.carriers])
    return replace(tried, candidate=candidate, accused=None if tried.accused is None else chosen[tried.accused])
