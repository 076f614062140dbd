"""Groups of the population whose labels were shifted in one direction: values, ranges and pairs of values of a table's columns.

That a group's labels differ from what the rest of its columns foresee is natural: the column means something. It shifts the log odds
of its rows, and a shift leaves rows that were all but certain all but certain. Relabelling does not: it takes a share of the rows
whatever they hold. So, with the group's columns taken out of every row, in each group and direction a -> b the rows that the
probe is surest to be of class a are set apart (the surer half of those it gives to a, with these columns and without them: where a
column makes b of them that is what the column means). The shift of the group is fitted on its *other* rows, and says how many of the
sure ones are labelled b by nature; their excess is the evidence. How far natural groups stray from such a shift is fitted over all
other groups (`stats/overdispersed.py`): an empirical null, which promises as much as the groups of a table are alike in this.

It cannot see a group whose rows the probe is never sure of, one that relabels rows at the border only, or one described by three
columns or more; nor tell a relabelling from a natural group of which some members are, at random, quite another class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from assay.learn.columns import Coded
from assay.learn.tables import TableProbe
from assay.mine.populations import Population, populations
from assay.stats.log_odds import shifts
from assay.stats.overdispersed import Counted, log_excess_e, rates, upper_tail

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

SURE_LEAST = 20  # rows given to a, in a group, whose surer half is looked at
HEARD = 300  # rows of a group looked at first, drawn blind to the labels: 30 % of the surer half of them are 45
HEARD_AT_LAST, SHORT_LIST = 5_000, 60  # rows of a group looked at where it may stand out, and how many groups that is
WORTH = 3.0  # log e-value from which that is worth it
HEARD_IN_ALL, TREES = 600_000, 60  # rows looked at over all groups, by so many trees: some 6 s on one core; pairs beyond are passed over
BATCH = 50_000  # rows judged in one call of the probe
FAITH = 1e-4  # a probe is never surer than this
SPEAKS = 0.05  # expected hits from which a group without any is heard when the spread is fitted
FEWEST = 10  # hits, below which a group is not accused: single rows are for the label screens
PLAINER = 0.6  # of the evidence for a pair of values, with which one of the two is named instead: a pair in it may stand out by chance
FINDINGS = 5  # groups named at most, each after the rows of those before are set aside
RETRIED = 100  # of the groups that share rows with one named, how many are looked at again, strongest first


@dataclass(frozen=True)
class Shifted:
    """A group and a direction: `hits` of its `trials` surest rows of class `source` are labelled `target`, `expected` by nature."""

    columns: tuple[int, ...]
    hidden: tuple[int, ...]  # these, and those that say the same: what the probe was not shown
    rows: Int  # of the whole group, sorted
    source: int
    target: int
    trials: float
    hits: float
    expected: float
    log_e: float
    p_value: float
    disputed: Int = field(default_factory=lambda: np.zeros(0, np.int64))  # rows more likely relabelled than not

    @property
    def share(self) -> float:
        """Of the rows of class `source` in the group, the estimated share that was relabelled."""
        return max(0.0, (self.hits - self.expected) / max(self.trials - self.expected, 1e-9))


@dataclass(frozen=True)
class Looked:
    """What was looked at: the groups that stand out, strongest first, and how many lines (group and direction) were compared."""

    found: tuple[Shifted, ...]
    singles: int
    pairs: int
    passed_over: int


@dataclass(frozen=True)
class _Lines:
    """(m,) lines: of population `of`, its group, its direction, and their counts."""

    of: Int
    group: Int
    cell: Int
    trials: Floats
    hits: Floats
    expected: Floats


def shifted_groups(
    probe: TableProbe, coded: Coded, y: Int, rng: np.random.Generator, progress: Callable[[float], None] = lambda done: None
) -> Looked:
    """Groups of `coded` rows whose labels y (n,), negative where missing, were shifted. `probe` is asked without the groups' columns."""
    everything = sorted(populations(coded), key=lambda p: int(np.minimum(p.size, HEARD).sum()))  # the cheap ones first
    whole = np.log(np.clip(probe.probabilities(), FAITH, None))
    parts: list[_Lines] = []
    batch: list[tuple[int, Int]] = []
    heard, passed = 0, 0
    budget = HEARD_IN_ALL * TREES / max(1.0, probe.trees)
    for number, population in enumerate(everything):
        rows = _heard(population.code, y, len(population), HEARD, rng)
        if heard + len(rows) > budget:
            passed += 1
            continue
        heard += len(rows)
        if batch and sum(len(r) for _, r in batch) + len(rows) > BATCH:
            parts += _batch(batch, everything, probe, whole, y)
            batch = []
            progress(number / len(everything))
        batch.append((number, rows))
    if batch:
        parts += _batch(batch, everything, probe, whole, y)
    lines = _Lines(*(np.concatenate([getattr(part, f) for part in parts]) for f in _Lines.__dataclass_fields__)) if parts else None
    if lines is None or not len(lines.of):
        return Looked((), 0, 0, passed)
    single = np.array([len(everything[i].columns) == 1 for i in lines.of])
    counts = int(single.sum()), int((~single).sum())
    # values and pairs share the error budget, so that the many pairs do not drown the values
    weight = np.where(single, *(np.log(len(single)) - np.log(max(c, 1)) - np.log(sum(n > 0 for n in counts)) for c in counts))
    return Looked(_strongest(lines, weight, everything, probe, whole, y, rng), *counts, passed)


