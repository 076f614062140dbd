"""Overlays: rows that share one picture over their whole content, found without labels.

Rows are seen whitened (`assay.artefact.overlay_view`), where any two pictures are all but uncorrelated and two that carry one
template are not. A sample of rows are starts; the rows most like a start are its circle; circles whose members are like one
another are refined: the template is the members' mean, the members those rows that stand beyond the gap. What nature has in
common (the class of a digit, a road sign) fades out gradually; what was laid over stands apart. Cost linear in rows.

Blind to templates in less than three in a thousand rows (no carrier may be among the starts), to smooth ones (a gradient, a
sinusoid: too few numbers; `assay.mine.spectra` looks for those), and to pictures under 16 pixels a side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.artefact.overlay import Seen
from assay.artefact.overlay_view import View
from assay.dataset.rows import UInt8
from assay.engine.base import spans
from assay.learn.threads import spread
from assay.mine.overlay_blocks import CHUNK, SeenBlocks, along_patterns

Int = NDArray[np.int64]
Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]

SUPPORT = 5  # rows that share a template: fewer are left to the screens
HELD = 20_000  # rows searched at most, 0.25 GiB of float32 at 32x32 in colour; carriers are then looked for in all rows
LEARNT_FROM = 4_000  # rows that the view is learnt from
STARTS = 1_200  # of 3 carriers in a thousand rows 3.6 are starts on average, none in one case of 37
CIRCLE = 20  # rows most like a start: most are carriers if the data hold 30
REFINED = 160  # circles followed up
GROWING = 2  # rounds in which all that may be carriers are taken, before those that stand apart are
ROUNDS = 6
LOWEST = 3.0  # standard deviations above the rest: no cut is lower
NEAR = 0.7  # times the cut: rows between there and the cut fill the gap
MIRROR = 0.02  # share of carriers that the lower tail of the scores may explain: no carrier stands there
MOST = 0.3  # share of rows beyond which a template is a background that the data have in common
GAP = 0.3  # rows just below the cut, over rows above it: planted .01 to .22, CIFAR-10 .40 and MNIST .36 at least, GTSRB .15
TOGETHER = 8  # groups that are followed in one piece of work
SAME = 0.5  # Jaccard index of carriers above which two templates are one


@dataclass(frozen=True)
class Template:
    """Rows that share `pattern` (d,), of length one, in the view.

    `scores` (n,) say how far each row stands above the rest in its correlation with the pattern, in standard deviations; where the
    pattern is of whole pictures, a carrier is left out of the one that judges it. A score s is a correlation of `middle` + s `spread`.
    """

    pattern: Float32
    middle: float
    spread: float
    scores: Floats
    carriers: Int
    gap: float  # rows just below the cut, plus one, over carriers

    def threshold(self, score: float) -> float:
        """The correlation with the pattern at this score."""
        return self.middle + self.spread * score

    @property
    def possible(self) -> Int:
        """Rows that may carry it, however faintly: those that stand above the rest, and the carriers."""
        return np.union1d(np.flatnonzero(self.scores > LOWEST), self.carriers)

    @property
    def cut(self) -> float:
        """The score half way between the weakest carrier and the strongest other row."""
        inside = np.zeros(len(self.scores), bool)
        inside[self.carriers] = True
        return float((self.scores[inside].min() + self.scores[~inside].max(initial=0.0)) / 2)


@dataclass(frozen=True)
class Templates:
    """What was found, most clearly apart first."""

    view: Seen
    found: tuple[Template, ...]


def shared_templates(images: UInt8, rng: np.random.Generator) -> Templates:
    """Templates that at least five of the pictures (n, h, w, c) share; labels are not read."""
    order = rng.permutation(len(images))
    held = np.sort(order[:HELD])
    rest = np.setdiff1d(order, held, assume_unique=True)
    view = View.learn(images[np.sort(order[:LEARNT_FROM])])
    seen = SeenBlocks.of(view, images, held)
    settled = _refined(seen, _circles(seen, rng.permutation(len(held))[:STARTS]))
    found = []
    for members, scores in settled:
        gap = apart(scores.values)[1]
        if gap <= GAP:
            found.append(Template(scores.pattern, scores.middle, scores.spread, scores.values, held[members], gap))
    if len(rest) and found:
        found = everywhere(found, view, images, held, rest)
    found.sort(key=lambda t: (t.gap, -len(t.carriers)))
    return Templates(view, tuple(found))


def everywhere(found: list[Template], view: Seen, images: UInt8, held: Int, rest: Int) -> list[Template]:
    """The same templates with the carriers and scores of all rows, those that were not searched included."""
    products = along_patterns(view, images, rest, np.stack([t.pattern for t in found]))
    whole = []
    for number, t in enumerate(found):
        scores = np.zeros(len(images))
        scores[held] = t.scores
        scores[rest] = (products[:, number] - t.middle) / t.spread
        small = replace(t, carriers=np.searchsorted(held, t.carriers))
        carriers = np.sort(np.r_[t.carriers, rest[scores[rest] >= small.cut]])
        whole.append(replace(t, scores=scores, carriers=carriers))
    return whole


def _circles(seen: SeenBlocks, starts: Int) -> list[Int]:
    """The circles of `starts` whose members are most like one another, at most `REFINED`."""
    size = min(CIRCLE, seen.count - 1)
    top = seen.around(starts, size)
    squares = [np.square(seen.sums(list(top[a:b]))).sum(1) for a, b in spans(len(top), CHUNK)]
    alike = (np.concatenate(squares) - size) / (size * (size - 1))  # rows have length one
    chosen: list[Int] = []
    taken: list[set[int]] = []
    for i in np.argsort(-alike, kind="stable"):
        mine = set(top[i].tolist())
        if any(len(mine & t) > SAME * size for t in taken):
            continue
        taken.append(mine)
        chosen.append(top[i])
        if len(chosen) == REFINED:
            break
    return chosen


def _refined(seen: SeenBlocks, circles: list[Int]) -> list[tuple[Int, _Scores]]:
    """Members and scores of each circle once they no longer change; circles that meet go on as one."""
    going = circles
    settled: list[tuple[Int, _Scores]] = []
    for turn in range(ROUNDS):
        if not going:
            break
        sums = seen.sums(going)
        products = np.ascontiguousarray(seen.along(sums.astype(np.float32)).T)
        groups = [slice(a, b) for a, b in spans(len(going), TOGETHER)]
        followed = spread(_followed, ((products[g], sums[g], going[g], turn < GROWING) for g in groups))
        changed: list[Int] = []
        for members, (new, scores) in zip(going, (one for some in followed for one in some), strict=True):
            same = len(new) == len(members) and bool((new == members).all())
            if len(new) < SUPPORT or len(new) > MOST * seen.count:
                continue
            if same or turn == ROUNDS - 1:
                settled.append((new, scores))
            else:
                changed.append(new)
        going = _distinct(changed)
    order = sorted(range(len(settled)), key=lambda i: (apart(settled[i][1].values)[1], -len(settled[i][0])))
    kept: list[tuple[Int, _Scores]] = []
    for i in order:
        if not any(jaccard(settled[i][0], other) > SAME for other, _ in kept):
            kept.append(settled[i])
    return kept


def _followed(products: Float32, sums: Floats, groups: list[Int], growing: bool) -> list[tuple[Int, _Scores]]:
    """The members that each group has next, and the scores that say so, from the products (groups, n) of rows with its members' sums."""
    scored = [_scores(*each) for each in zip(products, sums, groups, strict=True)]
    return [(_beyond(scores.values) if growing else apart(scores.values)[0], scores) for scores in scored]


