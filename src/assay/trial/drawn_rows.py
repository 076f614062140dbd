"""Families that look at some of the rows only: which, and what they found named in the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.mine.candidate import Candidate
from assay.trial.family import Tried

Int = NDArray[np.int64]


def drawn(data: Dataset, most: int, rng: np.random.Generator, looked: str) -> tuple[Int, Dataset, tuple[str, ...]]:
    """At most so many rows, the data of these alone, and a note where they are not all: `looked`, "in n rows drawn at random"."""
    if len(data) <= most:
        return np.arange(len(data)), data, ()
    chosen = np.sort(rng.choice(len(data), most, replace=False))
    return chosen, data.subset(chosen), (f"{looked} in {most:,} rows drawn at random",)


def in_whole(tried: Tried, chosen: Int) -> Tried:
    """The same, its rows named by their positions in the whole data set."""
    candidate = Candidate(tried.candidate.artefact, chosen[tried.candidate.carriers])
    return replace(tried, candidate=candidate, accused=None if tried.accused is None else chosen[tried.accused])
