"""What the first pass over all that rows of a table share leaves to be tried again, strongest first.

Whether carriers repeat one another is told pair by pair, takes longer than all else that is asked of a proposal, and can only weaken it.
So it is asked no sooner than a lead would otherwise be next, and what takes longest of it no sooner than the lead would be next after the
rest: the order, and what each says, are what they would be had all been asked.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from assay.learn.columns import Coded
from assay.learn.tables import TableProbe
from assay.mine.boxes import shared_boxes
from assay.mine.cells import TOO_WIDE, Shared, shared_cells
from assay.trial.court_of_cells import HEARD, Court
from assay.trial.evidence import combine
from assay.trial.family import Progress
from assay.trial.glance import Glance, glance

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

SHORT_LIST = 60  # proposals that are tried again with a probe refitted without their carriers
WORTH_TRYING = np.log(20.0)  # log e-value of surprise from which a proposal may be named as natural
EXPLAINED = 0.5  # with this share of its carriers among those of stronger proposals, a proposal is one of them in other words
HEARD_IN_ALL = 1_200_000  # carriers heard in the first pass: about 10 s on one core for two classes; then a glance decides
SPENT_BY = (1.0, 0.4, 1.0, np.inf)  # share of that after which only what is worth it by a glance is heard; boxes are few, and all heard
BOXES = 3  # the place of boxes among these, whose other places are by the number of columns
REGION = 0.5  # of all columns: a range of more is a part of the space that classes lie in, and the columns left can contradict nothing
BATCH = 50_000  # carriers heard in one call of the probe: a call costs 5 ms however few they are
ROUNDING = 1e-9  # by which what a lead says, a mean times a share, may seem more than the greatest of what the mean is of


@dataclass(frozen=True)
class Open:
    """What is still to be told of a lead: the carriers `heard`, among whom repeats are looked for, and what it says were there none, of
    each target (k,) and of any wrong label."""

    heard: Int
    both: Floats
    any_wrong: float


@dataclass(frozen=True)
class Lead:
    """A proposal after the first pass: its own columns, and all that were taken out with them. `log_e` is no more than a bound of what
    it says while something of it is `open`."""

    columns: tuple[int, ...]
    removed: tuple[int, ...]
    carriers: Int
    target: int | None
    log_e: float
    log_surprise: float
    boxed: bool
    open: Open | None = None

    @property
    def place(self) -> int:
        return BOXES if self.boxed else len(self.columns) - 1

    @property
    def rank(self) -> float:
        return self.log_e if self.log_e > 0 else min(0.0, self.log_surprise - 1e6)

    @property
    def best(self) -> float:
        """A rank that it does not pass, whatever is still to be told."""
        return self.rank if self.open is None else self.rank + ROUNDING * abs(self.rank)


def first_pass(court: Court, probe: TableProbe, coded: Coded, notes: list[str], progress: Progress) -> tuple[list[Lead], list[int]]:
    """Every proposal tried, those worth a second look, and how many there were of one, two and three columns and of boxes."""
    counts, heard, left_out = [0, 0, 0, 0], 0, 0
    leads: list[Lead] = []
    budget = HEARD_IN_ALL * 60 / probe.trees
    seen: Glance | None = None
    batch: list[Shared] = []
    waiting = 0
    of_ranges: list[str] = []
    for shared in chain(shared_cells(coded, notes, rng=court.rng), shared_boxes(coded, court.rng, of_ranges)):
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
    notes += [f"ranges of several columns: {note}" for note in of_ranges if TOO_WIDE in note]
    if left_out:
        notes.append(f"{left_out:,} of {sum(counts):,} shared values were passed over at a glance: nothing in their rows is strange")
    return leads, counts


def _leads(batch: list[Shared], court: Court) -> list[Lead]:
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
        tried = bool(convicts[g] > 0)  # what does not convict is named as a shortcut at most, and goes with a label
        aimed = bool(scores.targeted[g].max() >= (scores.untargeted[g] if tried else WORTH_TRYING))
        target = int((scores.both if tried and np.isfinite(scores.both[g].max()) else scores.targeted)[g].argmax())
        carriers = batch[at].carriers(int(g - start[at]))
        removed = tuple(int(j) for j in np.flatnonzero(scores.removed[g]))
        log_e, left = -np.inf, None
        if tried:
            some = carriers if len(carriers) <= HEARD else np.sort(court.rng.choice(carriers, HEARD, replace=False))
            log_e, left = float(convicts[g]), Open(some, scores.both[g], float(scores.any_wrong[g]))
        where = target if aimed else None
        leads.append(Lead(batch[at].columns, removed, carriers, where, log_e, float(speaks[g]), batch[at].boxed, left))
    return leads


def strongest(leads: Iterable[Lead], lone: Callable[[Int, tuple[int, ...], bool], float]) -> Iterator[Lead]:
    """The leads by falling rank, equals as they came.

    `lone` tells what share of a lead's votes its repeats leave: as `Court.lone`, asked for no less than that before it is asked for that.
    """
    waiting = [(-lead.best, number, lead, False) for number, lead in enumerate(leads)]
    heapq.heapify(waiting)
    while waiting:
        _, number, lead, together = heapq.heappop(waiting)
        if lead.open is None:
            yield lead
            continue
        log_e = lone(lead.open.heard, lead.removed, together) * combine(lead.open.both, lead.open.any_wrong)
        told = replace(lead, log_e=log_e, open=None if together else lead.open)
        heapq.heappush(waiting, (-told.best, number, told, True))


def distinct(leads: Iterable[Lead]) -> Iterator[Lead]:
    """Without those whose carriers are mostly those of stronger leads; boxes and values are told apart by their trials, not here: a box
    about a trigger's values holds some rows more, and may seem the stronger. So is a rule from the same with a condition more: the
    first pass hears some of the carriers, and half of a trigger's may seem stronger than all."""
    kept: list[Lead] = []
    for lead in leads:
        rivals = [other.carriers for other in kept if other.boxed == lead.boxed and not set(lead.columns) < set(other.columns)]
        if not rivals or np.isin(lead.carriers, np.concatenate(rivals)).sum() < EXPLAINED * len(lead.carriers):
            kept.append(lead)
            yield lead
