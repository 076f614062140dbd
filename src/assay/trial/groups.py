"""The family of groups: who or what stands behind mislabelled rows.

*Contributors, sources, time windows*: every one is held to what a cross-fitted probe makes of its very rows (`trial/disputes.py`), and to
how far the others differ from that (`stats/overdispersed.py`). The probe reads content alone, so a contributor who works on hard
rows, or on one class, is expected to have the disputes that such rows bring.

Guarantee: under the fitted null (disputes beta-binomial around what the probe expects, spread as over the other groups) each e-value has an
expectation of at most 1. It cannot see a contributor whose wrong labels the content does not betray, most of the contributors
doing the same, or a handful of rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import Check, TrialResult
from assay.mine.candidate import Candidate
from assay.mine.groups import Grouping, groupings
from assay.trial.disputes import Disputes, Suspect, out_of_line
from assay.trial.family import CanaryCopy, Depth, Examined, Planting, Progress, Tried
from assay.trial.opinion import opinion_of, readable

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

FEWEST = 5  # groups of one column: with fewer there is nobody to compare with
SPREAD_KNOWN = 10  # groups from which a finding may be confirmed: the spread of five is known to within a factor of two at best
KEPT = 40  # groups shown, strongest first
CANARY_ROWS = (10, 20, 50)  # relabelled by one contributor
CANARIES_EACH = 3
CANARIES_AMONG = 0.1  # share of contributors that are turned into insiders, at most: more would widen the spread they are tried by
CANARY_COPY = 10_000  # rows: canaries go into the rows of some of the contributors, drawn at random


@dataclass(frozen=True)
class GroupFamily:
    """Contributors, sources and time windows of a labelled data set. `known`: see `told`."""

    name: str = "group"
    known: Floats | None = None

    def told(self, probabilities: Floats | None) -> GroupFamily:
        """The same, with the (n, k) out-of-fold probabilities that another family computed: saves a probe."""
        return replace(self, known=probabilities)

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if not data.labelled:
            return Check(self.name, "not_applicable", "there are no labels to dispute")
        if not readable(data):
            return Check(self.name, "not_applicable", "there is no content that a probe can read")
        if not (columns := [c for c in (data.columns.contributor, data.columns.source, data.columns.time) if c is not None]):
            return Check(self.name, "not_applicable", "no column names contributors, sources or times")
        if not any(len(g) >= FEWEST for g in groupings(data)):
            reason = f"fewer than {FEWEST} groups with enough rows in {', '.join(columns)}: nobody to compare with"
            return Check(self.name, "not_applicable", reason)
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        progress(0, 10, "learning what each row says")
        opinion = opinion_of(data, depth, rng, self.known)
        progress(8, 10, "comparing contributors")
        tried: list[Tried] = []
        enumerated = 0
        for grouping in groupings(data):
            if len(grouping) < FEWEST:
                continue
            enumerated += len(grouping)
            disputes = Disputes.of(opinion.probabilities, data.y, opinion.votes(grouping.code))
            suspects = out_of_line(disputes, grouping.code, len(grouping))
            tried += [_tried(data, grouping, disputes, s) for s in suspects[:KEPT]]
        order = sorted(range(len(tried)), key=lambda i: (-tried[i].log_e, tried[i].p_value))
        progress(10, 10, "groups compared")
        return Examined(tuple(tried[i] for i in order), enumerated, opinion.probabilities)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """Insiders: contributors who give some rows of one class the label of another, a number of rows each."""
        return plant_insiders(data, rng)


def _tried(data: Dataset, grouping: Grouping, disputes: Disputes, suspect: Suspect) -> Tried:
    mine = (grouping.code == suspect.group) & (data.y >= 0) & (data.y != disputes.judged)
    labelled, reads = "labelled otherwise than they read", ""
    if suspect.target is not None:
        mine &= data.y == suspect.target
        labelled = f"labelled {data.classes[suspect.target]!r}"
        reads = f" that do not read as {data.classes[suspect.target]!r}"
    if suspect.source is not None:
        mine &= disputes.judged == suspect.source
        reads = f" that read as {data.classes[suspect.source]!r}"
    rows = np.flatnonzero(mine)
    said = (
        f"of its {suspect.trials:.0f} rows{reads}, {suspect.hits:.0f} are {labelled}, where their content lets expect "
        f"{suspect.expected:.1f} and the other {len(grouping) - 1} of {grouping.column} keep to such expectations far better: about "
        f"{max(suspect.hits - suspect.expected, 0):.0f} rows relabelled"
    )
    trial = TrialResult("contributors", "ran", suspect.log_e, suspect.p_value, said)
    few = f"too few of {grouping.column} to know well how far they differ by nature"
    return Tried(
        Candidate(grouping.artefacts[suspect.group], rows),
        suspect.target,
        suspect.log_e,
        suspect.p_value,
        (trial,),
        missing=() if len(grouping) >= SPREAD_KNOWN else (few,),
        words=said,
    )


def plant_insiders(data: Dataset, rng: np.random.Generator) -> CanaryCopy | None:
    """A copy in which some contributors (or sources) relabel rows of the class they have most of; None if none has enough rows."""
    by_hand = [g for g in groupings(data) if len(g) >= FEWEST]
    if not by_hand:
        return None
    grouping = by_hand[0]
    chosen, code = _some_groups(data, grouping, rng)
    copy = data.subset(chosen)
    y, k = copy.y.copy(), len(data.classes)
    able = list(rng.permutation(np.unique(code[code >= 0])))
    allowed = max(1, int(CANARIES_AMONG * len(able)))
    plantings: list[Planting] = []
    for size in sorted(CANARY_ROWS, reverse=True):
        for _ in range(CANARIES_EACH):
            fit = [g for g in able if np.bincount(copy.y[(code == g) & (copy.y >= 0)], minlength=k).max(initial=0) >= size]
            if not fit or len(plantings) >= allowed:
                break
            able.remove(fit[0])
            mine = np.flatnonzero(code == fit[0])
            source = int(np.bincount(copy.y[mine][copy.y[mine] >= 0], minlength=k).argmax())
            target = int(rng.choice([c for c in range(k) if c != source]))
            rows = np.sort(rng.choice(mine[copy.y[mine] == source], size, replace=False))
            y[rows] = target
            plantings.append(Planting("group", f"one of {grouping.column} relabels rows of one class", rows))
    return CanaryCopy(copy.with_content(copy.rows, y), tuple(plantings)) if plantings else None


def _some_groups(data: Dataset, grouping: Grouping, rng: np.random.Generator) -> tuple[Int, Int]:
    """(positions, their group) of the rows of randomly drawn groups, up to `CANARY_COPY` rows, at least `FEWEST` groups."""
    size = np.bincount(grouping.code[grouping.code >= 0], minlength=len(grouping))
    drawn = rng.permutation(len(grouping))
    count = max(FEWEST, int(np.searchsorted(np.cumsum(size[drawn]), CANARY_COPY, side="right")))
    inside = np.zeros(len(grouping), bool)
    inside[drawn[:count]] = True
    chosen = np.flatnonzero((grouping.code >= 0) & inside[grouping.code])
    return chosen, grouping.code[chosen]
