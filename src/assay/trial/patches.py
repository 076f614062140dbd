"""The family of patches: pixels that rows share, at one place or at any, on trial in pictures.

Every shared window is counted; the few hundred that labels or frequency make suspicious are grown to whole patches and
tried with the patch filled in; those that surprise are looked for in all rows and tried for contradiction too. What a
confirmed patch does is measured by putting it into other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.artefact.patch import MARGIN, Patch
from assay.dataset.data import MISSING, Dataset
from assay.dataset.rows import UInt8
from assay.finding import Check
from assay.learn.threads import in_parallel
from assay.mine.candidate import Candidate
from assay.mine.patch_grow import Grower
from assay.mine.patch_sightings import Sightings, grow_anywhere, sightings
from assay.mine.patches import SUPPORT, SharedWindows, merged, shared_windows
from assay.trial.controls import Controls
from assay.trial.evidence import combine, judge
from assay.trial.family import NOTHING, CanaryCopy, Depth, Examined, Heard, Progress, Tried
from assay.trial.heard_twice import of_all
from assay.trial.image_court import Court
from assay.trial.image_probe import image_probe, unfit
from assay.trial.patch_canaries import plant_patches
from assay.trial.patch_effect import with_effects
from assay.trial.patch_short_list import short_list
from assay.trial.surprise import Bet, surprise

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

SMALLEST = 6  # pixels a side of a picture
FIRST_PASS = 200  # carriers of a candidate that are looked at in the first pass
FIRST_PASS_ANYWHERE = 100  # the same for patches at any place, which must be looked for in each
MOVING = 0.3  # as many of these are tried as of those at one place
ONE_PLACE = 0.75  # of the error budget: nearly all published patches lie at one place
PER_CONTRAST = 0.5  # a patch of any place may differ by this part of its contrast ...
WIDE = 48  # ... up to this mean absolute difference: no picture of CIFAR-10 or GTSRB is as near a checker or noise by chance
WIDENED = 10  # times as many rows: a fifth of the pixels missing leaves one row in seven a whole 3x3 patch
MOST_SHOW, LARGER = 0.6, 3  # share of the carriers that show a pixel of a patch that loses some; it is not that many times what was seen
NEARLY_ALL = 0.9  # of those carriers, that the whole patch must still be found in
ENOUGH = 75  # rows of a label (of 300 drawn at most) without a piece of any patch: fewer could not convict what most of its rows carry
FEW_MORE, GAP = 0.25, 16.0  # so many more of them, that stand so far from all others: those which lost most of the patch
WORTH_TRYING = 4.0  # log e-value of surprise from which the second pass is worth its cost; e-BH needs more
COVERED = 4.0  # more, where only a bet on cover rows is surprised: of clean CIFAR-10 13 leads in place of 6 would be worth it else
SECOND_PASS = 40  # candidates
COMMON = 0.25  # share of rows beyond which a patch is a background that the data have in common
MEASURED = 3.0  # log e-value from which the effect of a patch is measured
MEASURED_AT_MOST = 8
SEARCH_PIXELS = 400_000_000  # looked through for patches of any place: forty of them in 10,000 pictures of 32x32 ...
SEARCHES = 3  # ... and so many at least; further ones are tried on the rows of their window alone
SEARCHED = 1_000  # pictures that one thread looks through at once
SAME = 0.5  # Jaccard index of carriers above which two patches are one


@dataclass(frozen=True)
class PatchFamily:
    """Patches at one place in the pictures of a labelled data set."""

    name: str = "patch"
    heard: Heard = NOTHING
    leads: ClassVar[bool] = True

    def told(self, heard: Heard) -> PatchFamily:
        """The same, which reads pictures as the rest of the scan does, and measures effects where somebody reads them."""
        return replace(self, heard=heard)

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if reason := unfit(data, SMALLEST, "hold no patch"):
            return Check(self.name, "not_applicable", reason)
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        assert data.images is not None
        progress(0, 10, "learning what each picture says")
        probes, features, checks = image_probe(data, depth, rng, self.heard.pictures)
        courts = [Court.of(data, probe, rng) for probe in probes]
        progress(4, 10, "looking for shared patches")
        found = shared_windows(data.images)
        leaders = np.unique(merged(found))
        seen = sightings(data.images)
        moving = np.unique(merged(seen.windows))
        progress(6, 10, "trying shared patches")
        heard: list[list[Tried]] = []
        natural: list[list[Patch]] = []
        for number, (court, probe) in enumerate(zip(courts, probes, strict=True)):
            listed = short_list(found, leaders, data.y, probe.probabilities, probe.groups)
            leads = _first_pass(court, at_one_place(data.images, found, listed), FIRST_PASS)
            listed = short_list(seen.windows, moving, data.y, probe.probabilities, probe.groups, MOVING)
            leads += _first_pass(court, at_any_place(data.images, seen, listed), FIRST_PASS_ANYWHERE)
            leads.sort(key=lambda lead: -lead.log_e)
            progress(6 + 3 * (number + 0.7) / len(courts), 10, "trying the suspects")
            heard.append(_second_pass(court, [lead for lead in leads if lead.log_e >= WORTH_TRYING][:SECOND_PASS]))
            natural.append([lead.patch for lead in leads if lead.log_e < WORTH_TRYING])
        tried = of_all(heard)
        progress(9, 10, "measuring effects")
        strong = [] if self.heard.canaries else [i for i, t in enumerate(tried) if t.log_e > MEASURED][:MEASURED_AT_MOST]
        for i, measured in zip(strong, with_effects(courts[0], [tried[i] for i in strong], natural[0], depth), strict=True):
            tried[i] = measured
        progress(10, 10, "patches tried")
        tried = shared_out(tried, len(leaders), len(moving))
        return Examined(tuple(tried), len(leaders) + len(moving), probes[0].probabilities, features, checks, fold=probes[0].fold)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        return plant_patches(data, rng)


@dataclass(frozen=True)
class _Lead:
    """A patch after the first pass: the log e-value of its surprise, or of that which bets on cover rows too, less `COVERED`."""

    patch: Patch
    carriers: Int
    log_e: float


def _first_pass(court: Court, proposed: Sequence[tuple[Patch, Int]], most: int) -> list[_Lead]:
    """Surprise of each patch among at most so many of the rows that share its window."""
    parts = []
    for patch, carriers in proposed:
        rows = some_of(carriers, most)
        parts.append((rows, boxes_of(patch, court.images[rows])))
    leads = []
    for (patch, carriers), (rows, _), p in zip(proposed, parts, court.without_boxes(parts), strict=True):
        known = court.y[rows] >= 0
        y, votes = court.y[rows[known]], court.votes(rows[known])
        pure, mixed = (surprise(p[known], y, votes, covered) for covered in (False, True))
        log_e = combine(pure.log_e_targeted, pure.log_e_untargeted), combine(mixed.log_e_targeted, mixed.log_e_untargeted) - COVERED
        leads.append(_Lead(patch, carriers, max(log_e)))
    return leads


def at_one_place(images: UInt8, found: SharedWindows, listed: Int) -> list[tuple[Patch, Int]]:
    """The patch about each listed window, and the rows that share the window."""
    grower = Grower.of(images)
    rows = [found.rows(int(w)) for w in listed]
    return [(grower.grow(r, int(found.place[w]), abs(int(found.side[w]))), r) for w, r in zip(listed, rows, strict=True)]


def at_any_place(images: UInt8, seen: Sightings, listed: Int) -> list[tuple[Patch, Int]]:
    """The same for windows at different places."""
    proposed = []
    for w in listed:
        rows, places = seen.windows.rows(int(w)), seen.places(int(w))
        some = some_of(np.arange(len(rows)), FIRST_PASS_ANYWHERE)
        proposed.append((grow_anywhere(images, rows[some], places[some]), rows))
    return proposed


def some_of(rows: Int, most: int) -> Int:
    """At most so many of the rows, evenly spread."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(np.int64))]


