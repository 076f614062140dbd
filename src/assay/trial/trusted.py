"""Rows known to be good, held against what is accused: an artefact that is just as usual among them is natural.

A trigger is not in rows that somebody vouches for. The share of trusted rows that carry the artefact under the accused label is compared
with what this data's share makes likely, and with what is left of that share without the accused rows, by a likelihood ratio. It acquits
(a false alarm in trusted rows' terms) and never convicts: rows that are new in kind are not poison for that. Too few trusted rows say
nothing either way, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.stats import binom

from assay.artefact.base import Unanswerable
from assay.artefact.group import Group
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows
from assay.finding import TrialResult
from assay.trial.verdicts import Judged, members

NATURAL = 20.0  # likelihood ratio from which an artefact is as usual among trusted rows as here
TELLING = 3.0  # trusted carriers to be expected, from which their absence is worth saying


def hold_against(judged: tuple[Judged, ...], seen: Mapping[str, Dataset], trusted: Mapping[str, Dataset]) -> tuple[Judged, ...]:
    """The same judgements; confirmed and suspected ones that trusted rows show to be natural are shortcuts now.

    `seen`, `trusted`: the data sets by family name. Column names must agree; an artefact that cannot be looked for is left as it is.
    """
    return tuple(_held(j, seen[j.family], trusted[j.family]) if j.accuses and j.family in trusted else j for j in judged)


def _held(judged: Judged, data: Dataset, trusted: Dataset) -> Judged:
    tried = judged.tried
    artefact = tried.candidate.artefact
    try:
        carries = artefact.present(Rows(trusted.table) if isinstance(artefact, Group) else trusted.rows)
    except (Unanswerable, KeyError):
        return judged
    target = None if tried.target is None else data.classes[tried.target]
    labelled = np.ones(len(trusted), bool)
    if target is not None:
        labelled = trusted.y == trusted.classes.index(target) if target in trusted.classes else ~labelled
    there, of = int((carries & labelled).sum()), len(trusted)
    accused = len(members(data, tried))
    carriers = tried.candidate.carriers
    here = accused if target is None else int((data.y[carriers] == tried.target).sum())
    usual, without = here / len(data), max(here - accused, 0.5) / len(data)
    ratio = binom.logpmf(there, of, usual) - binom.logpmf(there, of, without)
    said = f"{there} of {of:,} trusted rows carry it under this label; {usual * of:.1f} if they were like these"
    trial = TrialResult("trusted rows", "ran", detail=said)
    if ratio > np.log(NATURAL):
        words = f"It is as usual among the rows you trust ({there} of {of:,}): natural, and left alone"
        return replace(judged, tried=replace(tried, trials=(*tried.trials, trial))).as_natural(words)
    if usual * of < TELLING:
        trial = TrialResult("trusted rows", "not_applicable", detail=f"{said}: too few to say anything")
    return replace(judged, tried=replace(tried, trials=(*tried.trials, trial)))
