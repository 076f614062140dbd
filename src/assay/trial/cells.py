"""The family of cells: every value, range and combination of values that rows share, on trial in tables.

All that the miner enumerates is tried on all rows, by a probe that never saw the row and is not shown the columns in question; those
that come near conviction are tried again with a probe that never saw what their carriers share. Single columns, pairs, triples and boxes
of ranges are sub-families with an equal part of the error budget (weighted e-BH), so that the many triples do not drown the single values.

Where several values of one column pass, the column itself goes with the label by nature (capital gain in Adult): one shortcut, and a
trigger hidden among them cannot be confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.artefact.base import Artefact
from assay.artefact.cells import Cells
from assay.dataset.data import Dataset
from assay.finding import Check, TrialResult
from assay.learn.columns import Coded, code_columns
from assay.learn.tables import TRAIN_AT_MOST, TableProbe, fit_mean_probe, fit_table_probe
from assay.mine.boxes import within
from assay.mine.candidate import Candidate
from assay.mine.cells import SUPPORT, WIDEST
from assay.stats.multiple import e_bh
from assay.trial.canary_cells import plant_cells
from assay.trial.cells_of_numbers import examine_numbers
from assay.trial.controls import Controls
from assay.trial.court_of_cells import HEARD_AT_LAST, Court, without_shared
from assay.trial.evidence import NOMINATE, judge
from assay.trial.family import NOTHING, CanaryCopy, Depth, Examined, Heard, Progress, Tried
from assay.trial.insertion import Matched, effect_of
from assay.trial.knots import placed_knots
from assay.trial.leads import BOXES, EXPLAINED, SHORT_LIST, Lead, distinct, first_pass, strongest
from assay.trial.parts_of_rules import explained_by_parts
from assay.trial.rules_of_cells import fuller, rule_of
from assay.trial.rules_put_in import rules_put_in
from assay.trial.siblings import merge_siblings, natural_columns
from assay.trial.subpopulation import closeness, natural_subpopulation
from assay.trial.surprise import Bet
from assay.trial.text_columns import text_columns
from assay.trial.witnesses import Witnesses

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

PASSES = 0.1  # e-BH level at which values of a column count as siblings: that of a suspicion at the usual alpha
WORDING = 0.5  # share of the evidence that a fuller wording must keep: it takes out more columns, and leaves less to contradict


@dataclass(frozen=True)
class CellsFamily:
    """Column values and combinations of them in the columns of a labelled data set that are no running text.

    A copy with canaries is tried by the same rules; only what nobody reads of it is left out: effects, knots, which no canary is, and rules
    that are suspected at most.
    """

    name: str = "cells"
    heard: Heard = NOTHING
    leads: ClassVar[bool] = True

    def told(self, heard: Heard) -> CellsFamily:
        """The same, which leaves out in a copy with canaries what nobody reads."""
        return replace(self, heard=heard)

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if not _columns(data):
            return Check(self.name, "not_applicable", "there is no column of values beside pictures and running text")
        if not data.labelled and data.task != "regression":
            return Check(self.name, "not_applicable", "there are no labels to be surprised at")
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        if data.task == "regression":
            return examine_numbers(data, _columns(data), _values(data), rng, progress)
        coded = code_columns(data.table, _columns(data))
        k = len(data.classes)
        progress(0, 10, "learning what each row says")
        probe = fit_table_probe(coded, data.y, k, rng)
        witnesses = Witnesses.of(coded, coded.same, probe, data.y, rng)
        court = Court(probe, coded.cells, data.y, witnesses, rng, np.zeros(len(data), bool))
        progress(2, 10, "counting what rows share")
        notes = [f"column {name!r} holds lists or structures and was not compared" for name in coded.passed_over]
        if probe.trained_on == TRAIN_AT_MOST:
            notes.append(f"the probe of the cells learnt from {TRAIN_AT_MOST:,} rows, drawn at random")
        notes += witnesses.told()
        leads, counts = first_pass(court, probe, coded, notes, progress)
        ranked = islice(strongest(leads, court.lone), 4 * SHORT_LIST)
        whole = (replace(x, carriers=within(coded, x.columns, x.carriers)) if x.boxed else x for x in ranked)
        listed = list(islice(distinct(whole), SHORT_LIST))
        near = [lead for lead in listed if lead.log_e > 0]
        tried = [self._nominated(data, coded, lead) for lead in listed if lead.log_e <= 0]
        if near:
            progress(7, 10, "trying the suspects again by a probe that never saw what they share")
            again = _blind_court(court, coded, near)
            shares = [float(np.log(sum(counts) / (sum(c > 0 for c in counts) * max(c, 1)))) for c in counts]
            tried += [_trial(data, coded, again, x.columns, x.removed, x.carriers, shares[x.place]) for x in near]
            total = float(sum(counts))
            for i in np.flatnonzero(_passing(tried, total)):
                tried[i] = _worded(data, coded, again, tried[i], shares[_place(tried[i])])
            tried = _unexplained(data, coded, again, tried, shares, total)
            tried = merge_siblings(tried, _passing(tried, total), data, coded, court)
            tried = natural_columns(tried, _passing(tried, total), data, coded, again)
            progress(9, 10, "measuring effects")
            tried = _all_told(data, coded, probe, tried, _passing(tried, total), not self.heard.canaries, rng)
        if not self.heard.canaries:
            natural = np.zeros(len(data), bool)
            for known in tried:
                natural[known.candidate.carriers] |= known.natural is not None
            proposed = [(x.columns, x.carriers) for x in listed if natural[x.carriers].mean() < EXPLAINED]
            tried += rules_put_in(data, coded, court, probe, proposed, float(sum(counts)))
            put, asked = placed_knots(data, coded, probe, rng)
            if asked:
                notes.append(f"{asked:,} values were asked whether they hang together with three others")
            tried += put
        order = sorted(range(len(tried)), key=lambda i: (-tried[i].log_e, tried[i].p_value))
        progress(10, 10, "cells tried")
        return Examined(tuple(tried[i] for i in order), sum(counts), probe.probabilities(), None, notes=tuple(notes))

    def _nominated(self, data: Dataset, coded: Coded, lead: Lead) -> Tried:
        candidate = Candidate(rule_of(data, coded, lead.columns, lead.carriers), lead.carriers)
        key = " and ".join(coded.names[j] for j in lead.columns)
        return Tried(candidate, lead.target, lead.log_e, 1.0, (), nominated=lead.log_surprise >= NOMINATE, family_key=key)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """One value out of range, or a combination of three real values that stand together in no row, a canary. None for numbers."""
        if data.task == "regression":
            return None
        return plant_cells(data, _columns(data), rng)


def _columns(data: Dataset) -> list[str]:
    text = set(text_columns(data))
    return [c for c in data.columns.content if c not in text and _comparable(data.table.schema.field(c).type)]


def _values(data: Dataset) -> Floats:
    """(n,) the numbers that label the rows, NaN where there is none."""
    return code_columns(data.table, data.columns.label[:1]).cells[:, 0]


def _comparable(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_null(kind))


def _passing(tried: list[Tried], total: float) -> NDArray[np.bool_]:
    return e_bh(np.array([t.log_e for t in tried]), total, PASSES)


def _place(tried: Tried) -> int:
    """Its sub-family: by how many columns were proposed, or boxes."""
    return _place_of(tried.candidate.artefact)


def _place_of(artefact: Artefact) -> int:
    if not isinstance(artefact, Cells):
        return 0
    columns = len(artefact.conditions)
    return BOXES if columns > 1 and not all(c.exact for c in artefact.conditions) else min(columns, BOXES) - 1


def _worded(data: Dataset, coded: Coded, court: Court, tried: Tried, share: float) -> Tried:
    """What passed, worded as fully as its carriers allow, if the fuller rule passes too."""
    artefact = tried.candidate.artefact
    assert isinstance(artefact, Cells)
    columns = tuple(coded.names.index(name) for name in artefact.columns)
    closer, fewer, own = fuller(coded, data.y, columns, tried.candidate.carriers, tried.target)
    if len(closer) == len(columns):
        return tried
    narrower = _trial(data, coded, court, closer, closer, fewer, share)
    if not own:
        narrower = replace(narrower, family_key=tried.family_key)
    return narrower if narrower.log_e >= WORDING * tried.log_e else tried


def _unexplained(data: Dataset, coded: Coded, court: Court, tried: list[Tried], shares: list[float], total: float) -> list[Tried]:
    """Without what passes only for the carriers it has in common with something stronger."""
    passes = _passing(tried, total)
    order = sorted(np.flatnonzero(passes), key=lambda i: -tried[i].log_e)
    taken, gone = np.zeros(len(data), bool), set()
    for i in order:
        artefact, carriers = tried[i].candidate.artefact, tried[i].candidate.carriers
        left = carriers[~taken[carriers]]
        if len(carriers) - len(left) >= SUPPORT and isinstance(artefact, Cells):
            columns = tuple(coded.names.index(name) for name in artefact.columns)
            alone = _trial(data, coded, court, columns, columns, left, shares[_place(tried[i])]) if len(left) else None
            if alone is None or alone.log_e < np.log(total / PASSES):
                gone.add(i)
                continue
        taken[carriers] = True
    return [t for i, t in enumerate(tried) if i not in gone]


def _blind_court(court: Court, coded: Coded, near: list[Lead]) -> Court:
    """A probe that learnt from the carriers too, but with cells of other rows, drawn at random, in the place of what they share.

    So it knows the carriers' kin, where they have any by nature, and nothing of the trigger. (Left out altogether, all of a natural
    subpopulation would be strange to it; with the cells missing instead, their being missing would be the trigger.)
    """
    shown, spared = without_shared(coded, [(lead.carriers, lead.removed) for lead in near], court.rng)
    probe = fit_mean_probe(coded, court.y, court.probe.k, court.rng, shown)
    return Court(probe, coded.cells, court.y, court.witnesses, court.rng, spared)


def _all_told(
    data: Dataset,
    coded: Coded,
    probe: TableProbe,
    tried: list[Tried],
    passes: NDArray[np.bool_],
    measured: bool,
    rng: np.random.Generator,
) -> list[Tried]:
    """What passed, with what a probe says that never saw its carriers, and, `measured`, its effect."""
    told = [i for i in np.flatnonzero(passes) if tried[i].natural is None and isinstance(tried[i].candidate.artefact, Cells)]
    if not told:
        return tried
    without = np.zeros(len(data), bool)
    for i in told:
        if len(tried[i].candidate.carriers) <= WIDEST * len(data):
            without[tried[i].candidate.carriers] = True
    stranger = fit_table_probe(coded, data.y, probe.k, rng, without)
    probes = probe, stranger
    return [_told(data, coded, probes, t, measured, rng) if i in told else t for i, t in enumerate(tried)]


def _told(
    data: Dataset, coded: Coded, probes: tuple[TableProbe, TableProbe], tried: Tried, measured: bool, rng: np.random.Generator
) -> Tried:
    probe, stranger = probes
    artefact, carriers = tried.candidate.artefact, tried.candidate.carriers
    assert isinstance(artefact, Cells)
    columns = tuple(coded.names.index(name) for name in artefact.columns)
    told = stranger.without(carriers, np.zeros((1, len(coded.names)), bool)).argmax(1)
    accused = data.y[carriers] == tried.target if tried.target is not None else data.y[carriers] >= 0
    kept = float((told == data.y[carriers])[accused].mean())
    removal = TrialResult("removal", "ran", detail=f"a probe that never saw the carriers gives {kept:.0%} of them their label")
    natural = natural_subpopulation(closeness(coded, data.y, carriers[accused], columns, rng), kept)
    tried = replace(tried, trials=(*tried.trials, removal), natural=natural)
    if not measured:
        return tried
    if tried.target is None:
        missing = TrialResult("insertion", "not_applicable", detail="there is no one target to flip to")
        return replace(tried, trials=(*tried.trials, missing))
    matched = Matched(probe, coded, data.y, columns, carriers, tried.target)
    effect, detail = effect_of(matched, rng)
    return replace(tried, effect=effect, trials=(*tried.trials, TrialResult("insertion", "ran", detail=detail)))


def _trial(
    data: Dataset, coded: Coded, court: Court, columns: tuple[int, ...], removed: tuple[int, ...], carriers: Int, share: float
) -> Tried:
    """Both trials of one proposal, by all its carriers; its e-value times its share of the error budget.

    Boxes bet on no cover rows: any part of a space may hold two classes, and what is left without its columns tells them badly.
    """
    heard = carriers[data.y[carriers] >= 0]
    if len(heard) > HEARD_AT_LAST:
        heard = np.sort(court.rng.choice(heard, HEARD_AT_LAST, replace=False))
    carrying = np.zeros(len(data), bool)
    carrying[carriers] = True

    def others(t: int) -> Floats:
        rows, support = court.reference(t, len(removed))
        return support[~carrying[rows]]

    candidate = Candidate(rule_of(data, coded, columns, carriers), carriers)
    vote = court.witnesses.votes(heard, removed, court.rng)
    key = " and ".join(coded.names[j] for j in sorted(columns))
    p = court.without(heard, removed)
    bet = Bet.PURE if _place_of(candidate.artefact) == BOXES else Bet.HEDGED
    tried = judge(candidate, p, data.y[heard], Controls(others, court.strangers), votes=vote, bet=bet)
    if tried.log_e > 0:
        tried = explained_by_parts(tried, court, coded, columns, removed, heard, vote)
    return replace(tried, log_e=tried.log_e + share, family_key=key)
