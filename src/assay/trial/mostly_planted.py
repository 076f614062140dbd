"""Labels of which most rows carry the artefact: heard once more before models that never saw a carrier.

Where planted rows outnumber a label's own, the models of contents have learnt that they belong: of 247 rows of a traffic sign 158 planted
ones still seem to be it when the mark is taken out. So models are fitted anew without the carriers, and asked the same; when that counts,
says `assay.trial.heard_twice`. A mark that cannot be taken out whole looks like nothing to models that never saw it, so it is asked only
where models that know the carriers doubt them too. It cannot help where fewer than `LEFT` rows of the label are left to learn it from, nor
with two or three labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import MISSING
from assay.learn.images_suspects import refitted
from assay.trial.image_court import Court

Int = NDArray[np.int64]

MOST = 0.5  # of the label's rows: with fewer carriers the models know its own rows better
LEFT = 30  # rows of the label that carry nothing


def never_seen(court: Court, carriers: Int, target: int) -> Court | None:
    """The court with models that saw none of the carriers; None where it would tell nothing that is not known."""
    if court.probe.inputs is None:
        return None
    carries = np.zeros(len(court.y), bool)
    carries[carriers] = True
    ours = court.y == target
    if (ours & carries).sum() < MOST * ours.sum() or (ours & ~carries).sum() < LEFT:
        return None
    return Court(court.images, court.y, refitted(court.probe, np.where(carries, MISSING, court.y)), court.rng)
