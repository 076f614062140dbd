"""The family of relabellings: rows of one class that stand under the label of another, tried as a set for every ordered pair of classes.

How it is told is in `trial/pairs.py`; the null is empirical: confusion between two classes is alike in both directions, up to a spread
that is fitted over the other pairs. Of pictures at depth full a network and a linear model must both say so: what one of them confuses
by its own habits (natural horses among its typical cats, log e 7 to 10 in clean CIFAR-10) the other need not. It takes `CLASSES` classes
at least for there to be other pairs: with two, hate speech among mere offence, or high incomes among low ones, is as lopsided on clean
data as a relabelling is, and only contributors and groups of the population can tell (`trial/groups.py`).

It cannot see fewer than some twenty rows of a pair, relabellings of almost a whole class (what is left of it looks like the error),
rows on the border of both classes, or pairs that the probe cannot tell apart; nor, where labels are numbers, rows of both neighbours of
one that were relabelled as it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.artefact.relabelled import Relabelled
from assay.dataset.data import Dataset
from assay.dataset.labels import class_numbers
from assay.finding import Check, TrialResult
from assay.mine.candidate import Candidate
from assay.trial.drawn_from_class import told_apart
from assay.trial.family import NOTHING, CanaryCopy, Depth, Examined, Heard, Planting, Progress, Tried
from assay.trial.opinion import Opinion, opinion_of, readable
from assay.trial.pairs import LEAST, Contest, agreed, contests, moved_rows

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

CLASSES = 4  # with fewer there are three pairs at most, and natural ones are lopsided (3 classes: 195 of 374 against 42 of 2,354)
CLASSES_CONFIRM = 7  # 21 pairs: a spread that is known well enough to convict
KEPT = 20  # pairs shown, strongest first
CANARY_ROWS = (30, 60, 120)  # relabelled, each size for one pair of classes
CANARY_SHARE = 0.4  # of a class, at most
DOUBTED = 3.0  # log e-value from which a network's word is not enough, and a pair is asked whether it is natural
TARGET_LEAST = 2  # times the carriers that the target class holds: a class that is mostly another's rows is that class
CANARY_COPY = 10_000  # rows


@dataclass(frozen=True)
class RelabellingFamily:
    """Ordered pairs of classes of a labelled data set. `heard`: see `told`."""

    name: str = "relabelling"
    heard: Heard = NOTHING

    def told(self, heard: Heard) -> RelabellingFamily:
        """The same, with what other families computed: saves a probe, or most of one."""
        return replace(self, heard=heard)

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if not data.labelled:
            return Check(self.name, "not_applicable", "there are no labels to be wrong")
        if not readable(data):
            return Check(self.name, "not_applicable", "there is no content that a probe can read")
        large = int((np.bincount(data.y[data.y >= 0], minlength=len(data.classes)) >= LEAST).sum())
        if large < CLASSES:
            reason = f"{large} classes with {LEAST} rows or more make too few pairs to know how lopsided confusion is by nature"
            return Check(self.name, "not_applicable", reason)
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        progress(0, 10, "learning what each row says")
        opinion = opinion_of(data, depth, rng, self.heard)
        progress(8, 10, "comparing pairs of classes")
        numbers = class_numbers(data.classes)
        order = None if numbers is None else np.argsort(numbers, kind="stable")
        found = contests(opinion.probabilities, data.y, opinion.same, opinion.fold, order)
        if depth == "full" and data.images is not None and found and found[0].log_e > DOUBTED:
            progress(9, 10, "asking a simpler model too")
            other = opinion_of(data, "fast", rng, Heard(pictures=self.heard.pictures))
            found = agreed(found, contests(other.probabilities, data.y, other.same, other.fold, order))
        tried = [_tried(data, opinion, c, rng) for c in found[:KEPT] if np.isfinite(c.log_e)]
        progress(10, 10, "pairs of classes compared")
        return Examined(tuple(tried), len(found), opinion.probabilities)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """Some rows of one class relabelled as another, each size for a pair of classes of its own."""
        if len(data) > CANARY_COPY:
            data = data.subset(np.sort(rng.choice(len(data), CANARY_COPY, replace=False)))
        k = len(data.classes)
        size = np.bincount(data.y[data.y >= 0], minlength=k)
        free = [int(c) for c in rng.permutation(k) if size[c] >= LEAST]
        y = data.y.copy()
        plantings: list[Planting] = []
        for carriers in sorted(CANARY_ROWS, reverse=True):
            sources = [c for c in free if carriers <= CANARY_SHARE * size[c]]
            if not sources or len(free) < 2 or (len(plantings) + 1) * 10 > k * (k - 1) // 2:
                continue
            targets = [c for c in free if c != sources[0] and size[c] >= TARGET_LEAST * carriers]
            if not targets:
                continue
            source, target = sources[0], targets[0]
            free = [c for c in free if c not in (source, target)]
            rows = np.sort(rng.choice(np.flatnonzero(data.y == source), carriers, replace=False))
            y[rows] = target
            plantings.append(Planting("relabelling", "rows of one class under the label of another", rows))
        return CanaryCopy(data.with_content(data.rows, y), tuple(plantings)) if plantings else None


def _tried(data: Dataset, opinion: Opinion, contest: Contest, rng: np.random.Generator) -> Tried:
    rows, estimate = moved_rows(opinion.probabilities, data.y, contest.source, contest.target, opinion.fold)
    source, target = data.classes[contest.source], data.classes[contest.target]
    artefact = Relabelled(source, target, frozenset(bytes(data.digest[i]).hex() for i in rows))
    said = (
        f"of {contest.trials:.0f} rows that look like typical {source!r}, {contest.hits:.0f} are labelled {target!r}, where the reverse "
        f"confusion and that of other classes let expect {contest.expected:.1f}: about {estimate:.0f} rows of class {source!r} were "
        f"relabelled {target!r}"
    )
    classes = int((np.bincount(data.y[data.y >= 0]) >= LEAST).sum())
    apart = told_apart(data, opinion, contest, rng) if contest.log_e > DOUBTED else None
    few = f"{classes} classes make few pairs to know by how lopsided confusion is by nature" if classes < CLASSES_CONFIRM else None
    return Tried(
        Candidate(artefact, rows),
        contest.target,
        contest.log_e,
        contest.p_value,
        (TrialResult("relabelling", "ran", contest.log_e, contest.p_value, said),),
        missing=tuple(filter(None, (few, apart))),
        words=said,
    )
