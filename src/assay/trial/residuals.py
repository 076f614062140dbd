"""The family of residuals: rows of one label that bear a trace in what pixels say beyond their neighbours, tried by their contents.

For poison that shares no pixels and leaves a trace in every picture: a warp, a coarser palette. A detector of the trace is learnt on one
half of the rows, by labels and residual statistics, which hardly know what a picture shows, and names rows in the other: those of the label
that it puts above all but a few of the rows of *other* labels, and above the label's usual ones. What their contents say was no part of
that, so they can be asked:

- *surprise* and *contradiction* as everywhere, by models that never saw any row so named;
- *beside other labels*: the same was done for every label, and the rows named there are the null. What a label holds by nature
  (smooth skies, one camera) belongs to it by its contents; poison taken from other labels is a stranger in its own.

The least of the answers counts, and both halves must say so. Detectors are learnt in two ways, with and without leaning on contents, and
their e-values averaged: the one serves few rows, the other triggers that a probe has learnt. Which rows of the label bear the trace is then
told once more, by all that was found and with what contents say, since rows that plainly belong need a clearer trace. It cannot see
a trigger without a trace in residuals, clean-label poison, poison of all labels at once, where every label's rows are strangers, or fewer
than ten rows named in a half.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, logsumexp
from scipy.stats import norm

from assay.artefact.cluster import Cluster
from assay.dataset.data import Dataset
from assay.finding import Check, TrialResult
from assay.learn.images import CrossFit, cross_fit
from assay.learn.images_groups import votes
from assay.learn.images_linear import LinearLearner
from assay.learn.images_residuals import residuals
from assay.learn.images_suspects import left_out
from assay.learn.told_apart import DIRECTIONS, Apart, principal
from assay.mine.candidate import Candidate
from assay.mine.clusters import belonging_in_folds, rules
from assay.stats.ranks import low_rank_e, stands_low
from assay.trial.contradiction import FEW
from assay.trial.controls import Controls
from assay.trial.drawn_rows import drawn, in_whole
from assay.trial.evidence import judge
from assay.trial.family import CanaryCopy, Depth, Examined, Progress, Tried
from assay.trial.heard_twice import looks_most_like
from assay.trial.labelled_pictures import LOOKED, MOST, partable

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]

SPACE = "what pixels say beyond their neighbours"
SMALLEST = 8  # pixels a side: below there are hardly any residuals
ROWS_A_DIRECTION = 8  # in all: with fewer rows a half is told apart by chance
PARTED_IN = 128  # directions in which a label is parted at first
# quantile of other labels' rows below which a row plainly lacks the trace: models learn such rows, and .9 let half a trigger in
PLAIN = 0.5
AT_HOME = 0.9  # mean belonging of named rows above which they are natural, whatever else was left out
LABELS = 20  # tried by models of their own, those least at home first
NAMED = 0.005  # share of other labels' rows that may lie above a named row
CARRIERS = 10  # in a half
STRANGE = 0.7  # mean belonging of named rows: planted .45 to .62, natural .74 to .99
ONE_KIND = 0.7  # share of them that look like one other class
FALSE = 0.01  # share of the accused that are natural at most, if the mixture is right
# log odds that contents may add where detectors are learnt: none, where a probe has learnt the trigger; some, for few rows
LEANS = (0.0, 2.0)
BINS = 10  # of belonging, in which natural rows are counted
NATURAL = 0.1  # a row that is likelier than this in the part does not count as natural


@dataclass(frozen=True)
class ResidualFamily:
    """Traces in the residuals of labelled pictures."""

    name: str = "residual"

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        if data.images is not None and min(data.images.shape[1:3]) < SMALLEST:
            return Check(self.name, "not_applicable", f"pictures under {SMALLEST} pixels a side have hardly any residuals")
        return partable(self.name, data, depth)

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        chosen, some, notes = drawn(data, MOST, rng, LOOKED)
        assert some.images is not None
        progress(0, 10, "learning what each picture says")
        learner = LinearLearner.of(some.images, rng)
        probe = cross_fit(some.images, some.y, len(data.classes), learner, rng)
        progress(2, 10, "reading residuals")
        space = principal(residuals(some.images), min(DIRECTIONS, len(some) // ROWS_A_DIRECTION))
        heard: dict[int, list[Way]] = {}
        for turn, lean in enumerate(LEANS):

            def halfway(done: float, total: float, what: str, turn: int = turn) -> None:
                progress(2 + 8 * (turn + done / total) / len(LEANS), 10, what)

            for label, one in Court.of(some, probe, space, lean, rng, halfway).heard(rng).items():
                heard.setdefault(label, []).append(one)
        tried = sorted((together(ways) for ways in heard.values()), key=lambda t: (-t.log_e, t.p_value))
        return Examined(tuple(in_whole(t, chosen) for t in tried), len(data.classes), notes=notes)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        return None


@dataclass(frozen=True)
class Way:
    """One label's rows by one way of learning detectors, and how far they belong on average: the less, the purer. `one_kind`: the share
    of them that look most like the same other label."""

    tried: Tried
    belongs: float
    one_kind: float


def together(ways: list[Way]) -> Tried:
    """One verdict of the ways (one for each of `LEANS` at most): the mean of their e-values, the rows of the purest that convicts."""
    logs = np.array([w.tried.log_e for w in ways])
    speaking = [w for w in ways if w.tried.log_e > 0] or ways
    purest = min(speaking, key=lambda w: w.belongs).tried
    p_value = min(1.0, len(LEANS) * min(w.tried.p_value for w in ways))
    return replace(purest, log_e=float(logsumexp(logs) - np.log(len(LEANS))), p_value=p_value)


@dataclass(frozen=True)
class Court:
    """Rows (n,) that detectors of the other halves name, and what models say that saw none of those of a row's own label."""

    data: Dataset
    probe: CrossFit
    space: Float32  # (n, d)
    named: Bools
    plain: Bools  # rows that plainly lack their label's trace
    at_first: Floats  # (n, k) by models that saw no named row of any label
    tried_labels: tuple[int, ...]  # those whose named rows are not plainly at home
    without: Floats  # (n, k) of named rows of these labels
    support: Floats  # (n, k) for each of these labels, of all rows, by the models of that label
    belonging: Floats  # (n,)

    @classmethod
    def of(cls, data: Dataset, probe: CrossFit, space: Float32, lean: float, rng: np.random.Generator, progress: Progress) -> Court:
        """`lean`: log odds that contents may add where detectors are learnt."""
        y, k = data.y, probe.classes
        named, plain = _named(y, k, probe, space, lean, rng, progress)
        return cls.hearing(data, probe, space, named, plain, progress)

    @classmethod
    def hearing(cls, data: Dataset, probe: CrossFit, space: Float32, named: Bools, plain: Bools, progress: Progress) -> Court:
        """What models say that saw none of the rows `named` (n,) of a label, but its `plain` ones (n,)."""
        assert probe.inputs is not None
        at_first = left_out(probe.inputs, data.y, probe.classes, probe.learner, probe.fold, named, probe.temperature)
        return cls._on(data, probe, space, named, plain, at_first, progress)

    def once_more(self, plain: Bools, progress: Progress) -> Court:
        """The same rows before models that saw other `plain` ones (n,)."""
        return self._on(self.data, self.probe, self.space, self.named, plain, self.at_first, progress)

    @classmethod
    def _on(cls, data: Dataset, probe: CrossFit, space: Float32, named: Bools, plain: Bools, at_first: Floats, progress: Progress) -> Court:
        y, k, fold = data.y, probe.classes, probe.fold
        assert probe.inputs is not None
        without, support, belonging = at_first.copy(), at_first.copy(), belonging_in_folds(at_first, y, fold)
        at_home = np.array([belonging[named & (y == t)].mean() if (named & (y == t)).any() else 1.0 for t in range(k)])
        tried = tuple(int(t) for t in np.argsort(at_home, kind="stable")[:LABELS] if at_home[t] < AT_HOME)
        for turn, label in enumerate(tried):  # once more: where other labels' rows are left out too, many look strange
            progress(6 + 4 * turn / len(tried), 10, "leaving rows out")
            mine = named & (y == label)
            p = left_out(probe.inputs, y, k, probe.learner, fold, (y == label) & ~plain, probe.temperature)
            without[mine], support[:, label] = p[mine], p[:, label]
            belonging[mine] = belonging_in_folds(p, y, fold)[mine]
        return cls(data, probe, space, named, plain, at_first, tried, without, support, belonging)

    def heard(self, rng: np.random.Generator | None) -> dict[int, Way]:
        """What each label's rows came to; without a generator those named are those accused."""
        whole = None if rng is None else Apart.of(self.space, self.probe.groups, rng)
        return {label: one for label in self.tried_labels if (one := self._try(label, whole)) is not None}

    def _try(self, label: int, whole: Apart | None) -> Way | None:
        """One label's rows, every half of them; None where one has too few."""
        y, fold = self.data.y, self.probe.fold
        carriers = np.flatnonzero(self.named & (y == label))
        halves = [carriers[fold[carriers] == f] for f in np.unique(fold)]
        if min(len(h) for h in halves) < CARRIERS:
            return None
        candidate = Candidate(Cluster.around(self.space[carriers], SPACE, self.data.digest[carriers]), carriers)
        heard = [self._half(candidate, half, label) for half in halves]
        weakest = min(heard, key=lambda t: t.log_e)
        belongs = float(self.belonging[carriers].mean())
        other, share = looks_most_like(self.without[carriers], label)
        alike = f"{share:.0%} of them look most like {self.data.classes[other]!r}"
        said = f"models that never saw them put them above {belongs:.0%} of other labels' rows on average (poison: some 50 %); {alike}"
        trials = (*weakest.trials, TrialResult("leave-out", "ran", detail=said))
        missing = (*weakest.missing, *((f"{alike}: they may be a natural kind of their own",) if share > ONE_KIND else ()))
        log_e, p_value = weakest.log_e, max(t.p_value for t in heard)
        if belongs > STRANGE:
            log_e, p_value = min(log_e, 0.0), 1.0
        accused = self._accused(carriers, label, whole) if log_e > 0 and whole is not None else carriers
        words = (
            f"{len(accused):,} rows labelled {self.data.classes[label]!r} bear a trace, in {SPACE}, that other labels' rows do not. "
            "The trace was learnt on other rows and says little of what a picture shows; by what they show, these are no more like their "
            "label than rows of other labels are"
        )
        return Way(Tried(candidate, label, log_e, p_value, trials, missing, accused=accused, words=words), belongs, share)

    def _half(self, candidate: Candidate, half: Int, label: int) -> Tried:
        """The trials on the carriers of one half, among that half's rows."""
        y, fold = self.data.y, self.probe.fold
        here = fold == fold[half[0]]
        assert self.data.images is not None
        shares = votes(self.data.images[half], self.probe.groups[half])

        def others(t: int) -> Floats:
            return self.support[np.flatnonzero(here & (y == t) & self.plain), t]

        def strangers(t: int) -> Floats:
            return self.support[np.flatnonzero(here & (y != t) & (y >= 0)), t]

        heard = judge(candidate, self.without[half], y[half], Controls(others, strangers), votes=shares, lenient=True)
        rest = np.flatnonzero(here & self.named & (y != label))
        if len(rest) < FEW:
            few = "hardly a row of other labels bears a trace to compare with"
            return replace(heard, log_e=min(heard.log_e, 0.0), p_value=1.0, missing=(few,))
        log_e = float(shares.mean()) * low_rank_e(self.belonging[half], self.belonging[rest])
        p_value = stands_low(self.belonging[half], self.belonging[rest])
        detail = f"by contents they belong to their label less than the {len(rest)} rows so named in other labels do"
        trials = (*heard.trials, TrialResult("beside other labels", "ran", log_e, p_value, detail))
        return replace(heard, log_e=min(heard.log_e, log_e), p_value=max(heard.p_value, p_value), trials=trials)

    def _accused(self, carriers: Int, label: int, whole: Apart) -> Int:
        """Rows of the label that likelier bear the trace than not, by all that was named and what they show; see `FALSE`."""
        y = self.data.y
        mine = np.flatnonzero(y == label)
        part = whole.part(y == label, np.isin(mine, carriers).astype(float))
        by_content = odds_of_strangers(self.belonging[mine], self.belonging[mine[part.likely < NATURAL]])
        odds = logit(np.clip(part.likely, 1e-6, 1 - 1e-6)) + by_content
        surest = np.argsort(-odds, kind="stable")
        natural_among = np.cumsum(expit(-odds[surest])) / np.arange(1, len(mine) + 1)
        return np.sort(mine[surest[(natural_among <= FALSE) & (odds[surest] > 0)]])


