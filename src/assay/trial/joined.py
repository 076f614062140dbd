"""Pixels that set a part of a label apart: put into any other picture, do they make it one of that part?

For a trigger over rows whose label already fits (clean-label poison): nothing in them speaks against it, so nobody can be convicted. But a
network that has learnt the trigger sets its carriers apart in what it reads, and what they share can be seen: the pixels in which nearly
all of them agree and other rows of the label do not. By experiment, in halves of the rows, pixels of the one put into rows of the other:

- *the label's other rows* with these pixels join the part, so that the pixels are what sets it apart;
- *rows of other labels* with them join it too, and the network gives them the label, more often than with the pixels that other rows of the
  label have there.

Both halves must say so. What a label has by nature passes neither: of 209 parts of clean photographs, signs and digits, plain and altered,
22 have pixels in which their rows agree, and these turned 2 % of other rows at most; a planted checker in the corners turns 77 and 94 %. A
watermark of one label passes: a network leans on it as on poison, and a person must judge. No error rate is guaranteed. It cannot see a
trigger that shares no fixed pixels, or one that covers more than a quarter of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.artefact.patch import Patch
from assay.dataset.data import Dataset
from assay.dataset.rows import UInt8
from assay.finding import Effect, TrialResult
from assay.learn.images import CrossFit
from assay.learn.images_features import shrink
from assay.learn.images_net import Net
from assay.mine.candidate import Candidate
from assay.mine.clusters import Rule
from assay.stats.interval import clopper_pearson
from assay.trial.family import Tried

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]

FEWEST = 10  # rows of a part, near-duplicates counted once, in which pixels are compared
LOOKED = 400  # rows of a part, and other rows of the label, that are compared
AGREE = 16  # levels by which a row's pixel may differ from the part's median, in every channel
HELD, ELSEWHERE = 0.9, 0.25  # share of the part's rows that agree in a pixel, at least; of the label's other rows, at most
LARGEST = 0.25  # of the picture: what covers more is the picture
SAME = 0.5  # of the pixels that either half found, both must have found
HOSTS = 300  # rows that they are put into, in each half
NATURAL = 10  # other rows of the label whose pixels are put there instead
JOIN = 0.5  # of the rows that they are put into, at least: natural parts' 13 % of the label's own rows at most, planted 99 %
TURNED = 0.25  # of the rows of other labels, at least: half the attack success that counts, as a network of half the rows learns less


@dataclass(frozen=True)
class Side:
    """A network that one half of the rows taught, and the rule by which it parts a label; `scores` (n,) of all rows by it."""

    fold: int  # the half that it judges
    net: Net
    rule: Rule
    scores: NDArray[np.float64]
    judged: Bools  # (n,) the rows of that half


@dataclass(frozen=True)
class _Turned:
    """What pixels did to the rows of one half: shares that joined the part, and how many of other labels turned to the label."""

    own: float
    others: float
    hits: int
    asked: int
    natural: float  # most of them that pixels of a natural row turned

    @property
    def works(self) -> bool:
        return min(self.own, self.others) >= JOIN and self.hits / self.asked >= max(TURNED, self.natural)


def joined(data: Dataset, probe: CrossFit, label: int, sides: Sequence[Side], rng: np.random.Generator) -> Tried | None:
    """The label's rows that carry the pixels, suspected; None where there are no such pixels, or they do not do what is said above."""
    assert data.images is not None
    shared = [_shared(data.images, data.y == label, side, probe, rng) for side in sides]
    if any(s is None for s in shared):
        return None
    found = [s for s in shared if s is not None]
    both = np.logical_and.reduce([mask for _, mask in found])
    if both.sum() < SAME * np.logical_or.reduce([mask for _, mask in found]).sum():
        return None
    turned = [_turned(data, label, side, pixels, mask, rng) for side, (pixels, mask) in zip(sides, found, strict=True)]
    if not all(t is not None and t.works for t in turned):
        return None
    patch = _cropped(np.mean([pixels for pixels, _ in found], 0), both)
    carriers = np.flatnonzero((data.y == label) & patch.present(data.images))
    return None if len(carriers) < FEWEST else _suspected(patch, carriers, label, [t for t in turned if t is not None])


