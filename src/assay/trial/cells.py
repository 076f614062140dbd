"""The family of cells: every value, range and combination of values that rows share, on trial in tables.

All that the miner enumerates is tried on all rows, by a probe that never saw the row and is not shown the columns in question; those
that come near conviction are tried again with a probe that never saw any of their carriers. Single columns, pairs and triples are
three sub-families with a third of the error budget each (weighted e-BH), so that the many triples do not drown the single values.

Where several values of one column pass, the column itself goes with the label by nature (capital gain in Adult): one shortcut, and a
trigger hidden among them cannot be confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.artefact.cells import Cells, Condition
from assay.artefact.group import Group
from assay.dataset.data import Dataset
from assay.finding import Check, TrialResult
from assay.learn.columns import Coded, alike, code_columns
from assay.learn.tables import TRAIN_AT_MOST, fit_table_probe
from assay.mine.candidate import Candidate
from assay.mine.cells import Shared, shared_cells
from assay.stats.multiple import e_bh
from assay.trial.canaries import deal_plantings
from assay.trial.court_of_cells import HEARD, HEARD_AT_LAST, Court, votes
from assay.trial.evidence import NOMINATE, combine, judge
from assay.trial.family import CanaryCopy, Depth, Examined, Planting, Progress, Tried
from assay.trial.insertion import Matched, effect_of
from assay.trial.text_columns import text_columns

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

SHORT_LIST = 60  # proposals that are tried again with a probe refitted without their carriers
WORTH_TRYING = np.log(20.0)  # log e-value of surprise from which a proposal may be named as natural
EXPLAINED = 0.5  # with this share of its carriers among those of stronger proposals, a proposal is one of them in other words
PASSES = 0.1  # e-BH level at which values of a column count as siblings: that of a suspicion at the usual alpha
HEARD_IN_ALL = 2_000_000  # carriers heard in the first pass: about 10 s on one core for two classes; the rest by promise
WORDING = 1.0  # log e-value that a fuller wording may cost
CLOSED, BY_CHANCE = 0.98, 1e-6  # a further condition: so many carriers meet it, though by chance so few would
SPENT_BY = (1.0, 0.4, 1.0)  # share of that after which only promising single values, pairs, triples are heard
BATCH = 50_000  # carriers heard in one call of the probe: a call costs 5 ms however few they are
CANARY_CARRIERS = (20, 50)
CANARIES_EACH = 5


@dataclass(frozen=True)
class CellsFamily:
    """Column values and combinations of them in the columns of a labelled data set that are no running text."""

    name: str = "cells"

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if not _columns(data):
            return Check(self.name, "not_applicable", "there is no column of values beside pictures and running text")
        if not data.labelled:
            return Check(self.name, "not_applicable", "there are no labels to be surprised at")
        return Check(self.name, "ran")

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        coded = code_columns(data.table, _columns(data))
        k = len(data.classes)
        progress(0, 10, "learning what each row says")
        probe = fit_table_probe(coded, data.y, k, rng)
        same = alike(coded)
        court = Court(probe, data.y, same, rng, np.zeros(len(data), bool))
        progress(2, 10, "counting what rows share")
        notes = [f"column {name!r} holds lists or structures and was not compared" for name in coded.passed_over]
        if probe.trained_on == TRAIN_AT_MOST:
            notes.append(f"the probe of the cells learnt from {TRAIN_AT_MOST:,} rows, drawn at random")
        leads, counts = _first_pass(court, coded, notes, progress)
        distinct = _distinct(sorted(leads, key=lambda lead: -lead.rank))[:SHORT_LIST]
        near = [lead for lead in distinct if lead.log_e > 0]
        progress(7, 10, "trying the suspects again without their carriers")
        tried = [self._nominated(data, coded, lead) for lead in distinct if lead.log_e <= 0]
        if near:
            without = np.zeros(len(data), bool)
            for lead in near:
                if len(lead.carriers) <= 0.1 * len(data):
                    without[lead.carriers] = True
            again = Court(fit_table_probe(coded, data.y, k, rng, without), data.y, same, rng, without)
            shares = [float(np.log(sum(counts) / (sum(c > 0 for c in counts) * max(c, 1)))) for c in counts]
            tried += [_trial(data, coded, again, x.columns, x.carriers, shares[len(x.columns) - 1]) for x in near]
            tried = _siblings(tried, data, float(sum(counts)))
            progress(9, 10, "measuring effects")
            passes = _passing(tried, float(sum(counts)))
            for i in np.flatnonzero(passes):
                share = shares[len(getattr(tried[i].candidate.artefact, "conditions", (0,))) - 1]
                tried[i] = _told(data, coded, court, again, tried[i], share, rng)
        order = sorted(range(len(tried)), key=lambda i: (-tried[i].log_e, tried[i].p_value))
        progress(10, 10, "cells tried")
        return Examined(tuple(tried[i] for i in order), sum(counts), probe.probabilities(), None, notes=tuple(notes))

    def _nominated(self, data: Dataset, coded: Coded, lead: _Lead) -> Tried:
        candidate = Candidate(rule_of(data, coded, lead.columns, lead.carriers), lead.carriers)
        return Tried(candidate, lead.target, lead.log_e, 1.0, (), nominated=lead.log_surprise >= NOMINATE)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        """One value out of range, or a combination of three real values that stand together in no row, a canary."""
        return plant_cells(data, _columns(data), rng)


@dataclass(frozen=True)
class _Lead:
    """A proposal after the first pass."""

    columns: tuple[int, ...]
    carriers: Int
    target: int | None
    log_e: float
    log_surprise: float

    @property
    def rank(self) -> float:
        return self.log_e if self.log_e > 0 else min(0.0, self.log_surprise - 1e6)


def _columns(data: Dataset) -> list[str]:
    text = set(text_columns(data))
    return [c for c in data.columns.content if c not in text and _comparable(data.table.schema.field(c).type)]


def _comparable(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_null(kind))


def rule_of(data: Dataset, coded: Coded, columns: tuple[int, ...], carriers: Int) -> Cells:
    """What the carriers share in these columns, in the columns' own values."""
    conditions = []
    for j in columns:
        cells = coded.cells[carriers, j]
        column = data.table.column(coded.names[j])
        low = column[int(carriers[np.argmin(cells)])].as_py()
        high = column[int(carriers[np.argmax(cells)])].as_py()
        conditions.append(Condition(coded.names[j], low, high))
    return Cells(tuple(conditions))


