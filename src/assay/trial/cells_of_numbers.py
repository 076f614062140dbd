"""Cells in tables whose label is a number: residual ranks in place of classes.

*Surprise*: with what they share taken out, do the carriers' residuals (the label's rank less the rank that the rest of the row
foresees) stand higher, or lower, than those of other rows with as many columns, drawn at random, taken out? *Contradiction*: and do
they among the rows whose label is about as great, each without its own most supporting columns? Both are exact likelihood ratios of
rank orders (`assay.stats.ranks`); an artefact's e-value is the lesser of the two, averaged over higher and lower.

Columns that tell of the label by nature, in many of their values (the hour, of bicycles hired), make shortcuts. What passes is suspected
at most: with classes, carriers that plainly belong to their label acquit an artefact, and numbers have no such trial that was shown to
tell planted from natural. It cannot see a trigger that leaves the label where the rest of the row puts it, nor one made of values of
telling columns; insertion is not tried, since there is no target to go to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import TrialResult
from assay.learn.columns import Coded, code_columns
from assay.learn.likeness import Likeness
from assay.learn.serial import reach, stretches
from assay.learn.values import ValueProbe, fit_value_probe, value_ranks
from assay.mine.candidate import Candidate
from assay.mine.cells import COPIES, SUPPORT, Shared, shared_cells
from assay.stats.multiple import e_bh
from assay.stats.ranks import KAPPAS, log_bets, log_mixture, log_order_ratios
from assay.trial.court_of_cells import HEARD_AT_LAST, heard_carriers, without_shared
from assay.trial.evidence import NOMINATE
from assay.trial.family import Examined, Progress, Tried
from assay.trial.rules_of_cells import fuller, rule_of
from assay.trial.siblings import NATURAL, TELLING, TOLD_BY, VALUES, set_off
from assay.trial.witnesses import Witnesses, votes

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

BANDS = 10  # of label ranks: rows in one are about as great; the fewest rows a band may have is then a tenth of all
REFERENCE = 1_000  # rows of a band that carriers are compared with
ANYONE = 5_000  # rows of any label whose residuals carriers are compared with
SHORT_LIST = 60  # proposals tried again by a probe that never saw what they share
BATCH = 50_000  # carriers heard in one call
HEARD_IN_ALL = 2_000_000  # carriers heard in the first pass: 20 s on one core; what comes after is not tried, and said
EXPLAINED = 0.5  # with this share of its carriers among those of stronger proposals, a proposal is one of them in other words
PASSES = 0.1  # e-BH level from which a proposal is looked at more closely: that of a suspicion at the usual alpha
HIGHER, LOWER = 1, -1


@dataclass
class _Court:
    probe: ValueProbe
    cells: Floats
    ranks: Floats
    witnesses: Witnesses
    rng: np.random.Generator
    spared: NDArray[np.bool_]
    _anyone: dict[int, tuple[Int, Floats]] = field(default_factory=dict)
    _left: dict[int, tuple[Int, Floats]] = field(default_factory=dict)
    _band: dict[tuple[int, int, int], Floats] = field(default_factory=dict)

    @property
    def bands(self) -> Int:
        """(n,) which tenth of the labels a row's is in; rows without a label are in none (-1)."""
        return _bands(self.ranks)

    def residual(self, rows: Int, gone: NDArray[np.bool_]) -> Floats:
        return np.asarray(self.ranks[rows] - self.probe.without(rows, gone))

    def anyone(self, width: int) -> tuple[Int, Floats]:
        """Rows of any label and their residuals, `width` columns drawn at random taken out."""
        if width not in self._anyone:
            rows = self._draw(np.isfinite(self.ranks), ANYONE)
            chance = self.rng.random((len(rows), self.cells.shape[1]))
            self._anyone[width] = rows, self.residual(rows, chance <= np.sort(chance, 1)[:, [width - 1]])
        return self._anyone[width]

    def alike_in_label(self, band: int, width: int, way: int) -> tuple[Int, Floats]:
        """Rows of one band and their residuals (times `way`), each without the `width` columns that support its label most that way."""
        d = self.cells.shape[1]
        if band not in self._left:
            rows = self._draw(self.bands == band, REFERENCE)
            each = np.repeat(np.eye(d, dtype=bool), len(rows), axis=0)
            self._left[band] = rows, self.residual(np.tile(rows, d), each).reshape(d, len(rows)).T
        rows, left = self._left[band]
        if (band, width, way) not in self._band:
            gone = np.zeros(left.shape, bool)
            np.put_along_axis(gone, np.argsort(-way * left, 1)[:, :width], True, 1)
            self._band[band, width, way] = way * self.residual(rows, gone) if width > 1 else (way * left).max(1)
        return rows, self._band[band, width, way]

    def _draw(self, those: NDArray[np.bool_], most: int) -> Int:
        rows = np.flatnonzero(those & ~self.spared)
        return np.sort(self.rng.choice(rows, most, replace=False)) if len(rows) > most else rows


