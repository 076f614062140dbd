"""The family of patches: pixels that rows share at one place, on trial in pictures.

Every shared window is counted; the few hundred that labels or frequency make suspicious are grown to whole patches and
tried with the patch filled in; those that surprise are looked for in all rows and tried for contradiction too. What a
confirmed patch does is measured by putting it into other rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.artefact.patch import MARGIN, Patch
from assay.dataset.data import Dataset
from assay.finding import Check
from assay.mine.candidate import Candidate
from assay.mine.patch_grow import Grower
from assay.mine.patches import SUPPORT, SharedWindows, merged, shared_windows
from assay.trial.evidence import combine, judge, surprise
from assay.trial.family import CanaryCopy, Depth, Examined, Progress, Tried
from assay.trial.image_court import Box, Court
from assay.trial.image_probe import image_probe, label_free
from assay.trial.patch_canaries import plant_patches
from assay.trial.patch_effect import with_effects
from assay.trial.patch_short_list import short_list

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

SMALLEST = 6  # pixels a side of a picture
FIRST_PASS = 200  # carriers of a candidate that are looked at in the first pass
WORTH_TRYING = 4.0  # log e-value of surprise from which the second pass is worth its cost; e-BH needs more
SECOND_PASS = 40  # candidates
COMMON = 0.25  # share of rows beyond which a patch is a background that the data have in common
MEASURED = 3.0  # log e-value from which the effect of a patch is measured
MEASURED_AT_MOST = 8
SAME = 0.5  # Jaccard index of carriers above which two patches are one


@dataclass(frozen=True)
class PatchFamily:
    """Patches at one place in the pictures of a labelled data set."""

    name: str = "patch"

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if data.images is None:
            return Check(self.name, "not_applicable", "there are no pictures")
        if not data.labelled:
            return Check(self.name, "not_applicable", "there are no labels to be surprised at")
        if min(data.images.shape[1:3]) < SMALLEST:
            return Check(self.name, "not_applicable", f"pictures under {SMALLEST} pixels a side hold no patch")
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        assert data.images is not None
        progress(0, 10, "learning what each picture says")
        probe, checks = image_probe(data, depth, rng)
        court = Court.of(data, probe, rng)
        progress(4, 10, "looking for shared patches")
        found = shared_windows(data.images)
        leaders = np.unique(merged(found))
        progress(6, 10, "trying shared patches")
        listed = short_list(found, leaders, data.y, probe.probabilities, probe.groups)
        grower = Grower.of(data.images)
        leads = _first_pass(court, grower, found, listed)
        progress(8, 10, "trying the suspects")
        tried = _second_pass(court, [lead for lead in leads if lead.log_e >= WORTH_TRYING][:SECOND_PASS])
        progress(9, 10, "measuring effects")
        natural = [lead.patch for lead in leads if lead.log_e < WORTH_TRYING]
        strong = [i for i, t in enumerate(tried) if t.log_e > MEASURED][:MEASURED_AT_MOST]
        for i, measured in zip(strong, with_effects(court, [tried[i] for i in strong], natural, depth), strict=True):
            tried[i] = measured
        progress(10, 10, "patches tried")
        return Examined(tuple(tried), len(leaders), probe.probabilities, label_free(probe), checks)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        return plant_patches(data, rng)


@dataclass(frozen=True)
class _Lead:
    """A patch after the first pass: the log e-value of its surprise."""

    patch: Patch
    carriers: Int
    log_e: float


def _first_pass(court: Court, grower: Grower, found: SharedWindows, listed: Int) -> list[_Lead]:
    """Surprise of each listed window's patch among the rows that share the window, most surprising first."""
    patches, parts = [], []
    for w in listed:
        rows = found.rows(int(w))
        patches.append(grower.grow(rows, int(found.place[w]), abs(int(found.side[w]))))
        some = rows[np.unique(np.linspace(0, len(rows) - 1, FIRST_PASS).astype(np.int64))]
        parts.append((some, box_of(patches[-1])))
    leads = []
    for w, patch, (rows, _), p in zip(listed, patches, parts, court.without_boxes(parts), strict=True):
        known = court.y[rows] >= 0
        asked = surprise(p[known], court.y[rows[known]], court.votes(rows[known]))
        leads.append(_Lead(patch, found.rows(int(w)), combine(asked.log_e_targeted, asked.log_e_untargeted)))
    return sorted(leads, key=lambda lead: -lead.log_e)


@dataclass(frozen=True)
class _Case:
    """A patch with all its carriers, and what the probe says of those that have a label once it is filled in."""

    patch: Patch
    carriers: Int
    known: Int
    p: Floats

    def judged(self, court: Court, without: NDArray[np.bool_]) -> Tried:
        """Both trials, leaving out the rows of `without` (n,), which a stronger patch explains."""
        left = ~without[self.known]
        known, p = self.known[left], self.p[left]
        candidate = Candidate(self.patch, self.carriers[~without[self.carriers]])
        y, votes = court.y[known], court.votes(known)
        easy = judge(candidate, p, y, court.others_whole(self.carriers), votes=votes)
        if easy.log_e < WORTH_TRYING:
            return easy
        others = court.others(self.carriers, box_of(self.patch))
        return judge(candidate, p, y, others, strangers=court.strangers, votes=votes)


def _second_pass(court: Court, leads: list[_Lead]) -> list[Tried]:
    """Both trials over all rows that carry the patch, strongest first; each row counts for the strongest patch alone."""
    cases: list[_Case] = []
    seen: list[set[int]] = []
    for lead in leads:
        carriers = carriers_of(court, lead)
        mine = set(carriers.tolist())
        if any(len(mine & s) > SAME * len(mine | s) for s in seen):
            continue
        seen.append(mine)
        known = carriers[court.y[carriers] >= 0]
        (p,) = court.without_boxes([(known, box_of(lead.patch))])
        cases.append(_Case(lead.patch, carriers, known, p))
    explained = np.zeros(len(court.y), bool)
    waiting = [(case.judged(court, explained), case) for case in cases]
    tried: list[Tried] = []
    while waiting:
        waiting.sort(key=lambda pair: (-pair[0].log_e, pair[0].p_value))
        best, case = waiting.pop(0)
        if best.log_e > MEASURED and explained[best.candidate.carriers].any():
            best = case.judged(court, explained)
            if len(best.candidate.carriers) >= SUPPORT:
                waiting.append((best, case))
            continue
        tried.append(best)
        if best.log_e > MEASURED:
            explained[best.candidate.carriers] = True
    return tried


def carriers_of(court: Court, lead: _Lead) -> Int:
    """Every row that carries the patch; only those that share the window where the patch is all but everywhere."""
    present = np.flatnonzero(lead.patch.present(court.images))
    if len(present) > max(COMMON * len(court.y), 2 * len(lead.carriers)):
        return lead.carriers
    return present if len(present) >= len(lead.carriers) / 2 else lead.carriers


def box_of(patch: Patch) -> Box:
    """What is filled in where the patch is taken out: its box with the margin that `Patch.remove` takes."""
    assert patch.row is not None
    assert patch.col is not None
    h, w = patch.shape
    return patch.row - MARGIN, patch.col - MARGIN, h + 2 * MARGIN, w + 2 * MARGIN