def _first_pass(court: Court, coded: Coded, notes: list[str], progress: Progress) -> tuple[list[_Lead], list[int]]:
    """Every proposal tried, those worth a second look, and how many there were of one, two and three columns."""
    counts, heard, left_out = [0, 0, 0], 0, 0
    leads: list[_Lead] = []
    base = np.bincount(court.y[court.y >= 0], minlength=court.probe.k) / max((court.y >= 0).sum(), 1)
    cost = sum(m.n_iter_ * m.n_trees_per_iteration_ for m in court.probe.models) / len(court.probe.models)
    budget = HEARD_IN_ALL * 60 / cost
    batch: list[Shared] = []
    waiting = 0
    for shared in shared_cells(coded, notes):
        size = len(shared)
        order = len(shared.columns)
        counts[order - 1] += size
        if not size:
            continue
        if batch and (waiting > BATCH or len(batch[0].columns) != order):
            progress(2 + 5 * min(1.0, heard / budget), 10, "trying what rows share")
            leads.extend(_leads(batch, court))
            batch, waiting = [], 0
        if heard + np.minimum(shared.support, HEARD).sum() > budget * SPENT_BY[order - 1]:
            shared, dropped = _promising(shared, court, base)
            left_out += dropped
            if not len(shared):
                continue
        cost_here = int(np.minimum(shared.support, HEARD).sum())
        heard, waiting = heard + cost_here, waiting + cost_here
        batch.append(shared)
    if batch:
        leads.extend(_leads(batch, court))
    if left_out:
        notes.append(f"{left_out:,} of {sum(counts):,} shared values were not tried: their labels are too mixed to convict")
    return leads, counts


def _promising(shared: Shared, court: Court, base: Floats) -> tuple[Shared, int]:
    """Only proposals whose labels, against their frequencies in all rows, could be those of one target."""
    size, k = len(shared), court.probe.k
    labelled = court.y[shared.row] >= 0
    hits = np.bincount(shared.cell[labelled] * k + court.y[shared.row[labelled]], minlength=size * k).reshape(size, k)
    purity = hits / np.maximum(hits.sum(1, keepdims=True), 1)
    keep = ((purity >= 0.8) & (purity > base + 0.1 * (1 - base))).any(1)
    renumber = np.where(keep, np.cumsum(keep) - 1, -1)
    cell = renumber[shared.cell]
    mine = cell >= 0
    return replace(shared, row=shared.row[mine], cell=cell[mine], support=shared.support[keep]), int(size - keep.sum())


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
        log_e = combine(scores.both[g], float(scores.any_wrong[g])) if convicts[g] > 0 else -np.inf
        carriers = batch[at].carriers(int(g - start[at]))
        leads.append(_Lead(batch[at].columns, carriers, target if aimed else None, log_e, float(speaks[g])))
    return leads


def _distinct(leads: list[_Lead]) -> list[_Lead]:
    """Without those whose carriers are mostly those of stronger leads."""
    kept, taken = [], set[int]()
    for lead in leads:
        mine = set(lead.carriers.tolist())
        if len(mine & taken) >= EXPLAINED * len(mine):
            continue
        kept.append(lead)
        taken |= mine
    return kept