def _shared(images: UInt8, ours: Bools, side: Side, probe: CrossFit, rng: np.random.Generator) -> tuple[NDArray[np.float32], Bools] | None:
    """(h, w, c) medians of the part in the rows that taught the network, and (h, w) the pixels in which it agrees and others do not."""
    taught = ours & (probe.fold != side.fold)
    part, rest = (_some(np.flatnonzero(taught & here), probe.groups, rng) for here in (side.scores > 0, side.scores <= 0))
    if min(len(part), len(rest)) < FEWEST:
        return None
    median = np.median(images[part], 0).astype(np.float32)
    agree, elsewhere = (np.mean([np.abs(image - median).max(-1) <= AGREE for image in images[rows]], 0) for rows in (part, rest))
    mask = (agree >= HELD) & (elsewhere <= ELSEWHERE)
    return (median, mask) if 0 < mask.mean() <= LARGEST else None


def _some(rows: Int, groups: Int, rng: np.random.Generator) -> Int:
    """At most `LOOKED` of the rows, no two of them near-duplicates."""
    _, first = np.unique(groups[rows], return_index=True)
    return np.sort(rng.permutation(rows[first])[:LOOKED])


def _turned(data: Dataset, label: int, side: Side, pixels: NDArray[np.float32], mask: Bools, rng: np.random.Generator) -> _Turned | None:
    assert data.images is not None
    images, net = data.images, side.net

    def drawn(rows: Bools) -> Int:
        return np.sort(rng.permutation(np.flatnonzero(rows))[:HOSTS])

    def put(rows: Int, what: NDArray[np.float32]) -> UInt8:
        made = images[rows].copy()
        made[:, mask] = np.rint(what[mask]).astype(np.uint8)
        return shrink(made)

    def join(made: UInt8) -> float:
        return float((side.rule.score(net.hidden(made).astype(np.float64)) > 0).mean())

    here = side.judged
    own, others = drawn(here & (data.y == label) & (side.scores <= 0)), drawn(here & (data.y != label) & (data.y >= 0))
    others = others[net.scores(shrink(images[others])).argmax(1) != label]
    if min(len(own), len(others)) < FEWEST:
        return None
    with_it = put(others, pixels)
    natural = [float((net.scores(put(others, images[row].astype(np.float32))).argmax(1) == label).mean()) for row in own[:NATURAL]]
    hits = int((net.scores(with_it).argmax(1) == label).sum())
    return _Turned(join(put(own, pixels)), join(with_it), hits, len(others), max(natural))


def _cropped(pixels: NDArray[np.floating], mask: Bools) -> Patch:
    """The patch in the smallest box about its mask."""
    r, c = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.s_[r[0] : r[-1] + 1, c[0] : c[-1] + 1]
    return Patch(np.rint(pixels[box]).astype(np.uint8), mask[box], int(r[0]), int(c[0]))


def _suspected(patch: Patch, carriers: Int, label: int, turned: Sequence[_Turned]) -> Tried:
    hits, asked = sum(t.hits for t in turned), sum(t.asked for t in turned)
    natural, own = max(t.natural for t in turned), min(t.own for t in turned)
    low, high = clopper_pearson(hits, asked)
    detail = (
        f"put into {asked} rows of other labels they turn {hits / asked:.0%} of them, pixels of natural rows {natural:.0%} at most; of the "
        f"label's other rows {own:.0%} join these"
    )
    words = (
        "A network sets these rows apart from the label's others by these pixels alone, and gives the label to rows of any other once they "
        "are put in: as if laid over rows whose label already fits, or by a device that only that label's pictures passed through. Rows "
        "alone cannot tell which"
    )
    effect = Effect(hits / asked, low, high, natural, True)
    trial = TrialResult("insertion", "ran", detail=detail)
    return Tried(Candidate(patch, carriers), label, -np.inf, 1.0, (trial,), effect=effect, planted_without_relabelling=words)
