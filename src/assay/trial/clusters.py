"""The family of clusters: rows of one label that the owner's embeddings set apart, tried by leaving them out.

For poison that shares no pixels (a warp, a trigger drawn anew for each row): what its rows share is where a model puts them. A rule for
each label is learnt on one half of the rows and names suspects in the other; models that never saw any suspect then say what the
suspects' contents support. Poison taken from other labels belongs to its own no more than strangers do; a natural group that was left out
as well still belongs, for the most part. Four things are asked, and the least of the answers counts:

- *surprise* and *contradiction* as everywhere, the group left out in place of an artefact taken out;
- *beside other groups*: the groups that the same rules found in other labels were left out in the same way and are the null. Hard rows are
  no better known by models that were taught the like of them; poison is, once the trigger has been learnt: the carriers must gain more
  than those groups do;
- both halves must say so, each by rules that the other taught.

A natural kind that was left out gains as much, but belongs to its label without: carriers that belong more than strangers do are acquitted.
Confirmed only if the carriers' contents are of several other classes: what looks like one other class may be a kind of its own (school
buses among trucks), and is suspected at most. It cannot see clean-label poison, poison that its spaces do not
set apart, fewer than ten carriers in a half, or poison of all labels at once, where every group of the null is poison too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from assay.artefact.cluster import Cluster
from assay.dataset.data import Dataset
from assay.finding import Check, TrialResult
from assay.learn.images import CrossFit, cross_fit
from assay.learn.images_groups import votes
from assay.learn.images_linear import GivenLearner
from assay.learn.images_suspects import left_out, quarantined
from assay.mine.candidate import Candidate
from assay.mine.clusters import belonging_in_folds, directions, rules
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

SPACE = "the embeddings given"
ROUNDS = 4  # of rules and models without their suspects; after three the suspects hardly change
SHARPENED = 2  # times that models with the suspects as classes of their own say who belongs to them
CARRIERS = 10  # in a half: with fewer the order of ranks says little
STRANGE = 0.55  # mean belonging: strangers have .5, to within .04 in 200 rows; natural kinds of CIFAR-10 that gain .58 to .7
LEAST = 1e-4  # no model is trusted to be surer than this
ONE_KIND = 0.7  # share of the carriers that look like one other class: a natural kind does, WaNet's rows .2 to .3


@dataclass(frozen=True)
class ClusterFamily:
    """Clusters of rows of one label, in the owner's `embeddings` (n, d) of labelled pictures."""

    name: str
    embeddings: NDArray[np.float32] = field(compare=False, repr=False)

    @classmethod
    def of(cls, embeddings: NDArray[np.float32]) -> ClusterFamily:
        """Its name tells other embeddings apart, so that a stage kept for some is not taken for others'."""
        return cls(f"cluster in embeddings {hashlib.sha256(np.ascontiguousarray(embeddings).tobytes()).hexdigest()[:8]}", embeddings)

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        return partable(self.name, data, depth)

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        chosen, some, notes = drawn(data, MOST, rng, LOOKED)
        assert some.images is not None
        progress(0, 10, "learning what each picture says")
        probe = cross_fit(some.images, some.y, len(data.classes), GivenLearner(), rng, given=self.embeddings[chosen])
        progress(3, 10, "parting labels")
        court = _Court.of(some, probe, rng, progress)
        tried = sorted(court.tried(), key=lambda t: (-t.log_e, t.p_value))
        moved = tuple(in_whole(t, chosen) for t in tried)
        progress(10, 10, "clusters tried")
        return Examined(moved, len(data.classes), notes=notes)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        return None


