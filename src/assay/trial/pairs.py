"""Rows of one class under the label of another: how many, for every ordered pair of classes, beside the reverse and other pairs.

Rows labelled b that were relabelled from a look like *typical* rows of a. So among all rows labelled a or b, by how much more the probe
says a than b, the upper half of the rows labelled a is marked off: the rows labelled b in there are *contested*. This compares ranks:
a probe that learnt the relabelling (of half a class it learns much) says a and b with equal conviction for all of them, and ranks them
no otherwise. Classes that are hard to tell apart contest each other too, in both directions and not only this pair: so the rate to expect
of a -> b is that of b -> a, and how far pairs stray from this is fitted over the other pairs (`stats/overdispersed.py`). Where rows of
every class look like typical rows of a, most rows of which others just resemble (people of a capital), the rate of its other pairs counts.
Labels that are numbers have an order, and confusion has it too: a value that others are rounded to reaches into both its neighbours, and
years of which people drop out look later than they are, never earlier. So what b has of its other neighbour counts, and the rate of other
classes on the side where a is. A relabelling of one class as the next shows in neither; nor does one of every class as the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.stats.overdispersed import Counted, log_excess_e, upper_tail

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

TYPICAL = 0.5  # share of a class that is typical of it: its upper half
LEAST = 10  # labelled rows of a class, below which its pairs are not compared
FAITH = 1e-6  # probabilities below are alike
FEWEST = 10  # votes of contested rows, below which a pair is not accused: one track of frames; single rows are for the label screens
# How far pairs stray from symmetry by nature (see `overdispersed.SPREADS`): a confusable pair shows in its reverse, so that rates that
# stray without bounds are no null. At most 1 % correlation, or a factor of e in the odds.
SPREADS = ((1e-4, 0.0), (0.001, 0.0), (0.003, 0.0), (0.01, 0.0), (0.0, 0.25), (0.0, 0.5), (0.0, 0.75), (0.0, 1.0))
PRIOR = 0.5  # a hit that is not there, at the usual rate: what a reverse without any foretells
USUAL = 2.0  # hits of a pair that count towards the usual rate: a few pairs that look alike do not make it
HIGHEST = 0.95
SIDE = 3  # other classes on one side of a number, from which on their rate counts
BANDS = (0.6, 0.7, 0.8, 0.9, 1.0)  # down to which share of class a, from its top, the rows labelled b are still mostly relabelled
MIXED = 1.25  # hits of a band over those that the typical half foretells, above which the band holds as many rows of b by nature


@dataclass(frozen=True)
class Contest:
    """The ordered pair `source` -> `target`: `rows` labelled target that are typical of source."""

    source: int
    target: int
    rows: Int
    hits: float  # their votes: near-duplicates share one
    trials: float  # votes of all rows, of either label, that are typical of source
    expected: float
    log_e: float
    p_value: float


def contests(p: Floats, y: Int, same: Int, fold: Int | None = None, order: Int | None = None) -> list[Contest]:
    """Every ordered pair of classes with rows enough, strongest first. `p` (n, k), `y` (n,) negative where missing, `same` (n,).

    The e-value is the lesser of two: over all rows of both classes, where confusion is alike in both directions but a class that lies
    between them is contested along with them; and over those that are of class a, b left aside, which tells which class was moved.
    `fold` (n,): rows are ranked among those of their own fold, where each has rows enough of every class. `order` (k,): the classes from
    the least to the greatest, where they are numbers.
    """
    k = p.shape[1]
    size = np.bincount(y[y >= 0], minlength=k)
    parts = _apart(y, size, fold)
    a, b = np.nonzero((size[:, None] >= LEAST) & (size[None, :] >= LEAST) & ~np.eye(k, dtype=bool))
    pair = np.unique(np.minimum(a, b) * k + np.maximum(a, b), return_inverse=True)[1]
    pairs = int(pair.max(initial=-1)) + 1
    votes_of = np.array([vote(same[y == c]).sum() for c in range(k)])
    # rows of a larger class that reach into a smaller one are more, and a larger share of what is typical there: the ratio squared
    larger = np.maximum(1.0, (votes_of[b] / votes_of[a]) ** 2)
    log_e = np.full(len(pair), np.inf)
    for whole in (True, False):
        hits, trials, rows = _typical_of_all(p, y, same, parts, whole)
        usual = _usual_rate(hits[a, b], trials[a, b], pair, pairs)
        rate = (hits[b, a] + PRIOR) * larger / (trials[b, a] + PRIOR / usual)
        natural = _rate_of_source(hits, trials, votes_of, size >= LEAST)
        if order is not None:
            natural = np.maximum(natural, _rate_by_order(hits, trials, order[size[order] >= LEAST]))
        rate = np.minimum(np.maximum(rate, natural[a, b]), HIGHEST)
        counted = Counted(pair, np.zeros(len(pair), np.int64), trials[a, b], hits[a, b], trials[a, b] * rate)
        log_e = np.minimum(log_e, log_excess_e(counted, rate, pairs, 1, SPREADS))
    log_e[counted.hits < FEWEST] = -np.inf
    found = []
    for line in np.argsort(-log_e, kind="stable"):
        s, t = int(a[line]), int(b[line])
        p_value = min(1.0, upper_tail(counted, rate, int(line), pairs, 1, SPREADS)) if log_e[line] > 0 else 1.0
        contested, expected = rows.get((s, t), np.zeros(0, np.int64)), float(counted.expected[line])
        found.append(Contest(s, t, contested, hits[s, t], trials[s, t], expected, float(log_e[line]), p_value))
    return found


def agreed(found: list[Contest], others: list[Contest]) -> list[Contest]:
    """The contests `found`, each no stronger than another probe has it, strongest first. The lesser of two e-values is one."""
    known = {(c.source, c.target): c for c in others}
    lesser = []
    for contest in found:
        other = known.get((contest.source, contest.target))
        log_e, p_value = (-np.inf, 1.0) if other is None else (other.log_e, other.p_value)
        lesser.append(replace(contest, log_e=min(contest.log_e, log_e), p_value=max(contest.p_value, p_value)))
    return sorted(lesser, key=lambda c: -c.log_e)


def _apart(y: Int, size: Int, fold: Int | None) -> list[Int]:
    """The rows of each fold, or all rows at once, where a class that is compared has under `LEAST` rows in one."""
    if fold is None:
        return [np.arange(len(y))]
    parts = [np.flatnonzero(fold == f) for f in np.unique(fold)]
    in_each = np.stack([np.bincount(y[rows][y[rows] >= 0], minlength=len(size)) for rows in parts])
    return parts if (in_each[:, size >= LEAST] >= LEAST).all() else [np.arange(len(y))]


def _typical_of_all(p: Floats, y: Int, same: Int, parts: list[Int], whole: bool) -> tuple[Floats, Floats, dict[tuple[int, int], Int]]:
    """`_typical` of each part of the rows by itself, added up."""
    k = p.shape[1]
    hits, trials = np.zeros((k, k)), np.zeros((k, k))
    rows: dict[tuple[int, int], Int] = {}
    for part in parts:
        size = np.bincount(y[part][y[part] >= 0], minlength=k)
        more, asked, there = _typical(p[part], y[part], same[part], size, whole)
        hits, trials = hits + more, trials + asked
        for pair, mine in there.items():
            rows[pair] = np.sort(np.concatenate([rows.get(pair, np.zeros(0, np.int64)), part[mine]]))
    return hits, trials, rows


def _typical(p: Floats, y: Int, same: Int, size: Int, whole: bool) -> tuple[Floats, Floats, dict[tuple[int, int], Int]]:
    """For each ordered pair a, b: votes of the rows labelled b that are typical of a, of all rows that are, and the former rows.

    Not `whole`: only of rows that are of class a, b left aside.
    """
    k = p.shape[1]
    logs = np.log(np.maximum(p, FAITH))
    own = logs[np.arange(len(y)), np.maximum(y, 0)]
    first, second = _two_best(logs)
    aside = np.where(first == y, second, first)  # (n,) the likeliest class besides the row's own
    hits, inside = np.zeros((k, k)), np.zeros((k, k))
    rows: dict[tuple[int, int], Int] = {}
    for a in range(k):
        if size[a] < LEAST:
            continue
        members = np.flatnonzero(y == a)
        lead = logs[members, a][:, None] - logs[members]  # (n_a, k): by how much the rows of a say a rather than each b
        bar = np.quantile(lead, 1 - TYPICAL, axis=0)
        besides = np.where(first[members, None] == np.arange(k), second[members, None], first[members, None])
        inside[a] = ((lead >= bar) * (whole | (besides == a)) * vote(same[members])[:, None]).sum(0)
        others = np.flatnonzero((y >= 0) & (y != a) & (whole | (aside == a)))
        others = others[logs[others, a] - own[others] >= bar[y[others]]]
        for b in np.unique(y[others]):
            rows[a, int(b)] = others[y[others] == b]
            hits[a, b] = vote(same[rows[a, int(b)]]).sum()
    return hits, inside + hits, rows


def _two_best(logs: Floats) -> tuple[Int, Int]:
    """(n,) the likeliest class of each row, and the next."""
    first = logs.argmax(1)
    rest = logs.copy()
    rest[np.arange(len(logs)), first] = -np.inf
    return first, rest.argmax(1)


def _usual_rate(hits: Floats, trials: Floats, pair: Int, pairs: int) -> Floats:
    """(m,) how often pairs contest each other, from the other pairs; each counts with `USUAL` hits at most."""
    capped = np.minimum(hits, USUAL)
    own = np.bincount(pair, capped, minlength=pairs)[pair], np.bincount(pair, trials, minlength=pairs)[pair]
    return np.asarray((capped.sum() - own[0] + PRIOR) / np.maximum(trials.sum() - own[1], 1.0))


def _rate_of_source(hits: Floats, trials: Floats, votes: Floats, compared: NDArray[np.bool_]) -> Floats:
    """(k, k) the rate of a -> b that the pairs of a with other classes foretell: the median over them, by how large the classes are.

    0 where there are fewer than two of them. A relabelling of a into one class shows in no other pair of a.
    """
    rate = np.zeros_like(hits)
    classes = np.flatnonzero(compared)
    if len(classes) < 4:
        return rate
    for a in classes:
        others = classes[classes != a]
        rate[a, others] = _median_of_others(hits[a, others] / votes[others]) * votes[others] / np.maximum(trials[a, others], 1e-12)
    return rate


def _median_of_others(values: Floats) -> Floats:
    """(m,) for each of m >= 2 values the median of the others.

    >>> _median_of_others(np.array([5.0, 1.0, 2.0, 8.0])).tolist()
    [2.0, 5.0, 5.0, 2.0]
    """
    order = np.argsort(values, kind="stable")
    place = np.empty(len(values), np.int64)
    place[order] = np.arange(len(values))
    ranked, left = values[order], len(values) - 1
    low, high = (left - 1) // 2, left // 2  # the middle two of the others, counted without the value itself
    return np.asarray((ranked[low + (place <= low)] + ranked[high + (place <= high)]) / 2)


def _rate_by_order(hits: Floats, trials: Floats, order: Int) -> Floats:
    """(k, k) the rate of a -> b that the order of the classes foretells, `order` being those that are compared, from the least.

    As many rows of b as look like its other neighbour, where a is one; and the median rate of three other classes or more on a's side of b.
    """
    rate = np.zeros_like(hits)
    for place, b in enumerate(order):
        for side in (order[:place], order[place + 1 :]):
            if len(side) > SIDE:
                rate[side, b] = _median_of_others(hits[side, b] / np.maximum(trials[side, b], 1e-12))
        if 0 < place < len(order) - 1:
            near = order[[place - 1, place + 1]]
            rate[near, b] = np.maximum(rate[near, b], hits[near[::-1], b] / np.maximum(trials[near, b], 1e-12))
    return rate


def moved_rows(p: Floats, y: Int, source: int, target: int, fold: Int | None = None) -> tuple[Int, float]:
    """Rows labelled `target` that are most likely relabelled from `source`, and an estimate of how many there are in all.

    Relabelled rows lie among those of `source` as its own do: in equal shares from top to bottom. From the typical half on downwards,
    band after band is taken in until one holds many more, which the target has by nature. `fold`: as for `contests`.
    """
    lead, of_source = _leads(p, y, source, target, fold)
    ours = lead[y == source]
    theirs = np.flatnonzero((y == target) & of_source)
    bar = float(np.quantile(ours, 1 - TYPICAL))
    upper = int((lead[theirs] >= bar).sum())
    for share in BANDS:
        lower = float(np.quantile(ours, 1 - share))
        foretold = upper * (share - TYPICAL) / TYPICAL
        if ((lead[theirs] >= lower).sum() - upper) > MIXED * foretold + np.sqrt(foretold):
            break
        bar = lower
    return theirs[lead[theirs] >= bar], upper / TYPICAL


def typical(p: Floats, y: Int, source: int, target: int, fold: Int | None = None) -> Int:
    """Rows of both labels that are typical of `source`, and likeliest of it with `target` left aside."""
    lead, of_source = _leads(p, y, source, target, fold)
    return np.flatnonzero(((y == source) | (y == target)) & of_source & (lead >= 0))


def _leads(p: Floats, y: Int, source: int, target: int, fold: Int | None) -> tuple[Floats, NDArray[np.bool_]]:
    """(n,) by how much a row says source rather than target, over what the typical half of the source's rows do; and (n,) which rows are
    likeliest of the source, the target left aside."""
    logs = np.log(np.maximum(p, FAITH))
    lead = logs[:, source] - logs[:, target]
    for rows in _apart(y, np.bincount(y[y >= 0], minlength=p.shape[1]), fold):
        lead[rows] -= np.quantile(lead[rows][y[rows] == source], 1 - TYPICAL)
    first, second = _two_best(logs)
    return lead, np.where(first == target, second, first) == source


def vote(same: Int) -> Floats:
    """(m,) near-duplicates share one vote."""
    _, inverse, count = np.unique(same, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / count[inverse])
