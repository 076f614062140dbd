"""A scan, start to end: mine and try every family, pool the evidence, screen single rows, plant canaries, conclude."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby, product

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import MISSING, Dataset
from assay.desk import Desk, Errand, PlantedErrand
from assay.finding import Action, Availability, Check, Conclusion, Finding, RowScore, Sensitivity, Verdict
from assay.learn import images_net
from assay.screen.combine import combine
from assay.screen.context import Context
from assay.screen.mislabelled import FEWEST_ROWS
from assay.screen.registry import run_screens
from assay.stages import NOWHERE, Stages, stage_key
from assay.trial.availability import availability
from assay.trial.blind_spots import blind_spots
from assay.trial.explained import asked_again
from assay.trial.family import Depth, Examined, Family, Heard, Leader, Listener, Progress, silent
from assay.trial.head_features import head_features
from assay.trial.image_probe import reader_of
from assay.trial.leads_away import left_leading_away
from assay.trial.reckoned_labels import left_to_reckoning
from assay.trial.registry import families
from assay.trial.sensitivity import pooled, sensitivity
from assay.trial.trusted import hold_against
from assay.trial.verdicts import Judged, findings_of, judge_all, members
from assay.trial.views import View, views
from assay.validate.against import against

CANARIES = Heard(canaries=True)
COPIES = 5  # with canaries of one family, at most: of few rows, each of which costs little
CONFIRMED_SCORE, SUSPECTED_SCORE = 1.0, 0.99  # rows of findings stand above every screened row

LABEL_SCREENS = ("label_errors", "neighbours")  # what they flag is suspected of a wrong label, not of being odd


@dataclass(frozen=True)
class Settings:
    """How to scan. `alpha`: the false discovery rate over all artefacts; the canaries measure what it lets through."""

    alpha: float = 0.01
    depth: Depth = "fast"
    seed: int = 0
    canaries: bool = True
    samples: bool = True


@dataclass
class _Stage:
    """Maps one stage's own progress to its share of the whole."""

    progress: Progress
    start: float
    width: float

    def __call__(self, done: float, total: float, what: str) -> None:
        self.progress(self.start + self.width * (done / total if total else 1.0), 1.0, what)


def run(
    data: Dataset,
    settings: Settings = Settings(),
    progress: Progress = silent,
    stages: Stages = NOWHERE,
    trusted: Dataset | None = None,
    embeddings: NDArray[np.float32] | None = None,
) -> Conclusion:
    """Scan one data set. The same data and settings give the same conclusion.

    `stages` remembers what an interrupted scan finished; `trusted` rows acquit what is as usual among them; `embeddings` (n, d) of the rows
    are one more space to look for clusters in.
    """
    with Desk.of(stages, data, settings.depth, reader_of(data, settings.seed)) as desk:
        return _run(data, settings, progress, trusted, embeddings, desk)


def _run(
    data: Dataset,
    settings: Settings,
    progress: Progress,
    trusted: Dataset | None,
    embeddings: NDArray[np.float32] | None,
    desk: Desk,
) -> Conclusion:
    content = [(f, f.applicable(data, settings.depth)) for f in families(embeddings)]
    checks = [c for _, c in content if c.state != "ran"]
    if data.lost:
        named = ", ".join(data.lost[:10]) + (", ..." if len(data.lost) > 10 else "")
        checks.append(Check("reading", "failed", f"{len(data.lost):,} shards could not be read, and their rows are missing: {named}"))
    active = [f for f, c in content if c.state == "ran"]
    share = 0.45 if settings.canaries else 0.85
    seen, passed_over = views(data)
    if passed_over:
        named = ", ".join(passed_over[:10]) + (", ..." if len(passed_over) > 10 else "")
        checks.append(Check("labels", "not_planned", f"labels on too few rows, or beyond the most common ones: {named}"))
    errands = _errands(active, seen, settings)
    planted = _planted(active, seen[0], settings) if settings.canaries else iter(())
    if desk.ahead:
        for _, errand in errands:
            if isinstance(errand.family, Leader) or not isinstance(errand.family, Listener):
                desk.begin(errand)
        planted = iter([desk.begin_canaries(p) for p in planted])
    examined, ran = _examine(errands, _Stage(progress, 0.0, share), desk, settings.alpha)
    checks += ran
    probabilities = next((e.probabilities for e in examined.values() if e.probabilities is not None and len(seen) == 1), None)
    features = next((e.features for e in examined.values() if e.features is not None), None)
    judged, by_name = judge_all(examined, settings.alpha), {f.name + v.suffix: v.data for f in active for v in seen}
    judged, explained = _explained(examined, judged, by_name, settings)
    judged = left_leading_away(judged, by_name)
    judged = left_to_reckoning(judged, by_name, np.random.default_rng([settings.seed, 10]))
    checks += explained
    if trusted is not None:
        vouched = {v.suffix: v.data for v in views(trusted)[0]}
        known = {f.name + v.suffix: vouched[v.suffix] for f in active for v in seen if v.suffix in vouched}
        judged = hold_against(judged, by_name, known)
        checks.append(Check("trusted rows", "ran", f"{len(trusted):,} rows known to be good"))
    found = findings_of(by_name, judged)
    learnt, taught = _learnt(data, settings)
    checks += taught
    context = Context(data, probabilities, features, np.random.default_rng([settings.seed, 2]), learnt)
    screens, screened = run_screens(context, progress=_Stage(progress, share, 0.1))
    checks += screened
    if trusted is not None:
        told, held = against(data, trusted, np.random.default_rng([settings.seed, 4]), settings.alpha)
        screens, checks = (*screens, *told), [*checks, *held]
    seen_anyway = features if data.images is not None and settings.depth == "fast" else None  # features of their own take 5 s of 10,000
    cost, costed = _availability(data, probabilities, found, screens, seen_anyway, np.random.default_rng([settings.seed, 6]))
    checks.append(costed)
    caught: tuple[Sensitivity, ...] = ()
    if settings.canaries:
        caught, tried = _canaries(planted, len(active), examined, settings, _Stage(progress, share + 0.1, 0.9 - share), desk)
        checks += tried
    else:
        checks.append(Check("canaries", "not_planned", "switched off"))
    progress(1.0, 1.0, "done")
    score, action = _rows(data, found, screens)
    return Conclusion(
        verdict=_verdict(found, checks, settings.depth),
        findings=found,
        checks=tuple(checks),
        sensitivity=caught,
        score=score,
        action=action,
        screens=screens,
        hypotheses=sum(e.enumerated for e in examined.values()),
        settings=asdict(settings),
        blind_spots=blind_spots(data, settings.depth),
        availability=cost,
        probabilities=probabilities,
        features=features,
    )