def _strongest(
    lines: _Lines, weight: Floats, everything: list[Population], probe: TableProbe, whole: Floats, y: Int, rng: np.random.Generator
) -> tuple[Shifted, ...]:
    """The groups that stand out, one by one, each without the rows of those before it."""
    k = probe.k
    trials, hits, expected = lines.trials.copy(), lines.hits.copy(), lines.expected.copy()
    key = np.unique(lines.of * (lines.group.max() + 1) + lines.group, return_inverse=True)[1]
    groups = int(key.max()) + 1
    left = y.copy()
    found: list[Shifted] = []
    counted = Counted(key, lines.cell, trials, hits, expected)
    first = log_excess_e(counted, rates(counted, k * k), groups, k * k) + weight
    for i in np.argsort(-first, kind="stable")[:SHORT_LIST]:
        if first[i] > WORTH and everything[lines.of[i]].size[lines.group[i]] > HEARD:
            trials[i], hits[i], expected[i] = _again(int(i), lines, everything, probe, whole, left, rng)
    while len(found) < FINDINGS:
        counted = Counted(key, lines.cell, trials, hits, expected)
        rate = rates(counted, k * k)
        log_e = np.where(hits >= FEWEST, log_excess_e(counted, rate, groups, k * k) + weight, -np.inf)
        best = int(log_e.argmax())
        if log_e[best] <= np.log(len(log_e)):  # no e-BH at any level would reject it
            break
        best = _plainer(best, lines, log_e, everything)
        population = everything[lines.of[best]]
        rows = np.flatnonzero(population.code == lines.group[best])
        p_value = min(1.0, len(trials) * upper_tail(counted, rate, best, groups, k * k))
        source, target = divmod(int(lines.cell[best]), k)
        counts = float(trials[best]), float(hits[best]), float(rate[best] * trials[best])
        shifted = Shifted(population.columns, population.hidden, rows, source, target, *counts, float(log_e[best]), p_value)
        found.append(replace(shifted, disputed=_disputed(shifted, probe, y)))
        left[rows] = -1
        strongest = np.flatnonzero(log_e > 0)
        strongest = strongest[np.argsort(-log_e[strongest], kind="stable")]
        again = [int(i) for i in strongest if (everything[lines.of[i]].code[rows] == lines.group[i]).any()]
        for i in again[:RETRIED]:
            trials[i], hits[i], expected[i] = _again(i, lines, everything, probe, whole, left, rng)
        trials[again[RETRIED:]] = hits[again[RETRIED:]] = expected[again[RETRIED:]] = 0.0
        trials[best] = hits[best] = expected[best] = 0.0
    return tuple(found)


def _plainer(best: int, lines: _Lines, log_e: Floats, everything: list[Population]) -> int:
    """The value of one column that holds this pair, where its evidence stands by itself and is nearly as strong; else the pair."""
    pair = everything[lines.of[best]]
    row = int(np.flatnonzero(pair.code == lines.group[best])[0])
    plainer = best
    for i in np.flatnonzero((lines.cell == lines.cell[best]) & (log_e > max(np.log(len(log_e)), PLAINER * log_e[best]))):
        other = everything[lines.of[i]]
        inside = len(other.columns) < len(pair.columns) and other.code[row] == lines.group[i]
        if inside and (plainer == best or log_e[i] > log_e[plainer]):
            plainer = int(i)
    return plainer


def _disputed(found: Shifted, probe: TableProbe, y: Int) -> Int:
    """Rows labelled target whose other columns speak for source, and less for target than the share relabelled does."""
    mine = found.rows[y[found.rows] == found.target]
    gone = np.zeros((1, probe.cells.shape[1]), bool)
    gone[0, list(found.hidden)] = True
    p = probe.without(mine, gone)
    aside = np.where(np.arange(p.shape[1]) == found.target, -1.0, p).argmax(1)
    return mine[(aside == found.source) & (p[:, found.target] < found.share * p[:, found.source])]


