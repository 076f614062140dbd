"""Faint patterns laid over whole labels, a pattern each, so that models learn them in place of the pictures: suspected at most.

Labels are right, so nothing can be surprised at, and what is lost is accuracy (unlearnable examples: Huang, Ma, Erfani, Bailey, Wang 2021).
Such patterns must be linearly separable to work (Yu, Zhang, Chen, Yin, Liu, Availability Attacks Create Shortcuts, 2022), and that gives
them away. By experiment, in halves of the rows:

- *seen*: a linear model of whitened pictures, which sees next to nothing of photographs, is sure of many rows, and right
  (`assay.learn.class_patterns`);
- *nothing else*: each picture loses the pattern of the label that it is given so, by no more than `FAINT` levels a pixel, which leaves
  what people see. The scan's own model of pictures, taught and asked on what is left, is wrong in rows in which the linear one is right,
  and hardly ever the other way round. Natural pictures keep their contents: there the richer model is right more often.

Both halves must say so. A device or a background that goes with a label passes as well; a person must judge. No error rate is guaranteed.
It cannot see patterns in labels that contents foretell well all the same (digits: there they do little harm), in under some fifth of the
rows, or in sets with few rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from assay.artefact.overlay import Matched
from assay.dataset.data import Dataset
from assay.dataset.rows import UInt8
from assay.finding import TrialResult
from assay.learn.class_patterns import ClassPatterns
from assay.learn.images_features import shrink
from assay.learn.images_linear import LinearLearner
from assay.mine.candidate import Candidate
from assay.mine.overlay_estimate import estimate
from assay.trial.family import Tried
from assay.trial.image_probe import Reader, same_pictures

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
Float32 = NDArray[np.float32]

ROWS = 2_000  # that are asked; a pattern is then looked for in all. 8,000 found no more on GTSRB or CIFAR-10
FEWEST = 500  # rows with a label: of fewer a linear model learns rows, not patterns
OF_A_LABEL = 10  # rows it is sure of, from which a label is named
FAINT = 16.0  # grey levels: published ones change a pixel by 8, some by 16
OF_CONTRAST = 0.25  # of a picture's own standard deviation, if that is less: 16 levels would hide what a dark picture shows
OFTENER = 0.4  # of all rows in which the models differ the linear one is right: .17 at most of six natural sets, .23 with wrong labels
OFTENER_SURE = 0.75  # of those that it is sure of: .66 at most
BY_CHANCE = 1e-3  # of so many such rows, in either half


@dataclass(frozen=True)
class _Asked:
    """Which rows a linear model is sure of, which it tells right, and which a richer one does without the pattern."""

    sure: Bools
    linear: Bools
    rich: Bools

    def p_value(self, half: Int, group: Int) -> float:
        """Of as many rows in which the linear model alone is right, in the weaker half, of all rows or of those that it is sure of.

        Near-duplicates count once.
        """

        def one(rows: Bools, usual: float) -> float:
            differ = rows & (self.linear != self.rich)
            alone = len(np.unique(group[differ & self.linear]))
            return float(binom.sf(alone - 1, alone + len(np.unique(group[differ & self.rich])), usual))

        rows = ((np.ones(len(half), bool), OFTENER), (self.sure, OFTENER_SURE))
        return min(1.0, 2 * min(max(one(some & (half == h), usual) for h in (0, 1)) for some, usual in rows))


def unlearnable(data: Dataset, reader: Reader, rng: np.random.Generator) -> list[Tried]:
    """A suspicion for each label that carries a pattern of its own."""
    assert data.images is not None
    known = np.flatnonzero(data.y >= 0)
    if len(known) < FEWEST or len(data.classes) < 2:
        return []
    rows = np.sort(rng.permutation(known)[:ROWS])
    y = data.y[rows]
    kin = np.unique(same_pictures(data.images, reader)[rows], return_inverse=True)[1]
    half = rng.integers(0, 2, kin.max() + 1)[kin]
    if min(np.bincount(half, minlength=2)) < FEWEST // 4:
        return []
    seen = ClassPatterns.learn(data.images[rows], y, len(data.classes), half)
    label, sure = seen.told()
    if (sure & (label == y)).sum() < OF_A_LABEL:
        return []
    images = shrink(data.images[rows])
    learner = LinearLearner.of(images, rng) if reader is None else reader()
    rich = _without(images, y, label, half, learner, len(data.classes))
    asked = _Asked(sure, label == y, rich == y)
    p = asked.p_value(half, kin)
    if p > BY_CHANCE:
        return []
    return _suspected(data, rows, seen, asked, p, rng)


def _without(images: UInt8, y: Int, label: Int, half: Int, learner: LinearLearner, classes: int) -> Int:
    """(n,) what a model says of pictures (already shrunk) once each has lost the pattern of its `label` (n,), as the other half has it."""
    left = images.astype(np.float32)
    most = np.minimum(FAINT, OF_CONTRAST * left.std((1, 2, 3), keepdims=True))
    for h in (0, 1):
        here = half == h
        left[here] -= np.clip(_patterns(images[~here], y[~here], classes)[label[here]], -most[here], most[here])
    inputs = learner.prepare(np.clip(np.rint(left), 0, 255).astype(np.uint8))
    said = np.zeros(len(y), np.int64)
    for h in (0, 1):
        said[half == h] = learner.fit(inputs[half != h], y[half != h], classes).scores(inputs[half == h]).argmax(1)
    return said


def _patterns(images: UInt8, y: Int, classes: int) -> Float32:
    """(k, h, w, c) by what the mean picture of each label differs from that of all; nothing for a label with few rows."""
    mean = images.mean(0, dtype=np.float32)
    found = np.zeros((classes, *mean.shape), np.float32)
    for c in np.flatnonzero(np.bincount(y, minlength=classes) >= OF_A_LABEL):
        found[c] = images[y == c].mean(0, dtype=np.float32) - mean
    return found


def _suspected(data: Dataset, rows: Int, seen: ClassPatterns, asked: _Asked, p: float, rng: np.random.Generator) -> list[Tried]:
    assert data.images is not None
    label, sure = np.full(len(data), -1), np.zeros(len(data), bool)
    label[rows], sure[rows] = seen.told()
    rest = np.setdiff1d(np.arange(len(data)), rows)
    label[rest], sure[rest] = seen.tell(data.images, rest)
    right, left = float(asked.linear[asked.sure].mean()), float(asked.rich[asked.sure].mean())
    said = (
        f"a linear model of whitened pictures is sure of {asked.sure.mean():.0%} of the rows that were asked, and right in {right:.0%} of "
        f"those; with patterns of at most {FAINT:.0f} grey levels taken out a richer one is right in {left:.0%}"
    )
    words = (
        "A model that sees hardly anything of natural pictures reads the label of these from it, and without it they say less: as if laid "
        "over whole labels so that models learn it and not the pictures, or by a device that only one label's pictures passed through. "
        "Rows alone cannot tell which"
    )
    found = []
    for c in range(len(data.classes)):
        mine = np.flatnonzero(sure & (label == c) & (data.y == c))
        named = asked.sure & (label[rows] == c)
        if min(len(mine), int(named.sum())) < OF_A_LABEL or asked.linear[named].sum() <= asked.rich[named].sum():
            continue
        pattern = seen.weights[:, :, c].mean(0)
        matched = Matched(seen.view, (pattern / max(float(np.linalg.norm(pattern)), 1e-12)).astype(np.float32))
        threshold = float(np.median(matched.correlation(data.images[mine[:ROWS]]))) / 2
        overlay = estimate(data.images, mine, matched, threshold, rng, np.flatnonzero((data.y != c) & (label != c)))
        trial = TrialResult("class pattern", "ran", p_value=p, detail=said)
        found.append(Tried(Candidate(overlay, mine), c, -np.inf, 1.0, (trial,), planted_without_relabelling=words))
    return found