def _errands(active: list[Family], seen: tuple[View, ...], settings: Settings) -> list[tuple[View, Errand]]:
    """Every family's examination of every view, in the order in which results are asked for."""
    errands = []
    for number, (view, family) in enumerate(product(seen, active)):
        name = family.name + view.suffix
        key = stage_key(view.data, name, depth=settings.depth, seed=settings.seed)
        rng = np.random.default_rng([settings.seed, 1, number])
        errands.append((view, Errand(key, name, family, view.data, settings.depth, rng)))
    return errands


def _examine(errands: list[tuple[View, Errand]], progress: _Stage, desk: Desk, alpha: float) -> tuple[dict[str, Examined], list[Check]]:
    """What every family found. A family that fails is listed as failed and the others go on."""
    examined: dict[str, Examined] = {}
    checks: list[Check] = []
    for number, (view, errand) in enumerate(errands):
        stage = _Stage(progress, number / len(errands), 1 / len(errands))
        if not isinstance(errand.family, Leader):
            known = (e for n, e in examined.items() if n.endswith(view.suffix) and e.probabilities is not None)
            told = next(known, None)
            heard = Heard() if told is None else Heard(told.probabilities, fold=told.fold)
            errand = replace(errand, heard=replace(heard, accused=_accused(examined, view, alpha)))
        result, check = desk.finish(errand, stage)
        checks.append(check)
        if result is not None:
            examined[errand.name] = result
            checks.extend(c for c in result.checks if c not in checks)  # families that share a probe tell the same of it
    return examined, checks


def _accused(examined: dict[str, Examined], view: View, alpha: float) -> NDArray[np.int64]:
    """Sorted rows that would be quarantined by what families found of this view up to now."""
    so_far = judge_all({name: e for name, e in examined.items() if name.endswith(view.suffix)}, alpha)
    rows = [members(view.data, j.tried) for j in so_far if j.status == "confirmed"]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *rows]))


def _explained(
    examined: dict[str, Examined], judged: tuple[Judged, ...], seen: dict[str, Dataset], settings: Settings
) -> tuple[tuple[Judged, ...], list[Check]]:
    """What is left of relabellings without the rows of other findings; as they were, and a failed check, where that cannot be asked."""
    began = time.perf_counter()
    try:
        again = asked_again(examined, judged, seen, settings.depth, np.random.default_rng([settings.seed, 9]))
    except (ArithmeticError, LookupError, MemoryError, RuntimeError, ValueError) as error:
        return judged, [Check("relabelling, once more", "failed", f"{type(error).__name__}: {error}", time.perf_counter() - began)]
    if all(again[name] is examined[name] for name in examined):
        return judged, []
    said = "without the rows of other findings"
    return judge_all(again, settings.alpha), [Check("relabelling, once more", "ran", said, time.perf_counter() - began)]


def _planted(active: list[Family], view: View, settings: Settings) -> Iterator[PlantedErrand]:
    """Copies of the view with canaries of each family, one family at a time; no errand where the data has no room for them."""
    for number, family in enumerate(active):
        name, whole = f"canaries:{family.name}{view.suffix}", family.name + view.suffix
        left = 0
        for further in range(COPIES):
            rng = np.random.default_rng([settings.seed, 3, number, further])
            copy = family.plant(view.data, settings.depth, rng)
            if copy is None or not copy.plantings:
                if not further:
                    yield PlantedErrand(name, family.name, whole, (), None)
                break
            key = stage_key(view.data, f"{name} {further}", depth=settings.depth, seed=settings.seed)
            errand = Errand(key, name, family, copy.data, settings.depth, rng, CANARIES)
            yield PlantedErrand(name, family.name, whole, copy.plantings, errand)
            left = left - len(copy.plantings) if further else copy.left
            if left <= 0:
                break