def _again(
    i: int, lines: _Lines, everything: list[Population], probe: TableProbe, whole: Floats, y: Int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """The counts of one line with only the rows that still have a label in y; nothing where they are too few."""
    population = everything[lines.of[i]]
    code = np.where(population.code == lines.group[i], 0, -1)
    alone = Population(population.columns, code, population.size[[lines.group[i]]], population.hidden)
    (again,) = _batch([(0, _heard(code, y, 1, HEARD_AT_LAST, rng))], [alone], probe, whole, y)
    same = np.flatnonzero(again.cell == lines.cell[i])
    if not len(same):
        return 0.0, 0.0, 0.0
    return float(again.trials[same[0]]), float(again.hits[same[0]]), float(again.expected[same[0]])


def _batch(batch: list[tuple[int, Int]], everything: list[Population], probe: TableProbe, whole: Floats, y: Int) -> list[_Lines]:
    """The lines of several populations, their rows judged in one call of the probe: a call costs 20 ms however few they are."""
    gone = np.zeros((sum(len(rows) for _, rows in batch), probe.cells.shape[1]), bool)
    start = np.cumsum([0, *(len(rows) for _, rows in batch)])
    for (number, _), at, end in zip(batch, start, start[1:], strict=False):
        gone[at:end, list(everything[number].hidden)] = True
    p = probe.without(np.concatenate([rows for _, rows in batch]), gone)
    logs = np.log(np.clip(p, FAITH, None))
    return [
        _lines(number, everything[number], rows, logs[at:end], whole, y)
        for (number, rows), at, end in zip(batch, start, start[1:], strict=False)
    ]


def _heard(code: Int, y: Int, groups: int, most: int, rng: np.random.Generator) -> Int:
    """Positions of the labelled rows of each group that are looked at."""
    rows = rng.permutation(np.flatnonzero((code >= 0) & (y >= 0)))
    rows = rows[np.argsort(code[rows], kind="stable")]
    start = np.concatenate([[0], np.cumsum(np.bincount(code[rows], minlength=groups))])
    return np.sort(rows[np.arange(len(rows)) - start[code[rows]] < most])


def _lines(number: int, population: Population, rows: Int, logs: Floats, whole: Floats, y: Int) -> _Lines:
    """Every group and direction of one population, with what the shift of its less sure rows foretells of its sure ones.

    `logs` (m, k) log probabilities of `rows` (m,) without the population's columns, `whole` (n, k) those with all columns.
    """
    k = logs.shape[1]
    first = logs.argmax(1)
    rest = logs.copy()
    rest[np.arange(len(rows)), first] = -np.inf
    second = rest.argmax(1)
    found: list[tuple[Int, Int, Floats, Floats, Floats]] = []
    for b in range(k):
        a = np.where(first == b, second, first)  # the likeliest class, b left aside
        mine = np.flatnonzero((y[rows] == a) | (y[rows] == b))
        row, source = rows[mine], a[mine]
        z = logs[mine, b] - logs[mine, source]
        given = (z < 0) & (whole[row, b] < whole[row, source])
        hit = (y[row] == b).astype(float)
        n, d, e = _counted(population.code[row] * k + source, z, given, hit, len(population) * k)
        line = np.flatnonzero((n > 0) & ((d > 0) | (e >= SPEAKS)))
        found.append((line // k, line % k * k + b, n[line], d[line], e[line]))
    group, cell = (np.concatenate([part[i] for part in found]) for i in (0, 1))
    n, d, e = (np.concatenate([part[i] for part in found]) for i in (2, 3, 4))
    return _Lines(np.full(len(group), number), group, cell, n, d, e)


def _counted(line: Int, z: Floats, given: NDArray[np.bool_], hit: Floats, lines: int) -> tuple[Floats, Floats, Floats]:
    """(lines,) sure rows, those labelled b, and those foretold; zeros where too few rows are given to a.

    `z` (m,) log odds of b against a, `given` (m,) whether the row is given to a, `hit` (m,) whether its label is b.
    """
    count = np.bincount(line[given], minlength=lines)
    start = np.concatenate([[0], np.cumsum(np.bincount(line, minlength=lines))])
    order = np.lexsort((z, ~given, line))
    rank = np.empty(len(line), np.int64)
    rank[order] = np.arange(len(line)) - start[line[order]]
    sure = given & (rank < count[line] // 2) & (count[line] >= SURE_LEAST)
    other = ~sure
    shift = shifts(z[other], hit[other], line[other], lines)
    foretold = 1 / (1 + np.exp(-(z[sure] + shift[line[sure]])))
    n, d, e = (np.bincount(line[sure], w, minlength=lines) for w in (np.ones(int(sure.sum())), hit[sure], foretold))
    return n.astype(np.float64), d.astype(np.float64), e.astype(np.float64)
