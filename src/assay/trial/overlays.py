"""The family of overlays: one picture laid over the whole of many, on trial in pictures.

Templates are mined without labels. Those that stand apart are taken out of their carriers, and a cross-fitted probe is asked
what is left; where nothing stands apart no probe is fitted. Those that labels convict are then looked for among fainter rows
of the target, and what they do is measured by putting them into other rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.artefact.overlay import Matched, Overlay
from assay.dataset.data import Dataset
from assay.finding import Check
from assay.mine.candidate import Candidate
from assay.mine.overlay_estimate import estimate, take_out
from assay.mine.overlays import SUPPORT, Template, shared_templates
from assay.trial.evidence import judge
from assay.trial.family import CanaryCopy, Depth, Examined, Progress, Tried
from assay.trial.image_court import Court
from assay.trial.image_probe import image_probe
from assay.trial.overlay_canaries import plant_overlays
from assay.trial.overlay_effect import overlay_effect

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

SMALLEST = 16  # pixels a side: below, two pictures are alike by chance
FEWEST = 50  # rows: a template is told from the mean of the others
WORTH_TRYING = 4.0  # log e-value among whole rows from which the harder comparison is worth its cost; e-BH needs more
MEASURED = 3.0  # log e-value from which fainter carriers are looked for and the effect is measured
MEASURED_AT_MOST = 12
ASKED = 400  # carriers that the probe is asked about: the evidence of so many is beyond doubt
FALSE = 0.005  # of the accused rows of the target that other labels' rows foretell at a lower cut: 2 or 3 of 500


@dataclass(frozen=True)
class OverlayFamily:
    """Overlays in the pictures of a labelled data set."""

    name: str = "overlay"

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if data.images is None:
            return Check(self.name, "not_applicable", "there are no pictures")
        if not data.labelled:
            return Check(self.name, "not_applicable", "there are no labels to be surprised at")
        if min(data.images.shape[1:3]) < SMALLEST:
            return Check(self.name, "not_applicable", f"pictures under {SMALLEST} pixels a side are alike by chance")
        if len(data) < FEWEST:
            return Check(self.name, "not_applicable", f"fewer than {FEWEST} pictures")
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        assert data.images is not None
        progress(0, 10, "looking for overlays")
        mined = shared_templates(data.images, rng)
        if not mined.found:
            progress(10, 10, "no overlay stands apart")
            return Examined((), 0)
        progress(4, 10, "learning what each picture says")
        probe, checks = image_probe(data, depth, rng)
        court = Court.of(data, probe, rng)
        progress(8, 10, "trying overlays")
        cases = [_Case(template, Matched(mined.view, template.pattern)) for template in mined.found]
        tried = [(case.tried(court), case) for case in cases]
        tried.sort(key=lambda pair: (-pair[0].log_e, pair[0].p_value))
        progress(9, 10, "measuring effects")
        measured = [
            case.measured(court, t, depth) if t.log_e > MEASURED and number < MEASURED_AT_MOST else t
            for number, (t, case) in enumerate(tried)
        ]
        progress(10, 10, "overlays tried")
        return Examined(tuple(measured), len(mined.found), checks=checks)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        return plant_overlays(data, rng)


@dataclass(frozen=True)
class _Case:
    """A mined template and how it is recognised."""

    template: Template
    matched: Matched

    def overlay(self, court: Court, carriers: Int, cut: float) -> Overlay:
        return estimate(court.images, carriers, self.matched, self.template.threshold(cut), court.rng)

    def tried(self, court: Court) -> Tried:
        """Both trials, first among the other rows of each label as they are, then with the same template taken out of them."""
        carriers = self.template.carriers
        overlay = self.overlay(court, carriers, self.template.cut)
        candidate = Candidate(overlay, carriers)
        known = carriers[court.y[carriers] >= 0]
        known = np.sort(court.rng.permutation(known)[:ASKED])
        p = court.predict(take_out(overlay, court.images[known]), known)
        y, votes = court.y[known], court.votes(known)
        easy = judge(candidate, p, y, court.others_whole(carriers), strangers=court.strangers, votes=votes)
        if easy.log_e < WORTH_TRYING:
            return easy
        others = _others_without(court, overlay, carriers)
        hard = judge(candidate, p, y, others, strangers=court.strangers, votes=votes)
        return min(easy, hard, key=lambda t: t.log_e)

    def measured(self, court: Court, tried: Tried, depth: Depth) -> Tried:
        """With its fainter carriers, and with what it does to other rows."""
        if tried.target is None:
            return tried
        carriers, cut = fainter(self.template, court.y, tried.target)
        accused = carriers[court.y[carriers] == tried.target]
        candidate = Candidate(self.overlay(court, accused, cut), carriers)
        effect, trial = overlay_effect(court, candidate, tried.target, depth)
        return replace(tried, candidate=candidate, effect=effect, trials=(*tried.trials, trial))


def _others_without(court: Court, overlay: Overlay, carriers: Int) -> Callable[[int], Floats]:
    """`others(t)`: support for t of the other rows labelled t, with the overlay that they do not carry taken out at the same strength.

    What belongs to the class itself (the strokes of a digit) goes from them too.
    """

    def support(label: int) -> Floats:
        rows = court.reference(label, carriers)
        return court.predict(take_out(overlay, court.images[rows]), rows)[:, label]

    return support


def fainter(template: Template, y: Int, target: int) -> tuple[Int, float]:
    """Carriers at the lowest score at which rows of other labels foretell that few of the target's rows stand there by chance.

    Rows (sorted) of any label, and the score. `y` (n,) labels; `target` is the label of nearly all that carry the template, so
    that the other rows show how high rows without it reach.
    """
    scores, ours = template.scores, y == target
    strangers = np.sort(scores[~ours])[::-1]
    members = np.sort(scores[ours])[::-1]
    if not len(strangers) or not len(members):
        return template.carriers, template.cut
    above = np.searchsorted(-strangers, -members, side="right")
    # at each member's score: one more stranger than seen, scaled to the number of the target's rows
    expected = (above + 1) / len(strangers) * len(members)
    good = np.flatnonzero(expected <= FALSE * np.arange(1, len(members) + 1) + FALSE)
    if not len(good) or good[-1] + 1 < SUPPORT:
        return template.carriers, template.cut
    cut = min(float(members[good[-1]]), template.cut)
    carriers = np.union1d(np.flatnonzero(scores >= cut), template.carriers)
    return carriers, cut
