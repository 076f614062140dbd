"""Rows under another class's label that are of one kind within the class they look like: overlap, perhaps, and not relabelling.

Rows of a class that were relabelled are like any of it. So among all rows that are typical of the class a second probe is asked, out of
fold, which carry the other label. Where it can tell, what they hold explains the other label: one class is broad and reaches into the
other (counts of measles after a vaccine are those of rubella), or one price list stands under two prices.

That does not acquit: rows may have been chosen for being of one kind, or a faint mark put into them with the label. It takes the proof
away, and the finding is suspected at most.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from assay.dataset.data import Dataset
from assay.trial.opinion import Opinion, opinion_of
from assay.trial.pairs import Contest, typical

Int = NDArray[np.int64]

TOLD = 0.6  # area under the curve, from which the rows are told apart (eight natural pairs in tables .64 to .89; of 65 planted .41 to .63)
BY_CHANCE = 0.001  # and not by chance: so many relabellings lose their proof by it (65 planted: p >= .0016)
ROWS = 4_000  # of the class looked at
FEWEST = 10  # rows of either side: fewer tell nothing


def told_apart(data: Dataset, opinion: Opinion, contest: Contest, rng: np.random.Generator) -> str | None:
    """What tells the contested rows from others that are as typical of the source; None where nothing does.

    Of the hits those that nature lets expect may be told apart as well as can be: the area must be larger by what they add.
    """
    rows = typical(opinion.probabilities, data.y, contest.source, contest.target, opinion.fold)
    moved = data.y[rows] == contest.target
    ours = rows[~moved]
    if len(ours) > ROWS:
        ours = rng.choice(ours, ROWS, replace=False)
    rows = np.sort(np.concatenate([ours, rows[moved]]))
    here = data.y[rows] == contest.target
    if min(here.sum(), (~here).sum()) < FEWEST:
        return None
    two = replace(data.subset(rows), classes=("source", "target"), y=here.astype(np.int64))
    says = opinion_of(two, "fast", rng).probabilities[:, 1]
    test = mannwhitneyu(says[here], says[~here], alternative="greater")
    area = float(test.statistic) / (int(here.sum()) * int((~here).sum()))
    natural = min(1.0, contest.expected / max(contest.hits, 1e-9))
    if area < TOLD + natural / 2 or test.pvalue > BY_CHANCE:
        return None
    source, target = data.classes[contest.source], data.classes[contest.target]
    return (
        f"of the rows that look like typical {source!r} those labelled {target!r} are of one kind, told by what they hold (AUROC "
        f"{area:.2f}); relabelled rows would be like any others of their class"
    )
