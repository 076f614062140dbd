"""Controls: the rows that an artefact's carriers are held against, by label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Controls:
    """What other rows say, for the asking: of a label t each time, and none of it before it is needed.

    `others(t)` (b,): support for t of the other rows labelled t, each with its own most t-supporting part of the artefact's size removed.

    `strangers(t)` (c,): support for t of the rows that are not labelled t, as they are. Without it nothing acquits, no carrier is told from
    another, and nothing is won on cover rows.

    `ordinary()` (r,): `assay.trial.belonging.belonging` of rows of any label, each in its own. With it, and `strangers`, a label with few
    other rows is helped out by the rows of all labels (`assay.trial.belonging.unlike_ordinary`).

    `checked(t)` (m,): how likely each carrier is to be labelled t, by what rows say that have lost as much (`assay.trial.foreseen`). With
    it surprise is asked again (`assay.trial.surprise.checked_surprise`), and the lesser counts.

    `weighed()` (m, k): what a probe's word of the carriers is worth, by what it is worth of rows that have lost as much, for all labels
    (`assay.trial.tempered`). With it surprise is asked again under that, and the lesser counts.

    `odds(t)`: rows labelled t for each with another label; without it as `others` and `strangers` are (`assay.trial.accused`).
    """

    others: Callable[[int], Floats]
    strangers: Callable[[int], Floats] | None = None
    ordinary: Callable[[], Floats] | None = None
    checked: Callable[[int], Floats] | None = None
    weighed: Callable[[], Floats] | None = None
    odds: Callable[[int], float] | None = None
