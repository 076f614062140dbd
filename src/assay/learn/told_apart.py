"""Which rows of a label hold something that other labels' rows do not: a linear detector and the parts it finds, in turns.

A ridge regression tells the rows that are thought to hold it from all others; its scores, of rows that it never saw, are a mixture of two
normal laws among the label's rows, one of them near that of other labels' rows; how likely each row is in the other part says what the next
ridge regression learns from (expectation and maximisation). The detector never sees a content model: what it finds is tried elsewhere.

It cannot find what the numbers do not tell linearly, and where a label as a whole differs from the others it finds the whole label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from assay.learn.images import deal

Int = NDArray[np.int64]
Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]

DIRECTIONS = 768  # of the numbers given: 2,046 tell a warp no better and cost seven times as much
RIDGE = 0.1  # in units of a number's variance: 0.01 finds .87 of a warp's rows at one false row in a thousand, .1 finds .91
TURNS = 4  # of learning and parting; after three they hardly change
INNER = 4  # folds within which rows are judged by detectors that did not see them
KIN = 5.0  # weight of the label's own rows that are not in the part, beside 1 of other rows: what tells a label is not what is looked for
PRIOR = 50.0  # rows, as which the law of other labels' rows counts among the label's own that are not in the part
SETTLED = 50  # rounds of the mixture at most
SHARE = (0.005, 0.98)  # of a label that a part may be
NARROW = 0.3  # least spread of the part, in that of other labels' rows: or a few rows alone would be it
DOUBT = 0.01  # nobody is surer than this before the mixture begins


@dataclass(frozen=True)
class Detector:
    """Scores of rows (m, d): larger for those that hold what was learnt."""

    centre: Float32
    weights: Float32

    def scores(self, x: Float32) -> Floats:
        return np.asarray((x - self.centre) @ self.weights, np.float64)


@dataclass(frozen=True)
class Part:
    """What a label's rows (m,) are thought to be, after the detectors and the mixture have agreed."""

    likely: Floats  # (m,) probability that the row is in the part
    usual: float  # mean score of ours that are not in the part
    spread: float  # and its standard deviation
    detector: Detector  # of all rows


def principal(x: Float32, directions: int = DIRECTIONS) -> Float32:
    """(n, min(d, directions)) rows along the directions in which numbers vary most, each number first in units of its spread."""
    spread = x.std(0)
    scaled = (x - x.mean(0)) / np.where(spread > 0, spread, 1).astype(np.float32)
    _, axes = np.linalg.eigh((scaled.T @ scaled / np.float32(max(len(x), 1))).astype(np.float64))
    return np.asarray(scaled @ axes[:, ::-1][:, :directions].astype(np.float32))


@dataclass(frozen=True)
class Apart:
    """Rows (n, d) dealt to inner folds, with the sums of products (d, d) and sums (d,) that every label's detectors begin from.

    The last of `products` and `sums` are those of all rows; the others leave out a fold each.
    """

    x: Float32
    fold: Int
    products: tuple[Float32, ...]
    sums: tuple[Float32, ...]

    @classmethod
    def of(cls, x: Float32, groups: Int, rng: np.random.Generator) -> Apart:
        """`groups` (n,): near-duplicates share one, and a fold. Numbers should be centred."""
        fold = deal(groups, INNER, rng)
        parts = [x[fold == f] for f in range(INNER)]
        products, sums = [p.T @ p for p in parts], [p.sum(0) for p in parts]
        all_products, all_sums = np.sum(products, 0), np.sum(sums, 0)
        return cls(x, fold, (*(all_products - p for p in products), all_products), (*(all_sums - s for s in sums), all_sums))

    def part(self, ours: NDArray[np.bool_], start: Floats, lean: Floats | float = 0.0) -> Part:
        """The part of the rows `ours` (n,) that differs from all other rows, begun from `start` (m,), how likely each of ours is in it.

        `lean` (m,): log odds of a row for the part by what is known of it otherwise, which keep the part from going astray.

        Raises ValueError where all rows are ours, or none.
        """
        mine, others = np.flatnonzero(ours), np.flatnonzero(~ours)
        if not len(mine) or not len(others):
            raise ValueError(f"a part is told from other rows; got {len(mine)} of ours and {len(others)} others")
        likely, usual, spread, scores = np.clip(start, DOUBT, 1 - DOUBT), 0.0, 1.0, np.zeros(len(ours))
        for _ in range(TURNS):
            for f in range(INNER):
                taught = self.fold[mine] != f
                judged = self.fold == f
                scores[judged] = self._detector(f, mine[taught], likely[taught]).scores(self.x[judged])
            likely, usual, spread = _mixture(scores[mine], float(scores[others].mean()), float(scores[others].std()), likely, lean)
        return Part(likely, usual, spread, self._detector(INNER, mine, likely))

    def _detector(self, f: int, mine: Int, likely: Floats) -> Detector:
        """Ridge regression of +1 and -1 on rows outside fold `f`, both sides of equal weight; ours are on both, as `likely` (m,) says."""
        count = len(self.x) - int((self.fold == f).sum())
        x, drawn = self.x[mine], likely.astype(np.float32)
        # all rows weigh 1 on the other side, ours that are not in the part KIN; less (drawn): they are on this side
        there = KIN * (1 - drawn) - 1
        many, rest = max(float(drawn.sum()), 1e-6), count + float(there.sum())
        here_products, here_sum = (x * drawn[:, None]).T @ x, drawn @ x
        rest_products = self.products[f] + (x * there[:, None]).T @ x
        rest_sum = self.sums[f] + there @ x
        centre = (here_sum / many + rest_sum / rest) / 2
        apart = (here_sum / many - rest_sum / rest) / 2
        gram = (here_products / many + rest_products / rest) / 2 - np.outer(centre, centre)
        gram[np.diag_indices(len(gram))] += RIDGE
        return Detector(centre.astype(np.float32), np.linalg.solve(gram, apart).astype(np.float32))


def _mixture(scores: Floats, middle: float, spread: float, likely: Floats, lean: Floats | float) -> tuple[Floats, float, float]:
    """How likely each score of ours is in the part, and the mean and spread of those that are not.

    The others' law, of this `middle` and `spread`, counts as `PRIOR` rows of ours that are not in the part.
    """
    spread = max(spread, 1e-9)
    z = (scores - middle) / spread
    usual, wide = 0.0, 1.0
    for _ in range(SETTLED):
        share = float(np.clip(likely.mean(), *SHARE))
        centre, width = _moments(z, likely, 0.0)
        usual, wide = _moments(z, 1 - likely, PRIOR)
        odds = logit(share) + lean - np.log(width / wide) - 0.5 * ((z - centre) / width) ** 2 + 0.5 * ((z - usual) / wide) ** 2
        renewed = np.where(z > usual, expit(odds), 0.0)
        settled = bool(np.abs(renewed - likely).max() < 1e-4)
        likely = renewed
        if settled or likely.sum() < 1:
            break
    return likely, middle + usual * spread, wide * spread


def _moments(z: Floats, weight: Floats, prior: float) -> tuple[float, float]:
    """Mean and spread of weighted z, beside `prior` rows of mean 0 and spread 1."""
    total = max(float(weight.sum()) + prior, 1e-9)
    centre = float(weight @ z) / total
    square = float(weight @ (z - centre) ** 2) + prior * (1 + centre**2)
    return centre, max(float(np.sqrt(square / total)), NARROW)
