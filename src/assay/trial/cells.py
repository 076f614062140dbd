"""The family of cells: every value, range and combination of values that rows share, on trial in tables.

All that the miner enumerates is tried on all rows, by a probe that never saw the row and is not shown the columns in question; those
that come near conviction are tried again with a probe that never saw what their carriers share. Single columns, pairs, triples and boxes
of ranges are sub-families with an equal part of the error budget (weighted e-BH), so that the many triples do not drown the single values.

Where several values of one column pass, the column itself goes with the label by nature (capital gain in Adult): one shortcut, and a
trigger hidden among them cannot be confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.artefact.base import Artefact
from assay.artefact.cells import Cells
from assay.dataset.data import Dataset
from assay.finding import Check, TrialResult
from assay.learn.columns import Coded, alike, code_columns
from assay.learn.tables import TRAIN_AT_MOST, TableProbe, fit_mean_probe, fit_table_probe
from assay.mine.boxes import shared_boxes, within
from assay.mine.candidate import Candidate
from assay.mine.cells import SUPPORT, WIDEST, Shared, shared_cells
from assay.stats.multiple import e_bh
from assay.trial.canary_cells import plant_cells
from assay.trial.cells_of_numbers import examine_numbers
from assay.trial.controls import Controls
from assay.trial.court_of_cells import HEARD, HEARD_AT_LAST, Court, without_shared
from assay.trial.evidence import NOMINATE, combine, judge
from assay.trial.family import NOTHING, CanaryCopy, Depth, Examined, Heard, Progress, Tried
from assay.trial.glance import Glance, glance
from assay.trial.insertion import Matched, effect_of
from assay.trial.knots import placed_knots
from assay.trial.parts_of_rules import explained_by_parts
from assay.trial.rules_of_cells import fuller, rule_of
from assay.trial.siblings import merge_siblings, natural_columns
from assay.trial.subpopulation import closeness, natural_subpopulation
from assay.trial.surprise import Bet
from assay.trial.text_columns import text_columns
from assay.trial.witnesses import Witnesses

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

SHORT_LIST = 60  # proposals that are tried again with a probe refitted without their carriers
WORTH_TRYING = np.log(20.0)  # log e-value of surprise from which a proposal may be named as natural
EXPLAINED = 0.5  # with this share of its carriers among those of stronger proposals, a proposal is one of them in other words
PASSES = 0.1  # e-BH level at which values of a column count as siblings: that of a suspicion at the usual alpha
HEARD_IN_ALL = 1_200_000  # carriers heard in the first pass: about 10 s on one core for two classes; then a glance decides
WORDING = 0.5  # share of the evidence that a fuller wording must keep: it takes out more columns, and leaves less to contradict
SPENT_BY = (1.0, 0.4, 1.0, np.inf)  # share of that after which only what is worth it by a glance is heard; boxes are few, and all heard
BOXES = 3  # the place of boxes among these, whose other places are by the number of columns
REGION = 0.5  # of all columns: a range of more is a part of the space that classes lie in, and the columns left can contradict nothing
BATCH = 50_000  # carriers heard in one call of the probe: a call costs 5 ms however few they are


@dataclass(frozen=True)
class CellsFamily:
    """Column values and combinations of them in the columns of a labelled data set that are no running text.

    A copy with canaries is tried by the same rules; only what nobody reads of it is left out: effects, and knots, which no canary is.
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
        same = alike(coded)
        witnesses = Witnesses.of(coded, same, probe, data.y, rng)
        court = Court(probe, coded.cells, data.y, witnesses, rng, np.zeros(len(data), bool))
        progress(2, 10, "counting what rows share")
        notes = [f"column {name!r} holds lists or structures and was not compared" for name in coded.passed_over]
        if probe.trained_on == TRAIN_AT_MOST:
            notes.append(f"the probe of the cells learnt from {TRAIN_AT_MOST:,} rows, drawn at random")
        notes += witnesses.told()
        leads, counts = _first_pass(court, probe, coded, notes, progress)
        strongest = sorted(leads, key=lambda lead: -lead.rank)[: 4 * SHORT_LIST]
        distinct = _distinct([replace(x, carriers=within(coded, x.columns, x.carriers)) if x.boxed else x for x in strongest])[:SHORT_LIST]
        near = [lead for lead in distinct if lead.log_e > 0]
        tried = [self._nominated(data, coded, lead) for lead in distinct if lead.log_e <= 0]
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
        put, asked = ([], 0) if self.heard.canaries else placed_knots(data, coded, same, probe, rng)
        if asked:
            notes.append(f"{asked:,} values were asked whether they hang together with three others")
        tried += put
        order = sorted(range(len(tried)), key=lambda i: (-tried[i].log_e, tried[i].p_value))
        progress(10, 10, "cells tried")
        return Examined(tuple(tried[i] for i in order), sum(counts), probe.probabilities(), None, notes=tuple(notes))

    def _nominated(self, data: Dataset, coded: Coded, lead: _Lead) -> Tried:
        candidate = Candidate(rule_of(data, coded, lead.columns, lead.carriers), lead.carriers)
        key = " and ".join(coded.names[j] for j in lead.columns)
        return Tried(candidate, lead.target, lead.log_e, 1.0, (), nominated=lead.log_surprise >= NOMINATE, family_key=key)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """One value out of range, or a combination of three real values that stand together in no row, a canary. None for numbers."""
        if data.task == "regression":
            return None
        return plant_cells(data, _columns(data), rng)