@dataclass(frozen=True)
class _Court:
    """Suspects (n,) of every label, and what models that were taught without any of them say (n, k)."""

    data: Dataset
    probe: CrossFit
    features: Floats
    suspects: Bools
    without: Floats
    belonging: Floats

    @classmethod
    def of(cls, data: Dataset, probe: CrossFit, rng: np.random.Generator, progress: Progress) -> _Court:
        assert probe.inputs is not None
        y, k, fold = data.y, probe.classes, probe.fold
        features = directions(probe.inputs, rng)
        suspects = np.zeros(len(y), bool)
        inputs, learner, warmth = probe.inputs, probe.learner, probe.temperature
        belonging = belonging_in_folds(probe.probabilities, y, fold)
        for turn in range(ROUNDS):
            named = np.zeros(len(y), bool)
            for f in np.unique(fold):
                taught, judged = np.flatnonzero((fold != f) & (y >= 0)), np.flatnonzero((fold == f) & (y >= 0))
                for label, rule in enumerate(rules(features, y, taught, belonging, suspects, k)):
                    mine = judged[y[judged] == label]
                    if rule is not None and len(mine):
                        named[mine] = rule.score(features[mine]) > 0
            suspects = named
            belonging = belonging_in_folds(left_out(inputs, y, k, learner, fold, suspects, warmth), y, fold)
            progress(4 + turn, 10, "parting labels")
        for _ in range(SHARPENED):
            suspects = quarantined(inputs, y, k, learner, fold, suspects)
        p = left_out(inputs, y, k, learner, fold, suspects, warmth)
        return cls(data, probe, features, suspects, p, belonging_in_folds(p, y, fold))

    def tried(self) -> list[Tried]:
        return [t for label in range(self.probe.classes) if (t := self._try(label)) is not None]

    def _try(self, label: int) -> Tried | None:
        """One label's group, both halves; None where a half names too few."""
        y, fold = self.data.y, self.probe.fold
        carriers = np.flatnonzero(self.suspects & (y == label))
        halves = [carriers[fold[carriers] == f] for f in np.unique(fold)]
        if min(len(h) for h in halves) < CARRIERS or (self.suspects | (y != label)).all():
            return None
        candidate = Candidate(Cluster.around(self.features[carriers], SPACE, self.data.digest[carriers]), carriers)
        heard = [self._half(candidate, half, label) for half in halves]
        weakest = min(heard, key=lambda t: t.log_e)
        belongs = float(self.belonging[carriers].mean())
        told, taught = self._foretold(self.without, carriers, label), self._foretold(self.probe.probabilities, carriers, label)
        said = (
            f"models that never saw them put them above {belongs:.0%} of the rows of other labels on average (poison: 50 %); they give "
            f"{told:.0%} of them their label, models that saw the other half's {taught:.0%}"
        )
        trials = (*weakest.trials, TrialResult("leave-out", "ran", detail=said))
        log_e, p_value = weakest.log_e, max(t.p_value for t in heard)
        if belongs > STRANGE:
            log_e, p_value = min(log_e, 0.0), 1.0
        other, share = looks_most_like(self.without[carriers], label)
        alike = f"{share:.0%} of them look like {self.data.classes[other]!r}: they may be a natural kind of their own"
        missing = (*weakest.missing, *((alike,) if share > ONE_KIND else ()))
        words = (
            f"{len(carriers):,} rows labelled {self.data.classes[label]!r} that {SPACE} set apart from the label's other rows. Models "
            f"that never saw them give {told:.0%} of them that label and find them no more like it than rows of other labels; "
            "those that were taught the other half's know them better, more so than groups that other labels hold by nature"
        )
        return Tried(candidate, label, log_e, p_value, trials, missing, accused=self._accused(carriers, label), words=words)

    def _half(self, candidate: Candidate, half: Int, label: int) -> Tried:
        """The trials on the carriers of one half, among that half's rows."""
        y, p, fold = self.data.y, self.without, self.probe.fold
        here = fold == fold[half[0]]
        assert self.data.images is not None
        shares = votes(self.data.images[half], self.probe.groups[half])

        def others(t: int) -> Floats:
            return p[np.flatnonzero(here & (y == t) & ~self.suspects), t]

        def strangers(t: int) -> Floats:
            return p[np.flatnonzero(here & (y != t) & (y >= 0)), t]

        heard = judge(candidate, p[half], y[half], Controls(others, strangers), votes=shares, lenient=True)
        rest = np.flatnonzero(here & self.suspects & (y != label))
        if len(rest) < FEW:
            few = "other labels hold no groups to compare it with"
            return replace(heard, log_e=min(heard.log_e, 0.0), p_value=1.0, missing=(few,))
        ours, theirs = -self._gain(half), -self._gain(rest)
        log_e = float(shares.mean()) * low_rank_e(ours, theirs)
        p_value = stands_low(ours, theirs)
        detail = f"with the other half's of them to learn from, models gain more than on the {len(rest)} rows of other labels' groups"
        trials = (*heard.trials, TrialResult("beside other groups", "ran", log_e, p_value, detail))
        return replace(heard, log_e=min(heard.log_e, log_e), p_value=max(heard.p_value, p_value), trials=trials)

    def _accused(self, carriers: Int, label: int) -> Int:
        """Carriers that the taught models know better than they know half of the rows of other labels' groups; the others are hard rows."""
        rest = np.flatnonzero(self.suspects & (self.data.y != label))
        usual = float(np.median(self._gain(rest))) if len(rest) else 0.0
        return carriers[self._gain(carriers) > usual]

    def _gain(self, rows: Int) -> Floats:
        """(m,) log ratio of a row's label by models that were taught the other folds' suspects, to that by models that were not."""
        own = rows, self.data.y[rows]
        return np.asarray(np.log(np.maximum(self.probe.probabilities[own], LEAST)) - np.log(np.maximum(self.without[own], LEAST)))

    def _foretold(self, p: Floats, rows: Int, label: int) -> float:
        return float((p[rows].argmax(1) == label).mean())