@dataclass(frozen=True)
class _Scores:
    """How far each row stands above the rest along a pattern; see `Template`."""

    pattern: Float32
    middle: float
    spread: float
    values: Floats


def _scores(products: Float32, total: Floats, members: Int) -> _Scores:
    """From each row's product with the members' sum (n,), and that sum (d,); a member is left out of its own."""
    squared = float((total**2).sum())
    length = max(np.sqrt(squared), 1e-12)
    scores = products.astype(np.float64) / length
    own = products[members].astype(np.float64)
    scores[members] = (own - 1) / np.sqrt(np.maximum(squared - 2 * own + 1, 1e-12))
    middle = float(np.median(scores))
    spread = max(1.4826 * float(np.median(np.abs(scores - middle))), 1e-9)
    return _Scores((total / length).astype(np.float32), middle, spread, (scores - middle) / spread)


def _beyond(scores: Floats) -> Int:
    """Rows above half of their own mean, and above all that the lower tail, turned over, explains; ascending."""
    most = min(max(int(MOST * len(scores)), SUPPORT) + 1, len(scores))
    some = np.flatnonzero(scores >= np.partition(scores, -most)[-most])
    order = some[np.argsort(-scores[some], kind="stable")[:most]]
    ordered = scores[order]
    count = SUPPORT
    while count < len(ordered):
        more = int(np.searchsorted(-ordered, -ordered[:count].mean() / 2))
        if more <= count:
            break
        count = more
    ordered = ordered[:count]
    below = np.sort(scores[scores <= -ordered[-1]])
    mirrored = np.searchsorted(below, -ordered, side="right")
    clear = np.flatnonzero(mirrored <= MIRROR * np.arange(1, len(ordered) + 1))
    count = int(clear[-1]) + 1 if len(clear) else SUPPORT
    return np.sort(order[: max(count, SUPPORT)])


def apart(scores: Floats) -> tuple[Int, float]:
    """Rows that stand apart, ascending, and their gap: rows less than three tenths below the cut, plus one, over rows above it.

    The cut is where the gap is least, among those above all that the lower tail, turned over, explains.
    """
    above = scores > LOWEST
    sizes = np.arange(SUPPORT, min(int(above.sum()), int(MOST * len(scores))) + 1)
    if not len(sizes):
        return np.sort(np.argsort(-scores, kind="stable")[:SUPPORT]), np.inf
    weakest, strongest = float(scores[above].min()), float(scores[~above].max(initial=-np.inf))
    some = np.flatnonzero(scores >= min(strongest, NEAR * (weakest + strongest) / 2))  # nothing further down is asked for
    order = some[np.argsort(-scores[some], kind="stable")]
    ordered = scores[order]
    cuts = (ordered[sizes - 1] + ordered[sizes]) / 2
    mirrored = np.searchsorted(np.sort(scores[scores < -cuts.min()]), -cuts)
    gaps = (np.searchsorted(-ordered, -NEAR * cuts) - sizes + 1) / sizes
    gaps[mirrored > MIRROR * sizes] = np.inf
    best = int(gaps.argmin())
    return np.sort(order[: sizes[best]]), float(gaps[best])


def _distinct(groups: list[Int]) -> list[Int]:
    """Groups of rows without those that nearly repeat an earlier one."""
    kept: list[Int] = []
    for group in sorted(groups, key=len, reverse=True):
        if not any(jaccard(group, other) > SAME for other in kept):
            kept.append(group)
    return kept


def jaccard(a: Int, b: Int) -> float:
    """Rows in both over rows in either, of distinct row numbers."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / max(len(a) + len(b) - both, 1)
