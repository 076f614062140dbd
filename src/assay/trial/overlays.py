"""The family of overlays: one picture laid over the whole of many, on trial in pictures.

Templates are mined without labels. Those that stand apart are taken out of their carriers, and a cross-fitted probe is asked
what is left; where nothing stands apart no probe is fitted. Some carriers may keep their own label, to cover the others: surprise bets on
that too. Those that labels convict are then looked for among fainter rows of the target, those of the target's own kind are told apart,
and what they do is measured by putting them into other rows. Those that labels do not convict are asked at depth full whether they were
laid over rows whose label already fits (`assay.trial.laid_over`). Patterns of whole labels are looked for by themselves
(`assay.trial.unlearnable`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.artefact.overlay import Matched, Overlay
from assay.artefact.overlay_view import View
from assay.dataset.data import Dataset
from assay.dataset.rows import UInt8
from assay.finding import Check, TrialResult
from assay.learn.images_groups import votes
from assay.learn.images_linear import LinearLearner
from assay.mine.candidate import Candidate
from assay.mine.overlay_estimate import contrast_left, cover, estimate
from assay.mine.overlay_pieces import in_pieces
from assay.mine.overlays import SAME, SUPPORT, Template, jaccard, shared_templates
from assay.mine.spectra import shared_spectra
from assay.trial.accused import planted
from assay.trial.controls import Controls
from assay.trial.evidence import judge
from assay.trial.family import NOTHING, CanaryCopy, Depth, Examined, Heard, Progress, Tried
from assay.trial.heard_twice import looks_most_like, of_all, of_both
from assay.trial.image_court import Court
from assay.trial.image_probe import image_probe, unfit
from assay.trial.laid_over import laid_over
from assay.trial.mostly_planted import never_seen
from assay.trial.overlay_canaries import plant_overlays
from assay.trial.overlay_effect import overlay_effect
from assay.trial.surprise import Bet
from assay.trial.unlearnable import unlearnable

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

SMALLEST = 16  # pixels a side: below, two pictures are alike by chance
FEWEST = 50  # rows: a template is told from the mean of the others
COVER = 0.2  # share of the picture that an overlay changes: photographs .5 and more, 8x8 patches and logos .14 at most
SHOWS = 0.3  # of the contrast, where less of the picture is changed: opaque patches leave .03, and are mined elsewhere; of opacity .5 .5
WORTH_TRYING = 4.0  # log e-value among whole rows from which the harder comparison is worth its cost; e-BH needs more
MEASURED = 3.0  # log e-value from which fainter carriers are looked for, the effect is measured, and labels mostly planted are heard again
MEASURED_AT_MOST = 12
PLAIN = 15.0  # log e-value that convicts among any number of templates and families: nothing is left to ask of labels that were kept
ASKED = 400  # carriers that the probe is asked about: the evidence of so many is beyond doubt
FORESEEN = 0.25  # mean chance of the target in the carriers without it: planted .04 to .1, classes of GTSRB .5 and more
FAINTEST = 4.0  # standard deviations, and a third of the carriers' median: rows of the target's own kind may reach what is below
FALSE = 0.005  # of the accused rows of the target that other labels' rows foretell at a lower cut: 2 or 3 of 500


@dataclass(frozen=True)
class OverlayFamily:
    """Overlays in the pictures of a labelled data set."""

    name: str = "overlay"
    heard: Heard = NOTHING
    leads: ClassVar[bool] = True

    def told(self, heard: Heard) -> OverlayFamily:
        """The same, which reads pictures as the rest of the scan does, and measures effects where somebody reads them."""
        return replace(self, heard=heard)

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if reason := unfit(data, SMALLEST, "are alike by chance"):
            return Check(self.name, "not_applicable", reason)
        if len(data) < FEWEST:
            return Check(self.name, "not_applicable", f"fewer than {FEWEST} pictures")
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        laid = self._laid(data, depth, rng, progress)
        progress(9, 10, "looking for patterns of whole labels")
        of_labels = () if self.heard.canaries else tuple(unlearnable(data, self.heard.pictures, rng))
        progress(10, 10, "overlays tried")
        return replace(laid, tried=(*laid.tried, *of_labels), enumerated=max(laid.enumerated, len(of_labels)))

    def _laid(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        """Templates that some rows share."""
        assert data.images is not None
        progress(0, 10, "looking for overlays")
        cases = _cases(data.images, depth, rng)
        if not cases:
            return Examined((), 0)
        progress(4, 10, "learning what each picture says")
        probes, _, checks = image_probe(data, depth, rng, self.heard.pictures)
        courts = [Court.of(data, probe, rng) for probe in probes]
        progress(7, 10, "trying overlays")
        tried = [(*case.heard(courts), case) for case in cases]
        tried.sort(key=lambda one: (-one[0].log_e, one[0].p_value))
        progress(8, 10, "measuring effects")
        measured = [
            case.measured(court, t, None if self.heard.canaries else depth) if t.log_e > MEASURED and number < MEASURED_AT_MOST else t
            for number, (t, court, case) in enumerate(tried)
        ]
        if depth == "full":
            learner = LinearLearner.of(data.images, rng) if self.heard.pictures is None else self.heard.pictures()
            measured = [
                t if t.log_e > PLAIN or not case.whole else case.kept_label(courts[0], t, learner, len(cases))
                for t, (_, _, case) in zip(measured, tried, strict=True)
            ]
        return Examined(tuple(measured), len(cases), checks=checks)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        return plant_overlays(data, rng)


@dataclass(frozen=True)
class _Case:
    """A mined template, how it is recognised, and what it lays over pictures."""

    template: Template
    matched: Matched
    overlay: Overlay
    whole: bool  # whether it changes the whole picture, not a corner of it

    def heard(self, courts: Sequence[Court]) -> tuple[Tried, Court]:
        """Both trials by every probe, and before which the evidence was strongest."""
        each = [self.tried(court) for court in courts]
        return of_all([[t] for t in each])[0], max(zip(each, courts, strict=True), key=lambda pair: pair[0].log_e)[1]

    def tried(self, court: Court) -> Tried:
        """Both trials, first among the other rows of each label as they are, then with it taken out of them."""
        carriers, overlay = self.template.carriers, self.overlay
        known = carriers[court.y[carriers] >= 0]
        known = np.sort(court.rng.permutation(known)[:ASKED])
        emptied = overlay.without(court.images[known])
        p = court.predict(emptied, known)
        heard = self._heard(court, known, p)
        first, target = foreseen(heard, p, court.y[known], court.y), heard.target
        if target is None or heard.log_e <= MEASURED or (blind := never_seen(court, carriers, target)) is None:
            return first
        p = blind.predict(emptied, known)
        again = foreseen(self._heard(blind, known, p), p, court.y[known], court.y)
        return of_both(first, again, looks_most_like(p, target)[1])

    def _heard(self, court: Court, known: Int, p: Floats) -> Tried:
        """Both trials of the carriers `known` (m,), whose contents say `p` (m, k)."""
        candidate = Candidate(self.overlay, self.template.carriers)
        y, shares = court.y[known], court.votes(known)
        bet = Bet.MIXED if isinstance(self.matched.view, View) else Bet.PURE

        def heard(others: Callable[[int], Floats]) -> Tried:
            return judge(candidate, p, y, Controls(others, court.strangers), votes=shares, bet=bet, lenient=True)

        easy = heard(court.others_whole(self.template.possible))
        if easy.log_e < WORTH_TRYING:
            return easy
        hard = heard(self.others(court))
        return min(easy, hard, key=lambda t: t.log_e)

    def others(self, court: Court) -> Callable[[int], Floats]:
        """`others(t)`: support for t of the other rows labelled t, each with as much of the overlay taken out as it holds. Asked once.

        A row holds as much as its score is of the carriers' median. Rows that were laid over hold it whole and others nothing;
        where it is what a class has in common, other rows of the class hold much of it, and lose it too. To take it whole
        out of rows that hold none would only spoil them: a photograph at alpha .2 on GTSRB took support from .65 to .08. What comes in
        pieces is taken out where it is seen, as it is of carriers.
        """
        full = float(np.median(self.template.scores[self.template.carriers]))

        @cache
        def support(label: int) -> Floats:
            rows = court.reference(label, self.template.possible)
            dose = None if self.overlay.pieces is not None else np.clip(self.template.scores[rows] / full, 0, 1)
            return court.predict(self.overlay.without(court.images[rows], dose), rows)[:, label]

        return support

    def measured(self, court: Court, tried: Tried, depth: Depth | None) -> Tried:
        """With its fainter carriers, and with what it does to other rows where a depth says how well that is measured."""
        target = tried.target
        if target is None:
            return tried
        carriers, cut = fainter(self.template, court.y, target)
        accused = self.accused(court, carriers, target)
        surest = accused if len(accused) >= SUPPORT else carriers
        overlay = estimate(court.images, surest, self.matched, self.template.threshold(cut), court.rng, pieces=self.overlay.pieces)
        candidate = Candidate(overlay, carriers)
        tried = replace(tried, candidate=candidate, accused=accused)
        if depth is None:
            return tried
        effect, trial = overlay_effect(court, candidate, target, depth)
        return replace(tried, effect=effect, trials=(*tried.trials, trial))

    def accused(self, court: Court, carriers: Int, target: int) -> Int:
        """Carriers of the target's label without those of its own kind that were laid over to cover the others.

        As many of the label's own rows are expected to carry it as rows of other labels do, each kind by its share of the rows without it.
        """
        known = carriers[court.y[carriers] >= 0]
        ours = known[court.y[known] == target]
        natural = (len(known) - len(ours)) * court.odds(target, self.template.possible)
        if natural < 1:
            return ours
        support = court.predict(self.overlay.without(court.images[ours]), ours)[:, target]
        return ours[planted(support, natural, self.others(court)(target), court.strangers(target, self.template.possible))]

    def kept_label(self, court: Court, tried: Tried, learner: LinearLearner, among: int) -> Tried:
        """Suspected, with its fainter carriers, where it was laid over rows that keep their label; else as it is."""
        seen = laid_over(court, tried, self.template, self.matched, learner, among)
        if seen.planted_without_relabelling is None or seen.target is None:
            return tried
        carriers, cut = fainter(self.template, court.y, seen.target)
        accused = carriers[court.y[carriers] == seen.target]
        assert isinstance(seen.candidate.artefact, Overlay)
        overlay = replace(seen.candidate.artefact, threshold=self.template.threshold(cut))
        return replace(seen, candidate=Candidate(overlay, accused))


def foreseen(tried: Tried, p: Floats, y: Int, labels: Int) -> Tried:
    """Acquitted where the carriers' own contents foretell the target.

    `p` (m, k) and `y` (m,) are of the carriers with the overlay removed, `labels` (n,) of all rows. Where nearly a whole
    class carries a template, the few rows of the class that do not are no fair comparison.
    """
    if tried.target is None or tried.log_e <= 0:
        return tried
    chance = float(p[y == tried.target, tried.target].mean())
    if chance <= max(FORESEEN, 2 * float((labels == tried.target).mean())):
        return tried
    said = f"the rest of the carriers' content gives their label a chance of {chance:.0%}: it is their own"
    trial = TrialResult("belonging", "ran", detail=said)
    return replace(tried, log_e=0.0, p_value=1.0, trials=(*tried.trials, trial))


def _cases(images: UInt8, depth: Depth, rng: np.random.Generator) -> list[_Case]:
    """Templates worth a trial, by their pictures alone: whole or seen through, and in rows that are not frames of one scene.

    Those of a few frequencies are looked for at full depth.
    """
    mined = [shared_templates(images, rng)]
    if depth == "full":
        mined.append(shared_spectra(images, rng))
    cases: list[_Case] = []
    for templates in mined:
        for template in templates.found:
            known = any(jaccard(template.carriers, case.template.carriers) > SAME for case in cases)
            if known or votes(images[template.carriers]).sum() < SUPPORT:
                continue
            matched = Matched(templates.view, template.pattern)
            others = np.setdiff1d(np.arange(len(images)), template.possible)
            pieces = in_pieces(images, template.carriers, others, matched, rng)
            overlay = estimate(images, template.carriers, matched, template.threshold(template.cut), rng, pieces=pieces)
            whole = cover(overlay, images) >= COVER
            if whole or contrast_left(overlay, images, template.carriers, rng) >= SHOWS:
                cases.append(_Case(template, matched, overlay, whole))
    return cases


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
    floor = max(FAINTEST, float(np.median(scores[template.carriers])) / 3)
    good = np.flatnonzero((expected <= FALSE * np.arange(1, len(members) + 1)) & (members >= floor))
    if not len(good) or good[-1] + 1 < SUPPORT:
        return template.carriers, template.cut
    cut = min(float(members[good[-1]]), template.cut)
    carriers = np.union1d(np.flatnonzero(scores >= cut), template.carriers)
    return carriers, cut
