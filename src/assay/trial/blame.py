"""Which rows caused a decision: closed-form influence on a linear head, the nearest rows in its features, and a test by leaving them out.

For the head (`learn/head.py`) the answer is exact: by how much each row, left out, moves the score of the decision against its runner-up,
and the fewest of the strongest rows without which the decision is another (Yang, Jain and Wallace, How Many and Which Training Points
Would Need to be Removed to Flip this Prediction?, EACL 2023). Whether that holds beyond the head is tested: a probe of another kind is
trained again without those rows, and without as many drawn at random among rows of the same label. Beside it deep k-NN (Peri et al., Deep
k-NN Defense against Clean-label Data Poisoning Attacks, 2020): poison of one picture lies among rows of another label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.dataset.data import MISSING, Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows
from assay.learn.head import Head, fit_head, one_hot, with_constant
from assay.trial.family import Depth, Progress, silent
from assay.trial.head_features import even, head_features
from assay.trial.retrained import by_features, retrainer

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

MOST_ROWS = 20_000  # learnt from, drawn at random beyond: features of 257 numbers take 40 MB
LARGEST = 0.05  # of the rows: a decision that more rows make together is nobody's doing
FEWEST_TESTED = 10  # rows left out in the test at least: one that is left out alone changes no probe
NEIGHBOURS = 10  # asked by deep k-NN; a few times the rows of one targeted poison would let them outvote all others
DRAWS = 99  # random sets for the head: p-values down to .01


@dataclass(frozen=True)
class Blamed:
    """One row, by its record number `row`: `influence`, by how much the decision's lead over the runner-up falls without it;
    `share`, what its label adds to that lead (rows that say the same share it, where each alone is dispensable); `near` its rank
    by distance (0 is the nearest); `agreeing`, the share of its own neighbours that have its label."""

    row: int
    influence: float
    share: float
    near: int
    agreeing: float


@dataclass(frozen=True)
class Blame:
    """Why a row was taken for `decision` rather than `rival`, class codes.

    `margin`: the head's score of the decision less the rival's. `rows`: by the geometric mean of influence and share. `fewest`: so many
    of them left out change the head's decision; None where no set of up to a twentieth of the rows does. The test leaves out `tested`
    rows: `head_margin` without them, of `DRAWS` random sets of rows of the same labels `as_low` had a margin as low; `before`, `after`,
    `at_random` the retrained probe's probability of the decision with all rows, without them, and without each random set; `changed`
    whether the probe decides otherwise without them, and `changed_at_random` of how many random sets.
    """

    decision: int
    rival: int
    margin: float
    rows: tuple[Blamed, ...]
    fewest: int | None
    tested: int
    head_margin: float
    as_low: int
    before: float
    after: float
    at_random: tuple[float, ...]
    changed: bool
    changed_at_random: int
    neighbours: float  # share of the asked row's nearest rows that have the decision's label
    learnt_from: int

    @property
    def p_value(self) -> float:
        """That as many rows of the same labels pull as hard by chance: (1 + as_low) / (1 + DRAWS)."""
        return (1 + self.as_low) / (1 + DRAWS)


def blame(
    data: Dataset,
    asked: int,
    rng: np.random.Generator,
    decision: int | None = None,
    depth: Depth = "fast",
    retrainings: int = 5,
    most: int = 20,
    progress: Progress = silent,
    own: Floats | None = None,
) -> Blame:
    """Why the row at position `asked` is taken for a class; its own label plays no part and it is not learnt from.

    `decision`: the class it was taken for; without one, what the head takes it for. `retrainings`: random sets that the probe is trained
    without. `most`: rows named. `own` (n, d): features of these rows by the reader's own model, on which the head and the probe then learn.
    Else features are made without labels; at full depth they are those of a network trained on all rows, where
    pictures allow and torch is installed. Cannot see causes outside these rows (the weights a model started from), nor rows that matter
    only together: influence is summed one by one, then tested jointly. Raises DataError with fewer than two classes or nothing to read.
    """
    if not data.labelled:
        raise DataError("there are no two classes to decide between", path=data.path, remedy="name the label column")
    data, asked, own = _sample(data, asked, own, rng)
    learnt = np.flatnonzero((data.y != MISSING) & (np.arange(len(data)) != asked))
    k, y = len(data.classes), data.y[learnt]
    progress(0.0, 1.0, "features")
    features = head_features(data, rng, depth, learnt) if own is None else even(own)
    if features is None:
        raise DataError("there is no content to read", path=data.path, remedy="name the content columns")
    head, at = fit_head(features[learnt], one_hot(y, k)), with_constant(features[asked : asked + 1])[0]
    scores = at @ head.weights
    decision = int(scores.argmax()) if decision is None else decision
    rival = int(np.where(np.arange(k) == decision, -np.inf, scores).argmax())
    along = np.zeros(k)
    along[decision], along[rival] = 1.0, -1.0
    influence, share = -head.moves(at, along), head.shares(at, along)
    # both count: rows that say the same make each other dispensable, and a row that others outweigh may still have a large share
    pull = np.sqrt(np.maximum(influence, 0) * np.maximum(share, 0))
    order = np.argsort(-pull, kind="stable")[: int((pull > 0).sum())]
    decides = int(scores.argmax()) == decision
    fewest = _fewest(head, at, decision, order[: max(FEWEST_TESTED, int(LARGEST * len(learnt)))]) if decides else None
    tested = min(max(fewest or 0, FEWEST_TESTED), len(order))
    gone = order[:tested]
    pools = [np.setdiff1d(np.flatnonzero(y == label), gone) for label in y[gone]]
    margins = [float(at @ head.without(_alike(pools, rng)) @ along) for _ in range(DRAWS)]
    without = float(at @ head.without(gone) @ along)
    retrain = retrainer(data, asked, depth, int(rng.integers(2**31))) if own is None else by_features(features, data.y, asked, k)
    said = []
    for i, left_out in enumerate((gone[:0], gone, *(_alike(pools, rng) for _ in range(retrainings)))):
        progress(0.2 + 0.8 * i / (2 + retrainings), 1.0, "training again")
        said.append(retrain(learnt[left_out]))
    distance = ((features[learnt] - features[asked]) ** 2).sum(1)
    rank = np.empty(len(learnt), np.int64)
    rank[np.argsort(distance, kind="stable")] = np.arange(len(learnt))
    named = order[:most]
    agreeing = [_agreeing(features[learnt], y, int(i)) for i in named]
    return Blame(
        decision,
        rival,
        float(scores[decision] - scores[rival]),
        tuple(
            Blamed(int(data.row[learnt[i]]), float(influence[i]), float(share[i]), int(rank[i]), alike)
            for i, alike in zip(named, agreeing, strict=True)
        ),
        fewest,
        tested,
        without,
        sum(m <= without for m in margins),
        float(said[0][decision]),
        float(said[1][decision]),
        tuple(float(s[decision]) for s in said[2:]),
        bool(said[0].argmax() == decision and said[1].argmax() != decision),
        sum(bool(said[0].argmax() == decision and s.argmax() != decision) for s in said[2:]),
        float((y[rank < NEIGHBOURS] == decision).mean()),
        len(learnt),
    )


def with_record(data: Dataset, rows: Rows) -> Dataset:
    """The data and, after it, one more row without a label: `rows` holds its content alone, as `data.rows` would."""
    table = data.table
    if table.num_columns:
        given = rows.table.column_names
        extra = [rows.table.column(f.name).cast(f.type) if f.name in given else pa.nulls(1, f.type) for f in table.schema]
        table = pa.concat_tables([table, pa.table(extra, schema=table.schema)])
    return replace(
        data,
        table=table,
        images=None if data.images is None or rows.images is None else np.concatenate([data.images, rows.images]),
        row=np.append(data.row, data.records),
        key=(*data.key, "the record asked about"),
        digest=np.concatenate([data.digest, np.zeros((1, data.digest.shape[1]), np.uint8)]),
        y=np.append(data.y, MISSING),
    )


def _sample(data: Dataset, asked: int, own: Floats | None, rng: np.random.Generator) -> tuple[Dataset, int, Floats | None]:
    if len(data) <= MOST_ROWS:
        return data, asked, own
    rows = np.unique(np.append(rng.choice(len(data), MOST_ROWS, replace=False), asked))
    return data.subset(rows), int(np.searchsorted(rows, asked)), None if own is None else own[rows]


def _fewest(head: Head, at: Floats, decision: int, order: Int) -> int | None:
    """How many of the strongest rows, left out together, change the decision: doubled until it does, then halved in between."""

    def changed(count: int) -> bool:
        return int((at @ head.without(order[:count])).argmax()) != decision

    high = 1
    while high < len(order) and not changed(high):
        high *= 2
    high = min(high, len(order))
    if not high or not changed(high):
        return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if changed(middle) else (middle, high)
    return high


def _alike(pools: list[Int], rng: np.random.Generator) -> Int:
    """As many rows, drawn anew, with the same labels."""
    return np.unique([rng.choice(pool) for pool in pools if len(pool)]).astype(np.int64)


def _agreeing(features: Floats, y: Int, row: int) -> float:
    distance = ((features - features[row]) ** 2).sum(1)
    distance[row] = np.inf
    near = np.argpartition(distance, min(NEIGHBOURS, len(y) - 1))[:NEIGHBOURS]
    return float((y[near] == y[row]).mean())