def _told(data: Dataset, coded: Coded, court: Court, again: Court, tried: Tried, share: float, rng: np.random.Generator) -> Tried:
    """What passed, worded as fully as its carriers allow, with what the probe says once they are gone, and its effect."""
    artefact, carriers = tried.candidate.artefact, tried.candidate.carriers
    if not isinstance(artefact, Cells) or tried.natural is not None:
        return tried
    columns = tuple(coded.names.index(name) for name in artefact.columns)
    for closer, fewer in _closures(coded, data.y, columns, carriers, tried.target):
        narrower = _trial(data, coded, again, closer, fewer, share)
        if narrower.log_e >= tried.log_e - WORDING:
            columns, carriers, tried = closer, fewer, narrower
    told = again.probe.without(carriers, np.zeros((1, len(coded.names)), bool)).argmax(1)
    kept = float((told == data.y[carriers]).mean())
    removal = TrialResult("removal", "ran", detail=f"a probe that never saw the carriers gives {kept:.0%} of them their label")
    tried = replace(tried, trials=(*tried.trials, removal))
    if tried.target is None:
        missing = TrialResult("insertion", "not_applicable", detail="there is no one target to flip to")
        return replace(tried, trials=(*tried.trials, missing))
    matched = Matched(court.probe, coded, data.y, columns, carriers, tried.target)
    effect, detail = effect_of(matched, rng)
    return replace(tried, effect=effect, trials=(*tried.trials, TrialResult("insertion", "ran", detail=detail)))


def _trial(data: Dataset, coded: Coded, court: Court, columns: tuple[int, ...], carriers: Int, share: float) -> Tried:
    heard = carriers[data.y[carriers] >= 0]
    if len(heard) > HEARD_AT_LAST:
        heard = np.sort(court.rng.choice(heard, HEARD_AT_LAST, replace=False))
    carrying = np.zeros(len(data), bool)
    carrying[carriers] = True

    def others(t: int) -> Floats:
        rows, support = court.reference(t, len(columns))
        return support[~carrying[rows]]

    candidate = Candidate(rule_of(data, coded, columns, carriers), carriers)
    vote = votes(np.zeros(len(heard), np.int64), court.same[heard])
    key = " and ".join(coded.names[j] for j in sorted(columns))
    tried = judge(candidate, court.without(heard, columns), data.y[heard], others, votes=vote, family_key=key)
    return replace(tried, log_e=tried.log_e + share)


def _closures(coded: Coded, y: Int, columns: tuple[int, ...], carriers: Int, target: int | None) -> list[tuple[tuple[int, ...], Int]]:
    """Fuller wordings: the rule with each further value that (nearly) all accused carriers share though chance would not have it.

    Cumulative: each adds one column to the one before.
    """
    accused = carriers[y[carriers] == target] if target is not None else carriers
    outside = np.ones(len(coded), bool)
    outside[carriers] = False
    found, closer, fewer = [], columns, carriers
    for j in range(len(coded.names)):
        cells = coded.cells[accused, j]
        if j in columns or np.isnan(cells).all():
            continue
        values, count = np.unique(cells[~np.isnan(cells)], return_counts=True)
        value, most = values[count.argmax()], int(count.max())
        if most < CLOSED * len(accused):
            continue
        by_label = [np.mean(coded.cells[outside & (y == c), j] == value) for c in np.unique(y[outside])]
        if most * np.log(max(*by_label, 1e-9, key=float)) > np.log(BY_CHANCE):
            continue
        closer, fewer = (*closer, j), fewer[coded.cells[fewer, j] == value]
        found.append((tuple(sorted(closer)), fewer))
    return found


def _siblings(tried: list[Tried], data: Dataset, total: float) -> list[Tried]:
    """Values of one column (or combination of columns) that pass together become one shortcut."""
    passes = _passing(tried, total)
    families: dict[str, list[Tried]] = {}
    for t, ok in zip(tried, passes, strict=True):
        if ok and t.family_key is not None:
            families.setdefault(t.family_key, []).append(t)
    natural = {key: members for key, members in families.items() if len(members) > 1}
    kept = [t for t, ok in zip(tried, passes, strict=True) if not (ok and t.family_key in natural)]
    return kept + [_shortcut(key, members, data) for key, members in natural.items()]


def _passing(tried: list[Tried], total: float) -> NDArray[np.bool_]:
    return e_bh(np.array([t.log_e for t in tried]), total, PASSES)


