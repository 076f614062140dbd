"""Labels that the nearest rows, in features made without labels, do not share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.finding import RowScore
from assay.screen.agreement import flag_excess, lead, relative_margin
from assay.screen.context import Context
from assay.screen.nearest_others import drawn_among, nearest_others
from assay.screen.row_blocks import RowBlocks

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

# Votes a row: enough that one wrong label among them says little, few enough to stay near.
NEIGHBOURS = 15
# Rows that may vote. More are sampled from, so that cost is linear in rows: 10,000 keep each class of a 100-class set
# at 100.
VOTERS = 10_000
# Distances computed in all: past 100,000 rows fewer may vote, down to 1,000.
DISTANCES = 1_000_000_000
FEWEST_VOTERS = 1_000
# Rows asked at a time: bounds the distance matrix at about 80 MB.
BLOCK = 1_000
# Added to each class's votes before they become shares (Krichevsky-Trofimov), so that no share is 0 or 1.
PRIOR_VOTES = 0.5


def neighbour_shares(features: NDArray[np.float32], y: Int, classes: int, rng: np.random.Generator, asked: int = NEIGHBOURS) -> Float:
    """(n, k) share of each class among the `asked` voters nearest to a row, itself left out. Brute force against at most `VOTERS`
    rows.
    """
    voters = drawn_among(len(features), VOTERS, DISTANCES, FEWEST_VOTERS, rng)
    blocks = RowBlocks.of(features)
    voting = blocks.engine.put((voters, features[voters], y[voters]))
    shares = np.concatenate(list(blocks.map_from(_shares, voting, classes, min(asked, len(voters) - 1))))
    shares += PRIOR_VOTES
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float64)


def _shares(block: Float32, first: int, voting: tuple[Int, Float32, Int], classes: int, count: int) -> Float:
    """(m, k) votes for each class among the `count` voters nearest to the rows of a block, which begins at row `first`."""
    voters, vectors, y = voting
    votes = np.empty((len(block), classes))
    for some, _, near in nearest_others(block, first, (voters, vectors), count, BLOCK):
        cell = np.arange(len(near))[:, None] * classes + y[near]
        votes[some] = np.bincount(cell.ravel(), minlength=len(near) * classes).reshape(len(near), classes)
    return votes


def run(context: Context) -> RowScore:
    """The screen: unlabelled rows neither vote nor are judged; they score 0."""
    assert context.features is not None
    reason = f"its {NEIGHBOURS} nearest rows, seen without labels, carry another label"
    return judged("neighbours", context, context.features, NEIGHBOURS, reason)


def judged(name: str, context: Context, features: NDArray[np.float32], asked: int, reason: str) -> RowScore:
    """Every labelled row by the labels of its `asked` nearest in these features (n, d)."""
    n, known = len(context.data), np.flatnonzero(context.labelled)
    y = context.data.y[known]
    features = np.nan_to_num(np.asarray(features[known], np.float32), posinf=0.0, neginf=0.0)
    shares = neighbour_shares(features, y, len(context.data.classes), context.rng, asked)
    score, flag, bound = np.zeros(n), np.zeros(n, bool), np.ones(n)
    score[known] = relative_margin(shares, y)
    first = shares.argmax(axis=1)
    disputed = (first != y) & (score[known] > 0.5)
    excess = flag_excess(first == y, disputed, lead(shares))
    flag[known], bound[known] = excess.flag, excess.bound
    return RowScore(name, score, flag, reason, bound)
