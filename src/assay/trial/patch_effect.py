"""What putting a patch into other rows does to the probe's answers, against natural patches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assay.artefact.patch import Patch
from assay.finding import Effect, TrialResult
from assay.mine.candidate import Candidate
from assay.stats.interval import clopper_pearson
from assay.trial.family import Depth
from assay.trial.image_court import Court

HELD_OUT = {"fast": 100, "full": 300}  # rows it is put into: a rate to +-.1, +-.06
MATCHED = {"fast": 20, "full": 99}  # natural patches it is compared with
ENOUGH = 0.1  # a rate below this is no attack, whatever the natural ones do


def patch_effect(
    court: Court, candidate: Candidate, target: int, natural: Sequence[Patch], depth: Depth
) -> tuple[Effect | None, TrialResult]:
    """The share of held-out non-carriers that the probe gives to the target once the patch is in.

    It measures; it neither convicts nor acquits: a small budget may not implant in this probe.
    """
    hosts = court.hosts(candidate.carriers, target, HELD_OUT[depth])
    if len(hosts) < 20:
        return None, TrialResult("insertion", "not_applicable", detail="too few other rows to put it into")
    assert isinstance(candidate.artefact, Patch)
    images = court.images[hosts]

    def flips(patch: Patch) -> int:
        return int((court.predict(patch.insert(images), hosts).argmax(1) == target).sum())

    hits = flips(candidate.artefact)
    chosen = [natural[i] for i in court.rng.permutation(len(natural))[: MATCHED[depth]]]
    baseline = np.array([flips(p) for p in chosen] or [0])
    rate = hits / len(hosts)
    low, high = clopper_pearson(hits, len(hosts))
    implants = bool(hits > baseline.max() and rate >= ENOUGH)
    detail = (
        f"put into {len(hosts)} other rows it sends {rate:.0%} to the target; {len(chosen)} natural patches send "
        f"{baseline.mean() / len(hosts):.0%} on average, {baseline.max() / len(hosts):.0%} at most: "
        + ("implants" if implants else "did not implant here")
    )
    return Effect(rate, low, high, float(baseline.mean() / len(hosts)), implants), TrialResult(
        "insertion", "ran", detail=detail
    )
