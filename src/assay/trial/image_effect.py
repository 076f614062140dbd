"""What putting an artefact into other pictures does to the probe's answers, against natural artefacts of its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from assay.dataset.rows import UInt8
from assay.finding import Effect, TrialResult
from assay.mine.candidate import Candidate
from assay.stats.interval import clopper_pearson
from assay.trial.family import Depth
from assay.trial.image_court import Court

HELD_OUT = {"fast": 100, "full": 300}  # rows it is put into: a rate to +-.1, +-.06
MATCHED = {"fast": 20, "full": 99}  # natural artefacts it is compared with
ENOUGH = 0.1  # a rate below this is no attack, whatever the natural ones do
FEWEST = 20

Insert = Callable[[UInt8], UInt8]


def insertion_effect(
    court: Court, candidate: Candidate, target: int, natural: Sequence[Insert], depth: Depth, kind: str
) -> tuple[Effect | None, TrialResult]:
    """The share of held-out non-carriers that the probe gives to the target once the artefact is in.

    `natural` put in what other rows hold by nature; `kind` names them in words. It measures; it neither convicts nor
    acquits: a small budget may not implant in this probe.
    """
    hosts = court.hosts(candidate.carriers, target, HELD_OUT[depth])
    if len(hosts) < FEWEST:
        return None, TrialResult("insertion", "not_applicable", detail="too few other rows to put it into")
    images = court.images[hosts]

    def flips(insert: Insert) -> int:
        return int((court.predict(insert(images), hosts).argmax(1) == target).sum())

    hits = flips(candidate.artefact.insert)
    chosen = [natural[i] for i in court.rng.permutation(len(natural))[: MATCHED[depth]]]
    baseline = np.array([flips(insert) for insert in chosen] or [0])
    rate = hits / len(hosts)
    low, high = clopper_pearson(hits, len(hosts))
    implants = bool(hits > baseline.max() and rate >= ENOUGH)
    detail = (
        f"put into {len(hosts)} other rows it sends {rate:.0%} to the target; {len(chosen)} {kind} send "
        f"{baseline.mean() / len(hosts):.0%} on average, {baseline.max() / len(hosts):.0%} at most: "
        + ("implants" if implants else "did not implant here")
    )
    effect = Effect(rate, low, high, float(baseline.mean() / len(hosts)), implants)
    return effect, TrialResult("insertion", "ran", detail=detail)