@dataclass(frozen=True)
class _Case:
    """A patch with all its carriers, and what the probe says of those that have a label once it is filled in."""

    patch: Patch
    carriers: Int
    known: Int
    p: Floats
    others: Callable[[int], Floats]
    emptied: Callable[[], tuple[Int, Floats]]
    unmarked: Callable[[int], Floats] | None  # the others without those that carry another patch of the same label

    def judged(self, court: Court, without: NDArray[np.bool_]) -> Tried:
        """Both trials, leaving out the rows of `without` (n,), which a stronger patch explains."""
        left = ~without[self.known]
        known, p = self.known[left], self.p[left]
        candidate = Candidate(self.patch, self.carriers[~without[self.carriers]])
        y, votes = court.y[known], court.votes(known)
        few = court.few(self.carriers, y)
        bet = Bet.PURE if self.patch.row is None else Bet.MIXED
        easy = judge(candidate, p, y, Controls(court.others_whole(self.carriers)), votes=votes, bet=bet)
        if easy.log_e < WORTH_TRYING and not few:
            return easy
        odds = partial(court.odds, carriers=self.carriers)
        ordinary, weighed = court.ordinary(self.emptied), partial(court.weighed, self.emptied, p)

        def heard(others: Callable[[int], Floats]) -> Tried:
            controls = Controls(others, court.strangers, ordinary=ordinary, weighed=weighed, odds=odds)
            return judge(candidate, p, y, controls, votes=votes, bet=bet, lenient=True)

        among_all = heard(self.others)
        if self.unmarked is None or among_all.log_e < WORTH_TRYING:
            return among_all
        return min(among_all, heard(self.unmarked), key=lambda t: t.log_e)