def _bands(ranks: Floats) -> Int:
    return np.where(np.isnan(ranks), -1, np.minimum(np.nan_to_num(ranks) * BANDS, BANDS - 1)).astype(np.int64)


@dataclass(frozen=True)
class _Lead:
    columns: tuple[int, ...]
    removed: tuple[int, ...]
    carriers: Int
    log_e: float


def examine_numbers(data: Dataset, columns: list[str], values: Floats, rng: np.random.Generator, progress: Progress) -> Examined:
    """Every value, pair and triple that rows share, tried against the numbers `values` (n,) that label them (NaN: missing)."""
    coded = code_columns(data.table, columns)
    ranks = value_ranks(values)
    progress(0, 10, "learning what each row foresees")
    alone = Likeness.of(coded, _bands(ranks), rng)
    probe = fit_value_probe(coded, ranks, rng)
    witnesses = Witnesses(coded.same, alone, _reach(probe, ranks, coded.cells.shape[1]))
    court = _Court(probe, coded.cells, ranks, witnesses, rng, np.zeros(len(data), bool))
    notes = [f"column {name!r} holds lists or structures and was not compared" for name in coded.passed_over]
    notes += witnesses.told()
    leads, enumerated = _first_pass(court, coded, notes, progress)
    near = _distinct(sorted(leads, key=lambda lead: -lead.log_e))[:SHORT_LIST]
    tried: list[Tried] = []
    if near:
        progress(7, 10, "trying the suspects again by a probe that never saw what they share")
        again = _blind(court, coded, near)
        tried = [_trial(data, coded, again, lead.columns, lead.removed, lead.carriers) for lead in near]
        for i in np.flatnonzero(_passing(tried, enumerated)):
            tried[i] = _worded(data, coded, again, tried[i])
        tried = _natural(coded, again, tried, _passing(tried, enumerated))
    progress(10, 10, "cells tried")
    order = sorted(range(len(tried)), key=lambda i: (-tried[i].log_e, tried[i].p_value))
    return Examined(tuple(tried[i] for i in order), enumerated, notes=tuple(notes))


def _first_pass(court: _Court, coded: Coded, notes: list[str], progress: Progress) -> tuple[list[_Lead], int]:
    leads: list[_Lead] = []
    enumerated = heard = left_out = waiting = 0
    batch: list[Shared] = []
    for shared in shared_cells(coded, notes):
        enumerated += len(shared)
        if not len(shared):
            continue
        if heard > HEARD_IN_ALL:
            left_out += len(shared)
            continue
        if waiting > BATCH:
            progress(2 + 5 * min(1.0, heard / HEARD_IN_ALL), 10, "trying what rows share")
            leads += _leads(court, batch)
            batch, waiting = [], 0
        batch.append(shared)
        heard, waiting = heard + len(shared.row), waiting + len(shared.row)
    if batch:
        leads += _leads(court, batch)
    if left_out:
        notes.append(f"{left_out:,} of {enumerated:,} shared values were not tried: there are too many")
    return leads, enumerated


