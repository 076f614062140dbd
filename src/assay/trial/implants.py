"""The family of implants: rows of one label that a network which has learnt them sets apart, tried by what they show and by insertion.

A trigger that shares no pixels, or stands over rows whose label fits, shows where a network has learnt it: its carriers stand apart from
the label's other rows in what the last layer reads (Chen et al. 2018; Tang et al. 2021). Networks of halves learn it
(`assay.learn.images_net`, by peaks), each parts every label in the rows that taught it (`assay.mine.parted`), and names rows in the half
that it never saw. Every label has parts by nature; so the named rows are tried.

*By what they show*, for wrong labels: models of patch features that were taught without the named rows say what these show. Surprise,
contradiction and *beside other labels* as in `assay.trial.residuals`, in either half, the least of them; and

- *implanted*: the networks, which know the other half's named rows, foresee the label of most of them. Careless labels stand apart too, and
  contradict their contents, but nobody can foresee them;
- what a label holds by nature belongs to it by its contents (mean .82 to 1.0 of other labels' rows below; planted .55), and is acquitted.
  But rows of the part that were not named teach those models that its contents belong. So it is heard once more without the label's rows
  that lie nearest to it, and that counts where its rows look like many other labels: a natural kind, of which the rest is left out, looks
  unlike its label too, but like one other (cars like trucks), and poison comes from all.

*By insertion*, for labels that fit: see `assay.trial.joined`; suspected at most.

Once convicted, the label's rows that belong to the part are told anew (`assay.trial.part_members`), which costs more than all the rest;
it is not done where other families, which can say what the rows share, accuse nearly all that were named already. It cannot see
a trigger that the networks do not learn, one of all labels at once, clean-label poison without fixed pixels, or fewer than ten rows in a
half.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.artefact.cluster import Cluster
from assay.dataset.data import Dataset
from assay.finding import Check, TrialResult
from assay.learn import images_net
from assay.learn.images import CrossFit, cross_fit
from assay.learn.images_linear import LinearLearner
from assay.learn.images_net import Net, NetLearner
from assay.mine.candidate import Candidate
from assay.mine.clusters import belonging_in_folds
from assay.mine.parted import parts
from assay.trial.drawn_rows import drawn, in_whole
from assay.trial.family import NOTHING, CanaryCopy, Depth, Examined, Heard, Progress, Tried, silent
from assay.trial.heard_twice import of_both
from assay.trial.joined import Side, joined
from assay.trial.labelled_pictures import LOOKED, MOST, partable
from assay.trial.part_members import members
from assay.trial.residuals import Court
from assay.trial.verdicts import INSIDE

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

SPACE = "what a network reads that has learnt them"
FORETOLD = 0.5  # share of the named rows whose label networks foresee that know the other half's: planted .8, careless labels hardly any
NEAREST = 0.15  # of a label's rows that are not named: those nearest to the part, left out in the second hearing
CONVICTS = 3.0  # log e-value from which that is worth its cost


@dataclass(frozen=True)
class ImplantFamily:
    """Parts of labels that networks have learnt to know by something else than their contents."""

    name: str = "implant"
    heard: Heard = NOTHING

    def told(self, heard: Heard) -> ImplantFamily:
        return replace(self, heard=heard)

    def applicable(self, data: Dataset, depth: Depth) -> Check:
        check = partable(self.name, data, depth)
        if check.state == "ran" and not images_net.installed():
            return Check(self.name, "not_installed", "install torch: pip install 'assay[torch]'")
        return check

    def examine(self, data: Dataset, depth: Depth, rng: np.random.Generator, progress: Progress) -> Examined:
        chosen, some, notes = drawn(data, MOST, rng, LOOKED)
        assert some.images is not None
        k, known = len(some.classes), np.zeros(len(data), bool)
        if self.heard.accused is not None:
            known[self.heard.accused] = True
        progress(0, 10, "learning what each picture says")
        contents = cross_fit(some.images, some.y, k, LinearLearner.of(some.images, rng), rng)
        progress(2, 10, "teaching networks")
        taught = cross_fit(some.images, some.y, k, NetLearner.of(rng, peaks=True), rng, like=contents)
        progress(6, 10, "trying parts of labels")
        sides = _parted(some, taught)
        tried = [*_by_insertion(some, taught, sides, rng), *_by_contents(some, contents, taught, sides, known[chosen])]
        progress(10, 10, "parts of labels tried")
        tried.sort(key=lambda t: (-t.log_e, t.p_value))
        return Examined(tuple(in_whole(t, chosen) for t in tried), k, notes=notes)

    def plant(self, data: Dataset, depth: Depth, rng: np.random.Generator) -> CanaryCopy | None:
        return None


Sides = dict[int, list[Side]]  # of each label that all networks part, one a network


def _parted(data: Dataset, taught: CrossFit) -> Sides:
    """How each network parts each label, by the rows that taught it."""
    assert taught.inputs is not None
    found: Sides = {label: [] for label in range(taught.classes)}
    for f, net in enumerate(taught.models):
        assert isinstance(net, Net)
        features = net.hidden(taught.inputs).astype(np.float64)
        known = np.flatnonzero((taught.fold != f) & (data.y >= 0))
        for label, rule in enumerate(parts(features, data.y, known, taught.classes)):
            if rule is not None:
                found[label].append(Side(f, net, rule, rule.score(features), taught.fold == f))
    return {label: sides for label, sides in found.items() if len(sides) == len(taught.models)}


def _by_insertion(data: Dataset, taught: CrossFit, sides: Sides, rng: np.random.Generator) -> list[Tried]:
    tried = (joined(data, taught, label, ours, rng) for label, ours in sides.items())
    return [t for t in tried if t is not None]


def _by_contents(data: Dataset, contents: CrossFit, taught: CrossFit, sides: Sides, known: Bools) -> list[Tried]:
    """Each label's named rows after their trials; those of rows that convict are told anew, unless they are `known` (n,) otherwise."""
    y, score = data.y, np.full(len(data), -np.inf)
    for label, ours in sides.items():
        for side in ours:
            mine = side.judged & (y == label)
            score[mine] = side.scores[mine]
    named = score > 0
    near = np.zeros(len(y), bool)
    for label in sides:
        rest = (y == label) & ~named
        near |= rest & (score > (np.quantile(score[rest], 1 - NEAREST) if rest.any() else np.inf))
    first = taught.models[0]
    assert isinstance(first, Net)
    assert taught.inputs is not None
    space = first.hidden(taught.inputs)
    tried = []
    court = Court.hearing(data, contents, space, named, ~named, silent)
    again = court.once_more(~named & ~near, silent).heard(None)
    for label, way in court.heard(None).items():
        other = again.get(label)
        t = _implanted(way.tried if other is None else of_both(way.tried, other.tried, other.one_kind), taught, y, label)
        carriers = t.candidate.carriers
        if t.log_e > CONVICTS and known[carriers].mean() >= INSIDE:
            t = replace(t, accused=carriers[known[carriers]])
        elif t.log_e > CONVICTS:
            t = replace(t, accused=members(taught, y, belonging_in_folds(court.support, y, taught.fold), label, carriers))
        accused = carriers if t.accused is None else t.accused
        words = (
            f"{len(accused):,} rows labelled {data.classes[label]!r} that {SPACE} sets apart from the label's other rows. It foresees "
            "their label from rows like them; what they show does not: by contents they are no more like it than rows of other labels are"
        )
        artefact = Cluster.around(space[carriers], SPACE, data.digest[carriers])
        tried.append(replace(t, candidate=Candidate(artefact, carriers), words=words))
    return tried


def _implanted(tried: Tried, taught: CrossFit, y: Int, label: int) -> Tried:
    """The same, acquitted where networks do not foresee the carriers' label in some half."""
    carriers = tried.candidate.carriers
    right = taught.probabilities[carriers].argmax(1) == label
    fold = taught.fold[carriers]
    share = min(float(right[fold == f].mean()) for f in np.unique(fold))
    detail = f"networks that know the other half's foresee the label of {share:.0%} of these at least"
    trials = (*tried.trials, TrialResult("implanted", "ran", detail=detail))
    if share >= FORETOLD:
        return replace(tried, trials=trials)
    return replace(tried, log_e=min(tried.log_e, 0.0), p_value=1.0, trials=trials, missing=(*tried.missing, detail))
