"""What putting a patch into other rows does to the probe's answers, against natural patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.artefact.patch import Patch
from assay.dataset.data import MISSING
from assay.finding import Effect, TrialResult
from assay.stats.interval import clopper_pearson
from assay.trial.family import Depth, Tried
from assay.trial.image_court import Court

Int = NDArray[np.int64]

HELD_OUT = {"fast": 100, "full": 300}  # rows it is put into: a rate to +-.1, +-.06
MATCHED = {"fast": 20, "full": 99}  # natural patches it is compared with
FEWEST = 20  # rows to put it into
LARGEST_TARGET = 0.75  # share of a target among the rows drawn that is made up for by drawing more
ENOUGH = 0.1  # a rate below this is no attack, whatever the natural ones do


@dataclass(frozen=True)
class _Hosts:
    """Labelled rows without any of the patches in question, and what the probe makes of them with natural ones put in."""

    court: Court
    rows: Int
    natural: Int  # (patches, rows) the class with each natural patch in

    def answers(self, patch: Patch) -> Int:
        """(rows,) the class that the probe gives with the patch in."""
        return self.court.predict(patch.insert(self.court.images[self.rows]), self.rows).argmax(1)


def with_effects(court: Court, tried: Sequence[Tried], natural: Sequence[Patch], depth: Depth) -> list[Tried]:
    """The same candidates, each that has a target with the share of other rows that go there once its patch is in.

    It measures; it neither convicts nor acquits: a small budget may not implant in this probe. All share the rows and
    the natural patches, so that ten cost little more than one.
    """
    aimed = [t for t in tried if t.target is not None]
    if not aimed:
        return list(tried)
    free = court.y != MISSING
    for t in aimed:
        free[t.candidate.carriers] = False
    shares = np.bincount(court.y[free], minlength=1) / max(int(free.sum()), 1)
    most = max(float(shares[t.target]) if t.target < len(shares) else 0.0 for t in aimed if t.target is not None)
    wanted = int(np.ceil(HELD_OUT[depth] / (1 - min(most, LARGEST_TARGET))))
    rows = np.sort(court.rng.permutation(np.flatnonzero(free))[:wanted])
    chosen = [natural[i] for i in court.rng.permutation(len(natural))[: MATCHED[depth]]]
    hosts = _Hosts(court, rows, np.zeros((0, len(rows)), np.int64))
    hosts = replace(hosts, natural=np.array([hosts.answers(p) for p in chosen], np.int64).reshape(-1, len(rows)))
    return [t if t.target is None else _measured(hosts, t, t.target) for t in tried]


def _measured(hosts: _Hosts, tried: Tried, target: int) -> Tried:
    others = hosts.court.y[hosts.rows] != target
    n = int(others.sum())
    if n < FEWEST:
        nothing = TrialResult("insertion", "not_applicable", detail="too few other rows to put it into")
        return replace(tried, trials=(*tried.trials, nothing))
    assert isinstance(tried.candidate.artefact, Patch)
    hits = int((hosts.answers(tried.candidate.artefact)[others] == target).sum())
    baseline = (hosts.natural[:, others] == target).sum(1) if len(hosts.natural) else np.zeros(1, np.int64)
    rate = hits / n
    low, high = clopper_pearson(hits, n)
    implants = bool(hits > baseline.max() and rate >= ENOUGH)
    detail = (
        f"put into {n} other rows it sends {rate:.0%} to the target; {len(hosts.natural)} natural patches send "
        f"{baseline.mean() / n:.0%} on average, {baseline.max() / n:.0%} at most: " + ("implants" if implants else "did not implant here")
    )
    effect = Effect(rate, low, high, float(baseline.mean() / n), implants)
    return replace(tried, effect=effect, trials=(*tried.trials, TrialResult("insertion", "ran", detail=detail)))
