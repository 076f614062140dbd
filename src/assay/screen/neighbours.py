"""Labels that the nearest rows, in features made without labels, do not share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from assay.engine.base import spans
from assay.finding import RowScore
from assay.screen.agreement import flag_excess, lead, relative_margin
from assay.screen.context import Context
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
    n = len(features)
    most = min(VOTERS, max(DISTANCES // n, FEWEST_VOTERS))
    voters = np.sort(rng.choice(n, most, replace=False)) if n > most else np.arange(n)
    blocks = RowBlocks.of(features)
    voting = blocks.engine.put((voters, features[voters], y[voters]))
    shares = np.concatenate(list(blocks.map_from(_shares, voting, classes, min(asked, len(voters) - 1))))
    shares += PRIOR_VOTES
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float64)


def _shares(block: Float32, first: int, voting: tuple[Int, Float32, Int], classes: int, count: int) -> Float:
    """(m, k) votes for each class among the `count` voters nearest to the rows of a block, which begins at row `first`."""
    voters, vectors, y = voting
    index = NearestNeighbors(n_neighbors=count + 1, algorithm="brute").fit(vectors)
    votes = np.empty((len(block), classes))
    for start, stop in spans(len(block), BLOCK):
        near = index.kneighbors(block[start:stop], return_distance=False)
        rows = np.arange(stop - start)
        itself = voters[near] == first + start + rows[:, None]
        # a row that is no voter, or is hidden behind copies of itself, drops its farthest instead
        itself[~itself.any(axis=1), -1] = True
        cell = rows[:, None] * classes + y[near[~itself].reshape(len(rows), count)]
        votes[start:stop] = np.bincount(cell.ravel(), minlength=len(rows) * classes).reshape(len(rows), classes)
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
