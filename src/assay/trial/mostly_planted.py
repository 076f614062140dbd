"""Labels of which most rows carry the artefact: heard once more before models that never saw a carrier.

Where planted rows outnumber a label's own, the models of contents have learnt that they belong: of 247 rows of a traffic sign 158 planted
ones still seem to be it when the mark is taken out. So models are fitted anew without the carriers, and asked the same. A natural kind,
which most of a label's rows may be (one camera, one scene), looks unlike its label too when it was never seen, as does a mark that cannot
be taken out whole: so it is asked only where models that know the carriers doubt them too, and counts only where no other label holds more
than `ONE_KIND` of the carriers. It cannot help where fewer than `LEFT` rows of the label are left to learn it from, nor with two or three
labels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import MISSING
from assay.learn.images_suspects import refitted
from assay.trial.family import Tried
from assay.trial.image_court import Court

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST = 0.5  # of the label's rows: with fewer carriers the models know its own rows better
LEFT = 30  # rows of the label that carry nothing
ONE_KIND = 0.3  # share of the carriers that look most like one other label: poison comes from all


def never_seen(court: Court, carriers: Int, target: int | None) -> Court | None:
    """The court with models that saw none of the carriers; None where it would tell nothing that is not known."""
    if target is None or court.probe.inputs is None:
        return None
    carries = np.zeros(len(court.y), bool)
    carries[carriers] = True
    ours = court.y == target
    if (ours & carries).sum() < MOST * ours.sum() or (ours & ~carries).sum() < LEFT:
        return None
    return Court(court.images, court.y, refitted(court.probe, np.where(carries, MISSING, court.y)), court.rng)


def looks_most_like(p: Floats, target: int | None) -> float:
    """The largest share of the rows of `p` (m, k) whose likeliest label, `target` aside, is the same."""
    elsewhere = p.copy()
    if target is not None:
        elsewhere[:, target] = 0
    return float(np.bincount(elsewhere.argmax(1)).max() / max(len(p), 1))


def of_both(first: Tried, again: Tried, one_kind: float) -> Tried:
    """The verdict of both hearings, by the mean of their e-values; of the first alone where the second does not count."""
    if again.target != first.target or one_kind > ONE_KIND or again.log_e <= first.log_e:
        return first
    log_e = float(np.logaddexp(first.log_e, again.log_e) - np.log(2))
    return replace(again, log_e=log_e, p_value=min(1.0, 2 * min(first.p_value, again.p_value)))
