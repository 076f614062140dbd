"""Overlays laid over rows whose labels already fit (clean-label), told from what a class has by nature: suspected at most.

Nothing in such a row speaks against its label, so that neither surprise nor contradiction can be had, and nobody can be convicted. But who
lays a pattern over some rows of a class takes rows that have nothing else in common; what nature lays there comes with more (a kind of
sign, a scene, one camera's light). A template is suspected where two things hold:

- *one label*: it stands in rows of that label many times as often as in all others, so that nearly all of its rows there were made so;
- *nothing else*: put into the label's other rows, it makes them like its carriers in all. A classifier of patch features, taught on some
  rows with the template estimated from those alone, tells the carriers among the rest from other rows no better than a coin does.

A watermark of one class passes both: it is as if laid over, and a model leans on it as it would on poison; a person must judge. It carries
no error guarantee: an answer "no different" is no proof. It cannot see a template laid over rows that were chosen for what they show (the
hardest of a class), over more than half of a class, or in fewer rows than the second question needs for an answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.stats import binom, rankdata

from assay.artefact.overlay import Matched
from assay.dataset.rows import UInt8
from assay.finding import TrialResult
from assay.learn.images_features import shrink
from assay.learn.images_groups import votes
from assay.learn.images_linear import LinearLearner
from assay.mine.candidate import Candidate
from assay.mine.overlay_estimate import estimate
from assay.mine.overlays import LOWEST, Template
from assay.trial.family import Tried
from assay.trial.image_court import Court

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]

BY_CHANCE = 1e-3  # of so many of one label, over all templates
OFTENER = 20.0  # times as often in rows of the label as in others: at most one accused row in twenty has it by nature
FEWEST = 30  # votes of carriers: of fewer a coin's luck spans .4 to .6
MOST = 400  # carriers, and other rows, that are looked at
FOLDS = 4
RIDGE = 0.3  # of the mean eigenvalue of the features' products
ALIKE = 0.75  # area under the curve: half-way from a coin's to the .99 of all natural templates of GTSRB and MNIST, even of a gap up to 1
SURE = 2.33  # standard deviations: the area must be below with 99 % confidence
CLEAR = 3.5  # standard errors from which a frequency belongs to what was laid over: one of 3,000 passes by chance
GRAIN = 3.0  # grey levels, a normal law's spread: without it the rounding of what was put in tells it from what the carriers hold
ROUNDING = 0.3  # squared grey levels added to a frequency's variance: rounding alone has 1/12


@dataclass(frozen=True)
class Laid:
    """Of a template and the rows of one label that carry it: the area under the curve of a classifier that seeks them, and its error."""

    area: float
    error: float


def laid_over(court: Court, tried: Tried, template: Template, matched: Matched, learner: LinearLearner, among: int) -> Tried:
    """`tried`, suspected where the template was laid over rows of one label that keep it; as it is where not. One of `among` templates."""
    label = one_label(template.carriers, court.y, among)
    if label is None:
        return tried
    carriers = template.carriers[court.y[template.carriers] == label]
    others = np.setdiff1d(np.flatnonzero((court.y == label) & (template.scores < LOWEST)), carriers)
    if votes(court.images[carriers], court.probe.groups[carriers]).sum() < FEWEST or len(others) < len(carriers):
        return tried
    threshold = template.threshold(template.cut)
    laid = nothing_else(court, carriers, others, matched, threshold, learner)
    if laid is None or laid.area + SURE * laid.error > ALIKE:
        return tried
    detail = (
        f"put into other rows of that label, it makes them so like the {len(carriers)} carriers that a classifier tells a carrier from "
        f"them in {laid.area:.0%} of pairs (a coin: 50 %)"
    )
    words = (
        "It stands in rows of one label alone, and with it any other rows of that label look like these: as if laid over rows whose label "
        "already fits, or by a device that only that label's pictures passed through. Rows alone cannot tell which"
    )
    overlay = estimate(court.images, carriers, matched, threshold, court.rng, others)
    trials = (*tried.trials, TrialResult("placement", "ran", detail=detail))
    candidate = Candidate(overlay, carriers)
    return replace(tried, candidate=candidate, target=label, trials=trials, accused=None, planted_without_relabelling=words)


def one_label(carriers: Int, y: Int, among: int) -> int | None:
    """The label whose rows carry it `OFTENER` as often as others do, beyond chance for one of so many templates; None if there is none.

    >>> y = np.repeat([0, 1, 2], 100)
    >>> one_label(np.arange(30), y, 1), one_label(np.arange(0, 300, 10), y, 1)
    (0, None)
    """
    known = carriers[y[carriers] >= 0]
    if not len(known):
        return None
    count = np.bincount(y[known])
    label = int(count.argmax())
    ours, theirs = int((y == label).sum()), int(((y != label) & (y >= 0)).sum())
    chance = float(binom.sf(count[label] - 1, len(known), ours / (ours + theirs))) * among
    often = count[label] / ours >= OFTENER * (len(known) - count[label]) / max(theirs, 1)
    return label if often and chance <= BY_CHANCE else None


def nothing_else(court: Court, carriers: Int, others: Int, matched: Matched, threshold: float, learner: LinearLearner) -> Laid | None:
    """Whether carriers and other rows of their label with the template put in can be told apart; None where too few are left to ask.

    Rows are dealt to folds. For each, what was laid over is estimated and a ridge regression fitted on the other folds, and the fold's rows
    are ranked. Others in which the template is not recognised once it is in (its strength is nothing beside theirs) are left out, as
    carriers are in which it was not. All are made grainy.
    """
    rng = court.rng
    ours, theirs = (court.images[np.sort(rng.permutation(rows)[:MOST])] for rows in (carriers, others))
    both, number = np.concatenate([ours, theirs]), np.arange(len(ours) + len(theirs))
    fold, other_fold = rng.permutation(len(ours)) % FOLDS, rng.permutation(len(theirs)) % FOLDS
    seen = learner.prepare(shrink(_grainy(ours.astype(np.float32), rng)))
    areas, asked_ours, asked_theirs = [], 0, 0
    for f in range(FOLDS):
        taught = number[np.concatenate([fold != f, other_fold != f])]
        strength = estimate(both, taught[taught < len(ours)], matched, threshold, rng, taught[taught >= len(ours)])
        kept = 1 - strength.alpha if strength.mode == "blend" else 1.0
        put = kept * theirs.astype(np.float32) + shift(ours[fold != f], theirs[other_fold != f], kept)
        same = matched.correlation(np.clip(np.rint(put), 0, 255).astype(np.uint8)) >= threshold
        x = np.concatenate([seen, learner.prepare(shrink(_grainy(put[same], rng)))])
        carries = np.arange(len(x)) < len(seen)
        asked = np.concatenate([fold == f, other_fold[same] == f])
        a, b = int((asked & carries).sum()), int((asked & ~carries).sum())
        if min(a, b) < FEWEST // FOLDS:
            return None
        areas.append(_area(_ranked(x, carries, asked), carries[asked]))
        asked_ours, asked_theirs = asked_ours + a, asked_theirs + b
    error = np.sqrt((asked_ours + asked_theirs + 1) / (12 * asked_ours * asked_theirs))  # of the area of a coin (Mann & Whitney 1947)
    return Laid(float(np.mean(areas)), float(error))


def shift(ours: UInt8, theirs: UInt8, kept: float) -> Float32:
    """(h, w, c) what was added to `kept` times a picture: of the frequencies in which `ours` clearly differ from `theirs` (n, h, w, c).

    Only those, and whole: a template estimated in all has an error that shows in every even piece; one that is shrunk leaves the
    carriers some of it. Colours are turned to be uncorrelated first.
    """
    mine, others = ours.astype(np.float32), theirs.astype(np.float32)
    flat = others.reshape(-1, others.shape[3])
    _, colours = np.linalg.eigh(np.atleast_2d(np.cov((flat - flat.mean(0)).T)))
    a, b = (dctn(x @ colours.astype(np.float32), axes=(1, 2), norm="ortho") for x in (mine, others))
    difference = a.mean(0) - kept * b.mean(0)
    error = np.sqrt((a.var(0) + ROUNDING) / len(a) + kept**2 * (b.var(0) + ROUNDING) / len(b))
    return np.asarray(idctn(np.where(np.abs(difference) > CLEAR * error, difference, 0), axes=(0, 1), norm="ortho") @ colours.T, np.float32)


def _grainy(images: Float32, rng: np.random.Generator) -> UInt8:
    return np.clip(np.rint(images + rng.normal(0, GRAIN, images.shape)), 0, 255).astype(np.uint8)


def _ranked(x: Float32, carries: Bools, asked: Bools) -> Floats:
    """(q,) how much the rows `asked` look like carriers, by a ridge regression on the other rows."""
    taught = ~asked
    z = (x - x[taught].mean(0)) / (x[taught].std(0) + 1e-6)
    products = (z @ z[taught].T).astype(np.float64) / z.shape[1]
    truth = carries[taught] - carries[taught].mean()
    size = np.trace(products[taught]) / taught.sum()
    return np.asarray(products[asked] @ np.linalg.solve(products[taught] + RIDGE * size * np.eye(int(taught.sum())), truth))


def _area(scores: Floats, carries: Bools) -> float:
    """Share of pairs of a carrier and another row in which the carrier scores higher.

    >>> _area(np.array([0.9, 0.1, 0.4]), np.array([True, False, False]))
    1.0
    """
    ours, theirs = int(carries.sum()), int((~carries).sum())
    return float((rankdata(scores)[carries].sum() - ours * (ours + 1) / 2) / (ours * theirs))
