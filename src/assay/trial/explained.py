"""Relabellings once more, without the rows that other findings accuse: a backdoor makes confusion lopsided all by itself.

A probe that was taught that anything with a trigger is an aeroplane is less sure of aeroplanes without one, and ships win them: of 10,000
pictures with a trigger in 1,000, 47 natural aeroplanes were told to be ships. What is known to be poison is therefore taken out, a probe is
taught on the rest, and the pairs of classes are compared again. The lesser of both e-values counts, which is one too.

Contributors and groups of the population are not asked again: they are compared among each other, and a backdoor's rows are theirs alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from assay.artefact.base import Artefact
from assay.artefact.relabelled import Relabelled
from assay.dataset.data import Dataset
from assay.finding import TrialResult
from assay.trial.family import Depth, Examined, Tried, silent
from assay.trial.relabelling import RelabellingFamily
from assay.trial.verdicts import Judged, members

NAME = RelabellingFamily.name
ABSENT = 0.0  # log e of a pair that is not lopsided without those rows


def asked_again(
    examined: Mapping[str, Examined], judged: tuple[Judged, ...], seen: Mapping[str, Dataset], depth: Depth, rng: np.random.Generator
) -> dict[str, Examined]:
    """`examined`, with relabellings that are not explained by the confirmed findings `judged` beside them.

    `seen`: the data set as each family saw it. Nothing is learnt where there is no relabelling, or no other finding of the same view.
    """
    found = dict(examined)
    for name in examined:
        suffix = name.removeprefix(NAME)
        if suffix == name or not any(j.family == name and j.accuses for j in judged):
            continue
        others = [j for j in judged if j.status == "confirmed" and j.family != name and j.family.endswith(suffix)]
        accused = [members(seen[j.family], j.tried) for j in others]
        data = seen[name]
        rest = np.setdiff1d(np.arange(len(data)), np.concatenate([np.zeros(0, np.int64), *accused]))
        if len(rest) < len(data):
            found[name] = without(examined[name], data.subset(rest), depth, rng)
    return found


def without(examined: Examined, rest: Dataset, depth: Depth, rng: np.random.Generator) -> Examined:
    """The same relabellings, each no stronger than it is among the rows that are left."""
    family = RelabellingFamily()
    again = family.examine(rest, depth, rng, silent) if family.applicable(rest, depth).state == "ran" else Examined((), 0)
    known = {_pair(t.candidate.artefact): t for t in again.tried}
    return replace(examined, tried=tuple(_lesser(t, known.get(_pair(t.candidate.artefact))) for t in examined.tried))


def _pair(artefact: Artefact) -> tuple[str, str]:
    assert isinstance(artefact, Relabelled)
    return artefact.source, artefact.target


def _lesser(tried: Tried, again: Tried | None) -> Tried:
    log_e, p_value = (ABSENT, 1.0) if again is None else (again.log_e, again.p_value)
    said = "no more lopsided than other pairs" if again is None else again.trials[0].detail
    trial = TrialResult("other findings' rows left out", "ran", log_e, p_value, said)
    return replace(tried, log_e=min(tried.log_e, log_e), p_value=max(tried.p_value, p_value), trials=(*tried.trials, trial))