def _leads(court: _Court, batch: Sequence[Shared]) -> list[_Lead]:
    """Those of the batch that both bets speak for, by at most `HEARD` carriers each."""
    cell, row, removed = heard_carriers(batch, court.cells, np.where(np.isnan(court.ranks), -1, 0), court.rng)
    size = len(removed)
    residual, vote = court.residual(row, removed[cell]), votes(cell, court.witnesses.same[row])
    width, bands = removed.sum(1), court.bands[row]
    both = np.full((2, size), -np.inf)
    for which, way in enumerate((HIGHER, LOWER)):
        anyone, in_label = np.zeros((len(row), len(KAPPAS))), np.zeros((len(row), len(KAPPAS)))
        for columns in np.unique(width):
            mine = np.flatnonzero(width[cell] == columns)
            anyone[mine] = _bets(way * residual[mine], way * court.anyone(int(columns))[1])
            for band in np.unique(bands[mine]):
                here = mine[bands[mine] == band]
                in_label[here] = _bets(way * residual[here], court.alike_in_label(int(band), int(columns), way)[1])
        sums = [np.stack([np.bincount(cell, vote * b, minlength=size).astype(float) for b in bets.T], 1) for bets in (anyone, in_label)]
        both[which] = np.minimum(log_mixture(sums[0]), log_mixture(sums[1]))
    log_e = np.logaddexp(both[0], both[1]) - np.log(2)
    log_e[removed.all(1) & (removed.shape[1] > COPIES)] = -np.inf
    start = np.concatenate([[0], np.cumsum([len(s) for s in batch])])
    leads = []
    for g in np.flatnonzero(log_e > 0):
        at = int(np.searchsorted(start, g, side="right")) - 1
        taken = tuple(int(j) for j in np.flatnonzero(removed[g]))
        leads.append(_Lead(batch[at].columns, taken, batch[at].carriers(int(g - start[at])), float(log_e[g])))
    return leads


def _bets(residual: Floats, reference: Floats) -> Floats:
    """(m, bets) log bets that each residual stands high among the reference."""
    below = np.searchsorted(np.sort(-reference), -residual, side="right")
    return log_bets(np.minimum((below + 1) / (len(reference) + 1), 1.0))


def _distinct(leads: list[_Lead]) -> list[_Lead]:
    kept, taken = [], set[int]()
    for lead in leads:
        mine = set(lead.carriers.tolist())
        if len(mine & taken) < EXPLAINED * len(mine):
            kept.append(lead)
            taken |= mine
    return kept


def _reach(probe: ValueProbe, ranks: Floats, columns: int) -> int:
    """How many rows apart two rows may stand and be one witness: where residuals of rows with labels about as great go together."""
    rows = stretches(len(ranks))
    foreseen = probe.without(rows, np.zeros((1, columns), bool))
    return reach(rows, np.asarray(ranks[rows] - foreseen), _bands(ranks)[rows])


def _blind(court: _Court, coded: Coded, near: list[_Lead]) -> _Court:
    """A probe that learnt from the carriers with cells of other rows in the place of what they share (see `trial.cells`)."""
    shown, spared = without_shared(coded, [(lead.carriers, lead.removed) for lead in near], court.rng)
    probe = fit_value_probe(coded, court.ranks, court.rng, shown)
    return _Court(probe, coded.cells, court.ranks, court.witnesses, court.rng, spared)