def odds_of_strangers(belonging: Floats, natural: Floats) -> Floats:
    """(m,) log odds that rows of this `belonging` are strangers, who have a uniform one, rather than like the `natural` (c,)."""
    count = np.bincount(np.minimum((natural * BINS).astype(np.int64), BINS - 1), minlength=BINS) + 1.0
    return np.asarray(-np.log(count / count.sum() * BINS)[np.minimum((belonging * BINS).astype(np.int64), BINS - 1)])


def _named(
    y: Int, k: int, probe: CrossFit, space: Float32, lean: float, rng: np.random.Generator, progress: Progress
) -> tuple[Bools, Bools]:
    """(n,) rows that the other folds' detectors of their label put above other labels' rows, and rows that lie among these."""
    fold = probe.fold
    parted = space[:, :PARTED_IN].astype(np.float64)
    strange, nobody = belonging_in_folds(probe.probabilities, y, fold), np.zeros(len(y), bool)
    named, plain = nobody.copy(), nobody.copy()
    leaning = np.clip(odds_of_strangers(strange, strange[y >= 0]), -lean, lean)
    for turn, f in enumerate(folds := np.unique(fold)):
        progress(6 * turn / len(folds), 10, "learning traces")
        taught, judged = np.flatnonzero((fold != f) & (y >= 0)), np.flatnonzero((fold == f) & (y >= 0))
        apart = Apart.of(space[taught], probe.groups[taught], rng)
        for label, rule in enumerate(rules(parted, y, taught, strange, nobody, k)):
            ours, mine = y[taught] == label, judged[y[judged] == label]
            if ours.sum() < CARRIERS or ours.all() or not len(mine):
                continue
            content = strange[taught[ours]]
            starts = (1 - content, *(() if rule is None else (expit(rule.score(parted[taught[ours]])),)))
            parts = [apart.part(ours, start, leaning[taught[ours]]) for start in starts]
            part = min(parts, key=lambda found: float(found.likely @ content) / max(float(found.likely.sum()), 1.0))
            low, high = np.quantile(part.detector.scores(space[judged[y[judged] != label]]), [PLAIN, 1 - NAMED])
            scores, usual = part.detector.scores(space[mine]), norm(part.usual, part.spread)
            named[mine], plain[mine] = scores > max(high, usual.isf(NAMED)), scores < max(low, usual.ppf(PLAIN))
    return named, plain