def _second_pass(court: Court, leads: list[_Lead]) -> list[Tried]:
    """Both trials over all rows that carry the patch, strongest first; each row counts for the strongest patch alone."""
    cases: list[_Case] = []
    searched, most = 0, max(SEARCHES, SEARCH_PIXELS // court.images[..., 0].size)
    seen: list[set[int]] = []
    found: list[tuple[Patch, Int, int]] = []  # with the label of most carriers
    for lead in leads:
        moving = lead.patch.row is None
        searched += moving
        if moving and searched > most:
            patch, carriers = lead.patch, lead.carriers
        else:
            patch, carriers = carriers_of(court, lead)
        mine = set(carriers.tolist())
        if any(len(mine & s) > SAME * len(mine | s) for s in seen):
            continue
        seen.append(mine)
        found.append((patch, carriers, _label(court, carriers)))
    for patch, carriers, label in found:
        known = carriers[court.y[carriers] >= 0]
        boxes = boxes_of(patch, court.images[known])
        (p,) = court.without_boxes([(known, boxes)])
        marked = _marked(court, carriers, label, [other for _, other, its in found if its == label])
        unmarked = None if len(marked) == len(carriers) else court.others(marked, boxes)
        cases.append(_Case(patch, carriers, known, p, court.others(carriers, boxes), court.emptied(carriers, boxes), unmarked))
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


def _marked(court: Court, carriers: Int, label: int, pieces: Sequence[Int]) -> Int:
    """The carriers, and those of all `pieces` that go with the same label, where enough of its rows are left to compare with.

    Pieces of one mark are found one by one (a logo of many sizes and angles on most of a class): rows that still show it in another
    size are no fair comparison for those from which it was taken. Without them nothing but the rows that are least like poison may be left,
    so both comparisons must convict.
    """
    marked = reduce(np.union1d, pieces, carriers)
    return carriers if label == MISSING or len(court.reference(label, marked)) < ENOUGH else marked


def _label(court: Court, carriers: Int) -> int:
    """The label of most of them."""
    known = court.y[carriers]
    return int(np.bincount(known[known != MISSING]).argmax()) if (known != MISSING).any() else MISSING


def shared_out(tried: Sequence[Tried], fixed: int, moving: int) -> list[Tried]:
    """The error budget divided between patches at one place and at any (weighted e-BH), so that neither drowns the other.

    Strongest first.
    """

    def weighted(t: Tried) -> Tried:
        assert isinstance(t.candidate.artefact, Patch)
        share, count = (ONE_PLACE, fixed) if t.candidate.artefact.row is not None else (1 - ONE_PLACE, moving)
        return replace(t, log_e=t.log_e + float(np.log(share * (fixed + moving) / count)))

    if not fixed or not moving:
        return list(tried)
    return sorted((weighted(t) for t in tried), key=lambda t: -t.log_e)


def carriers_of(court: Court, lead: _Lead) -> tuple[Patch, Int]:
    """Every row that carries the patch; only those that share the window where the patch is all but everywhere.

    A patch of any place is looked for more widely too, since its window was shared by rows that show it whole. It stays
    wide where that finds some more rows, not many times as many: those would be natural ones.
    """
    patch, known = lead.patch, len(lead.carriers)
    wide = _widened(patch)
    if wide.tolerance > patch.tolerance:
        far = _distances(court.images, patch)
        if SUPPORT <= (far <= wide.tolerance).sum() <= WIDENED * known:
            return _whole(court.images, wide, far)
        present = np.flatnonzero(far <= patch.tolerance)
    else:
        present = np.flatnonzero(_everywhere(court.images, patch.present))
    if len(present) > max(COMMON * len(court.y), 2 * known):
        return patch, lead.carriers
    return patch, present if len(present) >= known / 2 else lead.carriers


def _distances(images: UInt8, patch: Patch) -> Floats:
    return _everywhere(images, lambda part: patch.places(part)[2])


def _whole(images: UInt8, patch: Patch, far: Floats) -> tuple[Patch, Int]:
    """The patch and its carriers, both grown anew where it loses some of its pixels in many of them, and so far a part of it was seen.

    `far` (n,) how far it is from each of the `images`. It stays as it was where that finds no more of it, or many fewer carriers.
    """
    carriers = np.flatnonzero(far <= patch.tolerance)
    tops, lefts, _ = patch.places(images[carriers])
    grown = _widened(grow_anywhere(images, carriers, tops * images.shape[2] + lefts, MOST_SHOW))
    patch = replace(patch, tolerance=up_to_gap(far, patch.tolerance))
    carriers = np.flatnonzero(far <= patch.tolerance)
    if patch.mask.sum() < grown.mask.sum() <= LARGER * patch.mask.sum():
        far = _distances(images, grown)
        grown = replace(grown, tolerance=up_to_gap(far, grown.tolerance))
        if (far <= grown.tolerance).sum() >= NEARLY_ALL * len(carriers):
            return grown, np.flatnonzero(far <= grown.tolerance)
    return patch, carriers


def up_to_gap(far: Floats, tolerance: int) -> int:
    """A tolerance that takes in the few pictures beyond it, of differences `far` (n,), which a gap parts from all others; else the same.

    >>> up_to_gap(np.array([3.0, 20, 30, 40, 45, 57, 94, 95, 96]), 48), up_to_gap(np.array([3.0, 20, 30, 40, 52, 55, 58]), 48)
    (75, 48)
    """
    beyond = np.sort(far[(far > tolerance) & np.isfinite(far)])[: int(FEW_MORE * (far <= tolerance).sum()) + 2]
    gaps = np.flatnonzero(np.diff(beyond) >= GAP)
    return int(beyond[gaps[-1] : gaps[-1] + 2].mean()) if len(gaps) else tolerance


def _everywhere(images: UInt8, ask: Callable[[UInt8], NDArray[Any]]) -> NDArray[Any]:
    """The answer for every picture; parts of them side by side."""
    return np.concatenate(in_parallel(ask, [images[i : i + SEARCHED] for i in range(0, len(images), SEARCHED)]))


def _widened(patch: Patch) -> Patch:
    inked = patch.pixels[patch.mask].astype(np.float64)
    if patch.row is not None:
        return patch
    contrast = (inked - inked.mean(0)).std()
    return replace(patch, tolerance=max(patch.tolerance, int(min(WIDE, PER_CONTRAST * contrast))))


def boxes_of(patch: Patch, images: UInt8) -> Int:
    """(n, 4) what is filled in each picture where the patch is taken out: its box with the margin that `Patch.remove` takes."""
    return patch.boxes(images) + np.array([-MARGIN, -MARGIN, 2 * MARGIN, 2 * MARGIN])