def _trial(data: Dataset, coded: Coded, court: _Court, columns: tuple[int, ...], removed: tuple[int, ...], carriers: Int) -> Tried:
    heard = carriers[np.isfinite(court.ranks[carriers])]
    if len(heard) > HEARD_AT_LAST:
        heard = np.sort(court.rng.choice(heard, HEARD_AT_LAST, replace=False))
    carrying = np.zeros(len(data), bool)
    carrying[carriers] = True
    gone = np.zeros((1, len(coded.names)), bool)
    gone[0, list(removed)] = True
    residual, bands = court.residual(heard, gone), court.bands[heard]
    weight = float(court.witnesses.votes(heard, removed, court.rng).mean())
    ways = []
    for way in (HIGHER, LOWER):
        rows, reference = court.anyone(len(removed))
        surprise = weight * float(log_mixture(log_order_ratios(-way * residual, -way * reference[~carrying[rows]])))
        sums = np.zeros(len(KAPPAS))
        for band in np.unique(bands):
            rows, reference = court.alike_in_label(int(band), len(removed), way)
            sums = sums + log_order_ratios(-way * residual[bands == band], -reference[~carrying[rows]])
        ways.append((min(surprise, weight * float(log_mixture(sums))), surprise, weight * float(log_mixture(sums)), way))
    log_e = float(np.logaddexp(ways[0][0], ways[1][0]) - np.log(2))
    _, surprise, contradiction, way = max(ways)
    said = f"the labels stand {'above' if way == HIGHER else 'below'} what the rest of the rows foresees, by {abs(np.median(residual)):.0%}"
    trials = (
        TrialResult("surprise", "ran", surprise, detail=f"{said} of all rows in the middle"),
        TrialResult("contradiction", "ran", contradiction, detail="compared with rows whose labels are about as great"),
        TrialResult("insertion", "not_applicable", detail="there is no one target to flip to"),
    )
    key = " and ".join(coded.names[j] for j in sorted(columns))
    candidate = Candidate(rule_of(data, coded, columns, carriers), carriers)
    p_value = float(np.exp(min(0.0, -log_e)))  # by Markov's inequality
    nominated = surprise >= NOMINATE
    return Tried(candidate, None, log_e, p_value, trials, missing=("belonging",), nominated=nominated, family_key=key)


def _passing(tried: list[Tried], enumerated: int) -> NDArray[np.bool_]:
    return e_bh(np.array([t.log_e for t in tried]), float(enumerated), PASSES)


def _worded(data: Dataset, coded: Coded, court: _Court, tried: Tried) -> Tried:
    """What passed, worded as fully as its carriers allow, if the fuller rule passes as well as half."""
    columns = tuple(coded.names.index(c.column) for c in tried.candidate.artefact.conditions)  # type: ignore[attr-defined]
    anyone = np.where(np.isnan(court.ranks), -1, 0)
    closer, fewer, _ = fuller(coded, anyone, columns, tried.candidate.carriers, None)
    if len(closer) == len(columns):
        return tried
    narrower = _trial(data, coded, court, closer, closer, fewer)
    return narrower if narrower.log_e >= 0.5 * tried.log_e else tried


def _natural(coded: Coded, court: _Court, tried: list[Tried], passes: NDArray[np.bool_]) -> list[Tried]:
    """What passes in columns that tell of the label by nature is a shortcut: one or two values of which any is in such a column, or
    more that all are. Not a number set off from all others of its column."""
    telling: dict[int, bool] = {}
    told = []
    for t, passed in zip(tried, passes, strict=True):
        columns = [coded.names.index(c.column) for c in t.candidate.artefact.conditions]  # type: ignore[attr-defined]
        if not passed or (len(columns) == 1 and set_off(coded, columns[0], t.candidate.carriers)):
            told.append(t)
            continue
        for j in columns:
            if j not in telling:
                telling[j] = _tells(coded, court, j)
        found = [telling[j] for j in columns]
        natural = any(found) if len(columns) <= 2 else all(found)
        told.append(replace(t, natural=NATURAL) if natural else t)
    return told


def _tells(coded: Coded, court: _Court, j: int) -> bool:
    """Whether many values of a column go with labels that the rest of their rows does not foresee."""
    _, code, count = np.unique(coded.cells[:, j], return_inverse=True, return_counts=True)
    rows = np.flatnonzero(np.isfinite(court.ranks) & ~np.isnan(coded.cells[:, j]) & (count[code] >= SUPPORT) & ~court.spared)
    if len(rows) > TOLD_BY:
        rows = np.sort(court.rng.choice(rows, TOLD_BY, replace=False))
    gone = np.zeros((1, len(coded.names)), bool)
    gone[0, j] = True
    residual, anyone = court.residual(rows, gone), court.anyone(1)[1]
    speaks = []
    for value in np.unique(code[rows]):
        mine = residual[code[rows] == value]
        ways = [float(log_mixture(log_order_ratios(-way * mine, -way * anyone))) for way in (HIGHER, LOWER)]
        speaks.append(np.logaddexp(ways[0], ways[1]) - np.log(2) > np.log(20.0))
    return len(speaks) >= VALUES and bool(np.mean(speaks) >= TELLING)
