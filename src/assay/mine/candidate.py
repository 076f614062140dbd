"""What a miner hands to the trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.artefact.base import Artefact


@dataclass(frozen=True)
class Candidate:
    """A proposed artefact and the positions of the rows that carry it (sorted, distinct)."""

    artefact: Artefact
    carriers: NDArray[np.int64]


@dataclass(frozen=True)
class Mined:
    """A short list, and the number of artefacts that were enumerated to make it: all of them are hypotheses and are counted."""

    candidates: tuple[Candidate, ...]
    enumerated: int
