"""The family of groups: who or what stands behind mislabelled rows.

*Contributors, sources, time windows*: every one is held to what a cross-fitted probe makes of its very rows (`trial/disputes.py`), and to
how far the others differ from that (`stats/overdispersed.py`). The probe reads content alone, so a contributor who works on hard
rows, or on one class, is expected to have the disputes that such rows bring. *Groups of the population* of a table, by the values of one
or two columns: `trial/populations.py`.

Guarantee: under the fitted null (disputes beta-binomial around what the probe expects, spread as over the other groups) each e-value has
an expectation of at most 1. It cannot see a contributor whose wrong labels the content does not betray, most of the contributors doing
the same, or a handful of rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import binom

from assay.artefact.cells import Cells, Condition
from assay.artefact.group import Group
from assay.dataset.data import Dataset
from assay.finding import Check, TrialResult
from assay.learn.columns import code_columns
from assay.learn.tables import fit_table_probe
from assay.mine.candidate import Candidate
from assay.mine.groups import Grouping, groupings
from assay.trial.disputes import Disputes, Suspect, out_of_line
from assay.trial.family import NOTHING, CanaryCopy, Depth, Examined, Heard, Progress, Tried
from assay.trial.group_canaries import plant_insiders, plant_shifts
from assay.trial.opinion import opinion_of, readable, value_columns
from assay.trial.populations import Shifted, shifted_groups
from assay.trial.text_columns import text_columns
from assay.trial.witnesses import Witnesses

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

FEWEST = 5  # groups of one column: with fewer there is nobody to compare with
SPREAD_KNOWN = 10  # groups from which a finding may be confirmed: the spread of five is known to within a factor of two at best
SAMPLE = 60_000  # rows in which groups of the population are looked for: a group of 3 % has 1,800 there
MOST_MOVED = 0.1  # chance that half or fewer were relabelled, below which the group differs by nature, as the ends of a scale do
ITS_OWN = 0.9  # share of a class's rows that one group holds, from which the class is the group's own by nature
KEPT = 40  # groups shown, strongest first


@dataclass(frozen=True)
class GroupFamily:
    """Contributors, sources, time windows, and groups of the population, of a labelled data set. `heard`: see `told`."""

    name: str = "group"
    heard: Heard = NOTHING

    def told(self, heard: Heard) -> GroupFamily:
        """The same, with what other families computed: saves a probe, or most of one."""
        return replace(self, heard=heard)

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if not data.labelled:
            return Check(self.name, "not_applicable", "there are no labels to dispute")
        if not readable(data):
            return Check(self.name, "not_applicable", "there is no content that a probe can read")
        if _is_table(data) or any(len(g) >= FEWEST for g in groupings(data)):
            return Check(self.name, "ran")
        columns = [c for c in (data.columns.contributor, data.columns.source, data.columns.time) if c is not None]
        if not columns:
            return Check(self.name, "not_applicable", "no column names contributors, sources or times, and it is no table")
        reason = f"fewer than {FEWEST} groups with enough rows in {', '.join(columns)}: nobody to compare with"
        return Check(self.name, "not_applicable", reason)

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        progress(0, 10, "learning what each row says")
        contributed, people = self._contributors(data, depth, rng)
        progress(4, 10, "comparing groups of the population")
        notes: list[str] = []
        shifted, groups = self._populations(data, rng, notes, progress) if _is_table(data) else ([], 0)
        total, parts = people + groups, (people > 0) + (groups > 0)
        # contributors and groups of the population share the error budget, so that the many do not drown the few
        tried = [replace(t, log_e=t.log_e + np.log(total / (parts * people))) for t in contributed]
        tried += [replace(t, log_e=t.log_e + np.log(total / (parts * groups))) for t in shifted]
        order = sorted(range(len(tried)), key=lambda i: (-tried[i].log_e, tried[i].p_value))
        progress(10, 10, "groups compared")
        return Examined(tuple(tried[i] for i in order), total, notes=tuple(notes))

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """Insiders: contributors who relabel rows of one class; where there are none, groups of the population that are relabelled."""
        return plant_insiders(data, [g for g in groupings(data) if len(g) >= FEWEST], rng) or (
            plant_shifts(data, value_columns(data), rng) if _is_table(data) else None
        )

    def _contributors(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> tuple[list[Tried], int]:
        found = [g for g in groupings(data) if len(g) >= FEWEST]
        if not found:
            return [], 0
        opinion = opinion_of(data, depth, rng, self.heard)
        tried: list[Tried] = []
        for grouping in found:
            disputes = Disputes.of(opinion.probabilities, data.y, opinion.votes(grouping.code))
            suspects = out_of_line(disputes, grouping.code, len(grouping))
            tried += [_tried(data, grouping, disputes, s) for s in suspects[:KEPT]]
        return tried, sum(len(g) for g in found)

    def _populations(self, data: Dataset, rng: np.random.Generator, notes: list[str], progress: Progress) -> tuple[list[Tried], int]:
        chosen = np.arange(len(data))
        if len(data) > SAMPLE:
            chosen = np.sort(rng.choice(len(data), SAMPLE, replace=False))
            data = data.subset(chosen)
            notes.append(f"groups of the population were looked for, and their rows named, in {SAMPLE:,} rows drawn at random")
        coded = code_columns(data.table, value_columns(data))
        probe = fit_table_probe(coded, data.y, len(data.classes), rng)
        looked = shifted_groups(probe, coded, data.y, rng, lambda done: progress(5 + 4 * done, 10, "comparing groups of the population"))
        if looked.passed_over:
            notes.append(f"{looked.passed_over:,} pairs of columns were not looked at for relabelled groups: too many rows in all")
        compared = looked.singles + looked.pairs
        if not looked.found:
            return [], compared
        witnesses = Witnesses.of(coded, coded.same, probe, data.y, rng)
        return [_shifted(data, chosen, coded.names, _alone(found, witnesses, rng)) for found in looked.found], compared


def _alone(found: Shifted, witnesses: Witnesses, rng: np.random.Generator) -> Shifted:
    """The same, with evidence for as many rows as it has witnesses: those of one week in one shop have one price list, and are one."""
    if not len(found.disputed):
        return found
    mean = float(witnesses.votes(found.disputed, found.hidden, rng).mean())
    return replace(found, log_e=min(found.log_e, mean * found.log_e), p_value=found.p_value**mean)


def _is_table(data: Dataset) -> bool:
    return data.images is None and not text_columns(data) and bool(value_columns(data))


def _shifted(data: Dataset, chosen: Int, names: tuple[str, ...], found: Shifted) -> Tried:
    """A group of the population in words, with its rows that are more likely relabelled than not; `chosen` (m,) positions of `data`."""
    conditions = []
    for j in found.columns:
        column = data.table.column(names[j]).take(pa.array(found.rows))
        limits = pc.min_max(column).as_py()
        conditions.append(Condition(names[j], limits["min"], limits["max"]))
    artefact = _group_of(conditions[0]) if len(conditions) == 1 else Cells(tuple(conditions))
    source, target = data.classes[found.source], data.classes[found.target]
    left = int((data.y[found.rows] == found.source).sum())
    moved = found.share / max(1 - found.share, 1e-9) * left
    said = (
        f"about {moved:.0f} of its {left + moved:.0f} rows of class {source!r} ({found.share:.0%}) were relabelled {target!r}: of the "
        f"{found.trials:.0f} that their other columns make surest, {found.hits:.0f} are labelled {target!r}, where {found.expected:.1f} "
        "were to be expected from the group's other rows and from how other groups stray"
    )
    trial = TrialResult("relabelling", "ran", found.log_e, found.p_value, said)
    tried = Tried(Candidate(artefact, chosen[found.disputed]), found.target, found.log_e, found.p_value, (trial,), words=said)
    natural = _natural(data, found)
    return tried if natural is None else replace(tried, natural=natural, nominated=True)


def _natural(data: Dataset, found: Shifted) -> str | None:
    """What speaks for a group that differs by nature, in words; None where nothing does."""
    source, target = data.classes[found.source], data.classes[found.target]
    if binom.sf(round(found.hits) - 1, round(found.trials), 0.5) < MOST_MOVED:
        return (
            f"most of its rows of class {source!r} would have been relabelled: a group that differs by nature, for all that rows can tell"
        )
    if (data.y[found.rows] == found.target).sum() >= ITS_OWN * (data.y == found.target).sum():
        return f"nearly all rows of class {target!r} are in it: the class is one of the group's own"
    if not len(found.disputed):
        return "nothing tells which of its rows those would be: they are as its others are"
    return None


def _group_of(condition: Condition) -> Group:
    if condition.low == condition.high:
        return Group(condition.column, (condition.low,))
    return Group(condition.column, None, condition.low, condition.high)


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