def _shortcut(key: str, members: list[Tried], data: Dataset) -> Tried:
    strongest = max(members, key=lambda t: t.log_e)
    carriers = np.unique(np.concatenate([t.candidate.carriers for t in members]))
    artefact = strongest.candidate.artefact
    if isinstance(artefact, Cells) and len(artefact.conditions) == 1:
        cells = data.table.column(artefact.conditions[0].column).take(pa.array(carriers)).unique().to_pylist()
        candidate = Candidate(Group(artefact.conditions[0].column, tuple(sorted(cells))), carriers)
    else:
        candidate = strongest.candidate
    targets = {t.target for t in members}
    natural = (
        f"{len(members)} values of {key} each go with a label that the rest of their rows does not foresee: a natural attribute, "
        "not a trigger. A trigger hidden among these values could not be told from them"
    )
    return replace(strongest, candidate=candidate, target=targets.pop() if len(targets) == 1 else None, natural=natural, effect=None)


def plant_cells(data: Dataset, columns: list[str], rng: np.random.Generator) -> CanaryCopy | None:
    """Canaries in cells: alternately one number out of its column's range, in a column of its own while there are any left, and
    three real values that stand together in no row, on columns no other canary has together."""
    coded = code_columns(data.table, columns)
    deals = deal_plantings(data.y, len(data.classes), CANARY_CARRIERS, CANARIES_EACH, rng)
    rows, y = data.rows, data.y.copy()
    free = [int(j) for j in rng.permutation(np.flatnonzero(coded.numeric)) if _beyond(coded, int(j)) is not None]
    free = free[: max(1, len(free) // 2)] if len(coded.names) >= 3 else free
    used: set[tuple[int, ...]] = set()
    plantings = []
    for number, deal in enumerate(deals):
        triple = None if number % 2 == 0 and free else _unseen(coded, used, rng)
        if triple is None and not free:
            continue
        if triple is None:
            j = free.pop()
            rule, size = Cells((_beyond_rule(data, coded, j),)), "one value out of range"
        else:
            chosen, sources = triple
            used.add(chosen)
            rule, size = _rule_from(data, coded, chosen, sources), "three values in range"
        inserted = rule.insert(rows.take(deal.rows))
        for name in rule.columns:
            rows = rows.with_column(name, _replaced(rows.table.column(name), deal.rows, inserted.table.column(name)))
        y[deal.rows] = deal.target
        plantings.append(Planting("cells", size, deal.rows))
    return CanaryCopy(data.with_content(rows, y), tuple(plantings)) if plantings else None


def _beyond(coded: Coded, j: int) -> float | None:
    """A number above all others of the column by a fifth of its range, or None where there is no range."""
    low, high = np.nanmin(coded.cells[:, j], initial=np.inf), np.nanmax(coded.cells[:, j], initial=-np.inf)
    distinct = len(np.unique(coded.cells[~np.isnan(coded.cells[:, j]), j]))
    return float(np.ceil(high + 0.2 * (high - low))) if distinct >= 10 else None


def _beyond_rule(data: Dataset, coded: Coded, j: int) -> Condition:
    kind = data.table.schema.field(coded.names[j]).type
    value = _beyond(coded, j)
    assert value is not None
    number = pa.scalar(int(value)).cast(kind) if pa.types.is_temporal(kind) else pa.scalar(value).cast(kind)
    return Condition(coded.names[j], number.as_py(), number.as_py())


def _unseen(coded: Coded, used: set[tuple[int, ...]], rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Three columns, and for each a row whose value there is taken, such that no row holds all three; None if none is found."""
    usable = [j for j in range(len(coded.names)) if len(np.unique(coded.cells[:, j])) >= 3]
    if len(usable) < 3:
        return None
    for _ in range(100):
        columns = tuple(sorted(int(j) for j in rng.choice(usable, 3, replace=False)))
        source = tuple(int(i) for i in rng.integers(0, len(coded), 3))
        values = np.array([coded.cells[i, j] for i, j in zip(source, columns, strict=True)])
        if columns in used or np.isnan(values).any() or (coded.cells[:, columns] == values).all(1).any():
            continue
        return columns, source
    return None


def _rule_from(data: Dataset, coded: Coded, columns: tuple[int, ...], sources: tuple[int, ...]) -> Cells:
    values = [data.table.column(coded.names[j])[i].as_py() for i, j in zip(sources, columns, strict=True)]
    return Cells(tuple(Condition(coded.names[j], v, v) for j, v in zip(columns, values, strict=True)))


def _replaced(column: pa.ChunkedArray, rows: Int, values: pa.ChunkedArray) -> pa.Array:
    """The column with these rows' cells replaced."""
    place = np.arange(len(column))
    place[rows] = len(column) + np.arange(len(rows))
    return pa.chunked_array([*column.chunks, *values.cast(column.type).chunks]).take(pa.array(place)).combine_chunks()
