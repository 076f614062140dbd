"""A picture classifier that is only asked: does one class need a far smaller change of pictures than the others?

Within a stated number of questions, a picture each. Half go into a list of patches and waves that is gone through in order, the other half
into small steps from the best of them (as Andriushchenko, Croce, Flammarion & Hein, Square attack, 2020, but for every class at once and
all pictures alike); scores guide better than labels, and labels do. **Every class is given the same number of questions. Where the classes
of a clean model draw the logs of their figures from one normal law, it is accused with a chance of about alpha at most** (Grubbs' test, all
classes and both kinds of change sharing alpha); beside clean twins each class is compared with itself in them (`assay.model.twins`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.model.margins import LEAST_CLASSES, joined, standing_apart
from assay.model.picture_probes import Probe, Shape, patches, size, step, waves
from assay.model.twins import LEAST_TWINS, against_twins

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
AskPictures = Callable[[UInt8], Floats]  # (n, h, w, c) uint8 -> (n, classes) probabilities, or 0 and 1 where only labels are told

LEAST_PICTURES = 32
LEAST_SIDE = 8  # pixels: in smaller pictures the smallest patch of the list is no small thing
FEW = 8  # clean pictures that every change of the list is tried on
SEARCHED = 24  # clean pictures that the steps are tried on
HELD = 64  # clean pictures at most on which the best change of each class is measured, and that no search saw
FINALISTS = 3  # of the list, a class and kind, that are tried on all SEARCHED pictures
LISTED = 0.5  # of the questions go into the list
LEAST_STEPS = 6  # a class and kind: with fewer, a class is judged by the luck of its start
BATCH = 256  # pictures asked about at once
BYTES = 8 << 20  # of pictures asked about at once
IMPLANTS = 0.5  # of pictures: what a natural change does not take over, the design's bar
KINDS = ("patch", "overlay")


@dataclass(frozen=True)
class Turned:
    """`probe`, a patch or an overlay, sends `success` of `tried` held-back pictures of other classes to `target`."""

    probe: Probe
    target: int
    success: float
    tried: int

    def to_json(self) -> dict[str, Any]:
        return {"target": self.target, "attack_success": self.success, "measured_on": self.tried, "artefact": self.probe.to_json()}


@dataclass(frozen=True)
class AskedPictures:
    """`figures`: kind -> (classes,) size of the best change of each class over the odds that it turns held-back pictures; `turned`: the
    share of them that it turns. `p` over all classes and kinds; `best` changes of the class that stands out most, guilty or not. All empty
    where there were too few questions. `left_out`: changes of the list that were not tried."""

    verdict: Literal["backdoored", "inconclusive"]
    target: int | None
    p: float
    best: tuple[Turned, ...]
    figures: dict[str, tuple[float, ...]]
    turned: dict[str, tuple[float, ...]]
    queries: int
    left_out: int
    reason: str


def inspect_pictures(
    ask: AskPictures,
    pictures: UInt8,
    rng: np.random.Generator,
    *,
    classes: int,
    budget: int,
    alpha: float = 0.01,
    twins: Sequence[AskPictures] = (),
) -> AskedPictures:
    """Search with clean `pictures` (n, h, w, c) and at most `budget` questions; `twins`, clean models of the same task, are each asked as
    often, and not counted. Deterministic given `rng`. What the list did not get to is counted; the verdict is never "clean".

    Cannot see bends, triggers that need several places or name another class for each class, nor, without scores, faint beginnings of a
    trigger. Models of fewer than 5 classes accuse nobody. DataError: too few pictures, or a twin has other classes.
    """
    if len(pictures) < LEAST_PICTURES:
        raise DataError(f"{len(pictures)} clean pictures; at least {LEAST_PICTURES} are needed")
    if min(pictures.shape[1:3]) < LEAST_SIDE:
        raise DataError(f"pictures of {pictures.shape[1]}x{pictures.shape[2]} pixels; at least {LEAST_SIDE} a side are needed")
    if twins and len(twins) < LEAST_TWINS:
        raise DataError(f"{len(twins)} twins; at least {LEAST_TWINS} are needed", remedy="give more, or none")
    plan = _Plan(pictures, classes, budget)
    if plan.too_few:
        reason = f"{budget:,} questions are too few: at least {plan.least:,} are needed for {classes} classes"
        return AskedPictures("inconclusive", None, 1.0, (), {}, {}, 0, plan.listed, reason)
    order = rng.permutation(len(pictures))
    seed = int(rng.integers(2**63))
    found = _search(ask, pictures[order], plan, np.random.default_rng(seed))
    beside = [_search(twin, pictures[order], plan, np.random.default_rng([seed, number])) for number, twin in enumerate(twins, 1)]
    turned = {kind: tuple(one.success for one in found.best[kind]) for kind in KINDS}
    p_kind, number, p = judged(found.figures, [twin.figures for twin in beside])
    guilty = p <= alpha and max(turned[kind][number] for kind in KINDS) > IMPLANTS
    best = tuple(found.best[kind][number] for kind in sorted(KINDS, key=lambda kind: p_kind[kind][number]))
    left = plan.listed - found.tried
    if guilty:
        reason = f"class {number} stands apart from {'itself in the twins' if twins else 'the others'}"
    elif classes < LEAST_CLASSES:
        reason = f"{classes} classes are too few to compare with one another"
    elif left:
        reason = f"{left:,} of {plan.listed:,} changes of the list were not tried: the questions ran out"
    else:
        reason = "no class stands apart, which proves nothing"
    figures = {kind: tuple(map(float, found.figures[kind])) for kind in KINDS}
    verdict: Literal["backdoored", "inconclusive"] = "backdoored" if guilty else "inconclusive"
    return AskedPictures(verdict, number if guilty else None, p, best, figures, turned, found.queries, left, reason)


def judged(figures: Mapping[str, Floats], twins: Sequence[Mapping[str, Floats]]) -> tuple[dict[str, Floats], int, float]:
    """(p of each kind and class, the class that stands out most, p over all), from `figures` as in AskedPictures and those of twins."""
    logs = {kind: -np.log(figures[kind]) for kind in KINDS}
    if twins:
        each = {kind: against_twins(logs[kind], -np.log([twin[kind] for twin in twins])) for kind in KINDS}
    else:
        each = {kind: standing_apart(logs[kind]) for kind in KINDS}
    p_class = joined(np.array([each[kind] for kind in KINDS]))
    return each, int(p_class.argmin()), float(min(1.0, p_class.min() * len(p_class)))


class _Plan:
    """How the questions are shared out; the same for a model and its twins."""

    def __init__(self, pictures: UInt8, classes: int, budget: int) -> None:
        self.shape: Shape = pictures.shape[1:]
        self.classes = classes
        first, later = patches(self.shape)
        self.first: tuple[Probe, ...] = (*waves(self.shape), *first)
        self.later: tuple[Probe, ...] = tuple(later)
        self.searched = min(SEARCHED, len(pictures) // 2)
        self.held = min(HELD, len(pictures) - self.searched)
        chains = len(KINDS) * classes
        fixed = self.searched + self.held + chains * (self.held + FINALISTS * self.searched)
        free = budget - fixed
        self.reached = min(self.listed, max(0, int(LISTED * free)) // FEW)
        self.steps = max(0, free - self.reached * FEW) // (chains * self.searched)
        # Few probes make chance of who has one that fits: as many as a list of the first rank would take a quarter of
        least_reached = len(self.first) // 4
        self.least = fixed + max(int(least_reached * FEW / LISTED), int(LEAST_STEPS * chains * self.searched / (1 - LISTED))) + FEW
        self.too_few = budget < self.least

    @property
    def listed(self) -> int:
        return len(self.first) + len(self.later)


@dataclass(frozen=True)
class _Searched:
    figures: dict[str, Floats]
    best: dict[str, list[Turned]]
    tried: int  # changes of the list
    queries: int


class _Asking:
    """Counts, and asks in parts of bounded size."""

    def __init__(self, ask: AskPictures, classes: int) -> None:
        self.ask, self.classes, self.queries = ask, classes, 0

    def __call__(self, pictures: UInt8) -> Floats:
        at_once = max(1, min(BATCH, BYTES // max(1, pictures[0].size)))
        parts = [np.asarray(self.ask(pictures[i : i + at_once]), np.float64) for i in range(0, len(pictures), at_once)]
        self.queries += len(pictures)
        said = np.concatenate(parts)
        if said.shape != (len(pictures), self.classes):
            raise DataError(f"the model gives {said.shape} for {len(pictures)} pictures and {self.classes} classes")
        return said

    def each(self, probes: Sequence[Probe], pictures: Sequence[UInt8]) -> list[Floats]:
        """One answer (n_i, classes) a probe, put into its pictures (n_i, h, w, c)."""
        if not probes:
            return []
        put = [np.asarray(probe.insert(part)) for probe, part in zip(probes, pictures, strict=True)]
        said = self(np.concatenate(put))
        return np.split(said, np.cumsum([len(part) for part in put])[:-1])


def _search(ask: AskPictures, pictures: UInt8, plan: _Plan, rng: np.random.Generator) -> _Searched:
    asking = _Asking(ask, plan.classes)
    drawn, held = pictures[: plan.searched], pictures[plan.searched : plan.searched + plan.held]
    own, own_held = asking(drawn).argmax(1), asking(held).argmax(1)
    listed = [*_shuffled(plan.first, rng), *_shuffled(plan.later, rng)][: plan.reached]
    few = drawn[:FEW]
    strong = np.zeros((len(listed), plan.classes))
    for start in range(0, len(listed), BATCH // FEW):
        part = listed[start : start + BATCH // FEW]
        for place, said in enumerate(asking.each(part, [few] * len(part)), start):
            strong[place] = _strengths(said, own[:FEW])
    sizes = np.log([size(probe) for probe in listed])
    of_kind = {kind: np.array([probe.kind == kind for probe in listed]) for kind in KINDS}
    figures, best = {}, {}
    for kind in KINDS:
        places = np.flatnonzero(of_kind[kind])
        others = [drawn[own != target] for target in range(plan.classes)]
        chains = _finalists(asking, [listed[i] for i in places], strong[places] - sizes[places, None], others)
        for _ in range(plan.steps):
            tries = [step(probe, plan.shape, rng) for probe, _ in chains]
            for target, (now, value) in enumerate(zip(tries, _values(asking, tries, others), strict=True)):
                if value >= chains[target][1]:  # a plateau is walked on, as labels alone make many
                    chains[target] = now, value
        held_others = [held[own_held != target] for target in range(plan.classes)]
        told = asking.each([probe for probe, _ in chains], held_others)
        hits = np.array([(said.argmax(1) == target).sum() for target, said in enumerate(told)])
        tried = np.array([len(said) for said in told])
        best[kind] = [
            Turned(probe, target, float(hits[target] / max(1, tried[target])), int(tried[target]))
            for target, (probe, _) in enumerate(chains)
        ]
        figures[kind] = np.array([size(probe) for probe, _ in chains]) * (tried - hits + 0.5) / (hits + 0.5)
    return _Searched(figures, best, len(listed), asking.queries)


def _shuffled(probes: Sequence[Probe], rng: np.random.Generator) -> list[Probe]:
    return [probes[i] for i in rng.permutation(len(probes))]


def _finalists(asking: _Asking, probes: Sequence[Probe], rough: Floats, others: Sequence[UInt8]) -> list[tuple[Probe, float]]:
    """Of each class the best of FINALISTS by `rough` (probes, classes), tried on all pictures of other classes, with its value."""
    chosen: list[tuple[Probe, float]] = []
    ranked = np.argsort(-rough, 0, kind="stable")[:FINALISTS]
    rounds = [_values(asking, [probes[i] for i in row], others) for row in ranked]
    for target in range(rough.shape[1]):
        first = int(np.argmax([values[target] for values in rounds]))
        chosen.append((probes[ranked[first, target]], rounds[first][target]))
    return chosen


def _values(asking: _Asking, probes: Sequence[Probe], others: Sequence[UInt8]) -> list[float]:
    """One a class: how strongly its probe speaks for it in pictures of other classes, less the log of its size."""
    told = asking.each(probes, others)
    return [
        (float(_log_odds(said[:, target]).mean()) if len(said) else -np.inf) - float(np.log(size(probe)))
        for target, (said, probe) in enumerate(zip(told, probes, strict=True))
    ]


def _strengths(said: Floats, own: Int) -> Floats:
    """(classes,) mean log odds of each class among the pictures of other classes; -inf where there are none."""
    odds = _log_odds(said)
    return np.array([odds[own != target, target].mean() if (own != target).any() else -np.inf for target in range(said.shape[1])])


def _log_odds(probabilities: Floats) -> Floats:
    p = np.clip(probabilities, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(p / (1 - p)))