@dataclass(frozen=True)
class _Lead:
    """A proposal after the first pass: its own columns, and all that were taken out with them."""

    columns: tuple[int, ...]
    removed: tuple[int, ...]
    carriers: Int
    target: int | None
    log_e: float
    log_surprise: float
    boxed: bool

    @property
    def place(self) -> int:
        return BOXES if self.boxed else len(self.columns) - 1

    @property
    def rank(self) -> float:
        return self.log_e if self.log_e > 0 else min(0.0, self.log_surprise - 1e6)


def _columns(data: Dataset) -> list[str]:
    text = set(text_columns(data))
    return [c for c in data.columns.content if c not in text and _comparable(data.table.schema.field(c).type)]


def _values(data: Dataset) -> Floats:
    """(n,) the numbers that label the rows, NaN where there is none."""
    return code_columns(data.table, data.columns.label[:1]).cells[:, 0]


def _comparable(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_null(kind))


def _first_pass(court: Court, probe: TableProbe, coded: Coded, notes: list[str], progress: Progress) -> tuple[list[_Lead], list[int]]:
    """Every proposal tried, those worth a second look, and how many there were of one, two and three columns and of boxes."""
    counts, heard, left_out = [0, 0, 0, 0], 0, 0
    leads: list[_Lead] = []
    budget = HEARD_IN_ALL * 60 / probe.trees
    seen: Glance | None = None
    batch: list[Shared] = []
    waiting = 0
    for shared in chain(shared_cells(coded, notes), shared_boxes(coded, court.rng)):
        if shared.boxed and len(shared.columns) > REGION * coded.cells.shape[1]:
            continue
        place = BOXES if shared.boxed else len(shared.columns) - 1
        counts[place] += len(shared)
        if heard + np.minimum(shared.support, HEARD).sum() > budget * SPENT_BY[place]:
            seen = seen or glance(probe, court.y, court.rng)
            before, shared = len(shared), seen.worth_trying(shared)
            left_out += before - len(shared)
        if not len(shared):
            continue
        if waiting > BATCH:
            progress(2 + 5 * min(1.0, heard / budget), 10, "trying what rows share")
            leads.extend(_leads(batch, court))
            batch, waiting = [], 0
        cost = int(np.minimum(shared.support, HEARD).sum())
        heard, waiting = heard + cost, waiting + cost
        batch.append(shared)
    if batch:
        leads.extend(_leads(batch, court))
    if left_out:
        notes.append(f"{left_out:,} of {sum(counts):,} shared values were passed over at a glance: nothing in their rows is strange")
    return leads, counts


def _leads(batch: list[Shared], court: Court) -> list[_Lead]:
    scores = court.first_pass(batch)
    convicts = np.maximum(scores.both.max(1), scores.any_wrong)
    speaks = np.maximum(scores.targeted.max(1), scores.untargeted)
    pick = np.flatnonzero(convicts > 0)
    pick = pick[np.argsort(-convicts[pick], kind="stable")[: 4 * SHORT_LIST]]
    natural = np.flatnonzero((speaks > WORTH_TRYING) & (convicts <= 0))
    natural = natural[np.argsort(-speaks[natural], kind="stable")[:SHORT_LIST]]
    start = np.concatenate([[0], np.cumsum([len(s) for s in batch])])
    leads = []
    for g in [*pick, *natural]:
        at = int(np.searchsorted(start, g, side="right")) - 1
        aimed = bool(scores.targeted[g].max() >= scores.untargeted[g])
        target = int((scores.both if np.isfinite(scores.both[g].max()) else scores.targeted)[g].argmax())
        carriers = batch[at].carriers(int(g - start[at]))
        removed = tuple(int(j) for j in np.flatnonzero(scores.removed[g]))
        log_e = -np.inf
        if convicts[g] > 0:
            some = carriers if len(carriers) <= HEARD else np.sort(court.rng.choice(carriers, HEARD, replace=False))
            log_e = court.lone(some, removed) * combine(scores.both[g], float(scores.any_wrong[g]))
        where = target if aimed else None
        leads.append(_Lead(batch[at].columns, removed, carriers, where, log_e, float(speaks[g]), batch[at].boxed))
    return leads


def _distinct(leads: list[_Lead]) -> list[_Lead]:
    """Without those whose carriers are mostly those of stronger leads; boxes and values are told apart by their trials, not here: a box
    about a trigger's values holds some rows more, and may seem the stronger. So is a rule from the same with a condition more: the
    first pass hears some of the carriers, and half of a trigger's may seem stronger than all."""
    kept: list[_Lead] = []
    for lead in leads:
        rivals = [other.carriers for other in kept if other.boxed == lead.boxed and not set(lead.columns) < set(other.columns)]
        if not rivals or np.isin(lead.carriers, np.concatenate(rivals)).sum() < EXPLAINED * len(lead.carriers):
            kept.append(lead)
    return kept


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


def _blind_court(court: Court, coded: Coded, near: list[_Lead]) -> Court:
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