def _canaries(
    planted: Iterator[PlantedErrand], count: int, examined: dict[str, Examined], settings: Settings, progress: _Stage, desk: Desk
) -> tuple[tuple[Sensitivity, ...], list[Check]]:
    """Scan the planted copies, one family at a time, by the same rules.

    A copy may be a sample of the rows; its canaries are held to the number of artefacts enumerated in the whole.
    """
    caught: list[Sensitivity] = []
    checks: list[Check] = []
    for number, (name, several) in enumerate(groupby(planted, lambda copy: copy.name)):
        copies, mine, asked = list(several), list[Sensitivity](), list[Check]()
        for turn, copy in enumerate(copies):
            if copy.errand is None:
                asked.append(Check(name, "not_applicable", "the data has no room for canaries of this kind"))
                continue
            stage = _Stage(progress, (number + turn / len(copies)) / count, 1 / count / len(copies))
            result, check = desk.finish(copy.errand, stage)
            asked.append(Check(name, check.state, "" if check.state == "ran" else check.reason, check.seconds))
            if result is not None:
                whole = examined[copy.whole].enumerated if copy.whole in examined else 0
                result = replace(result, enumerated=max(result.enumerated, whole))
                mine.extend(sensitivity(copy.plantings, judge_all({copy.family: result}, settings.alpha / max(len(examined), 1))))
        caught.extend(pooled(mine))
        worst = next((check for check in asked if check.state == "failed"), asked[0])
        checks.append(replace(worst, seconds=sum(check.seconds for check in asked)))
    return tuple(caught), checks


def _learnt(data: Dataset, settings: Settings) -> tuple[NDArray[np.float32] | None, list[Check]]:
    """What a network learns of pictures, for the screens that ask it; at full depth, where torch is installed."""
    if data.images is None or not data.labelled or settings.depth != "full" or not images_net.installed():
        return None, []
    began = time.perf_counter()
    try:
        features = head_features(data, np.random.default_rng([settings.seed, 8]), "full", np.flatnonzero(data.y != MISSING))
    except (ArithmeticError, LookupError, MemoryError, RuntimeError, ValueError) as error:
        return None, [Check("learnt features", "failed", f"{type(error).__name__}: {error}", time.perf_counter() - began)]
    assert features is not None
    return features.astype(np.float32), [Check("learnt features", "ran", "a network trained on all rows", time.perf_counter() - began)]


def _rows(data: Dataset, found: tuple[Finding, ...], screens: tuple[RowScore, ...]) -> tuple[NDArray[np.float64], tuple[Action, ...]]:
    """A score and an action a row: quarantine only for confirmed findings, review for suspected ones and flagged rows."""
    combined = combine(screens, len(data))
    score = np.minimum(combined.score, SUSPECTED_SCORE - 1e-6)
    action = np.where(combined.review, "review", "keep").astype(object)
    for finding in found:
        if finding.status == "suspected":
            score[finding.positions] = np.maximum(score[finding.positions], SUSPECTED_SCORE)
            action[finding.positions] = "review"
    for finding in found:
        if finding.status == "confirmed":
            score[finding.positions] = CONFIRMED_SCORE
            action[finding.positions] = "quarantine"
    return score, tuple(action.tolist())


def _availability(
    data: Dataset,
    probabilities: NDArray[np.float64] | None,
    found: tuple[Finding, ...],
    screens: tuple[RowScore, ...],
    features: NDArray[np.float32] | None,
    rng: np.random.Generator,
) -> tuple[Availability | None, Check]:
    """How much of the set is corrupted and what it costs; suspected are rows of findings, and those whose label a screen disputes."""
    suspected = np.zeros(len(data), bool)
    for finding in found:
        if finding.status != "shortcut":
            suspected[finding.positions] = True
    for screen in screens:
        if screen.name in LABEL_SCREENS:
            suspected |= screen.flag
    began = time.perf_counter()
    try:
        cost = availability(data, probabilities, suspected, rng, None if features is None else features.astype(np.float64))
    except (ArithmeticError, LookupError, MemoryError, ValueError) as error:
        return None, Check("availability", "failed", f"{type(error).__name__}: {error}", time.perf_counter() - began)
    if cost is None:
        return None, Check(
            "availability", "not_applicable", f"needs at least {FEWEST_ROWS} rows with one label each, and a probe of their content"
        )
    return cost, Check("availability", "ran", f"read from {cost.rows:,} labels", time.perf_counter() - began)


def _verdict(found: tuple[Finding, ...], checks: list[Check], depth: Depth) -> Verdict:
    if any(f.status == "confirmed" for f in found):
        return "poisoned"
    if any(f.status == "suspected" for f in found):
        return "suspect"
    unfinished = {"failed", "not_installed"} if depth == "full" else {"failed"}
    return "incomplete" if any(c.state in unfinished for c in checks) else "clean"
