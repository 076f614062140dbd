"""Deep k-NN: labels that the nearest rows, in the features of a network trained on all of them, do not share.

Poison made for one picture lies, in the network that it was made against, among rows of that picture's class, and is labelled otherwise.
Source: Peri, Gupta, Huang, Fowl, Zhu, Feizi, Goldstein, Dickerson, Deep k-NN Defense against Clean-label Data Poisoning Attacks, 2020.
"""

from __future__ import annotations

import numpy as np

from assay.dataset.data import MISSING
from assay.finding import RowScore
from assay.screen.context import Context
from assay.screen.neighbours import NEIGHBOURS, judged

# Votes a row: poison is its own neighbour, and must be outvoted. Targeted attacks publish 1 to 25 rows (Peri et al.: more than twice that).
VOTES = 50
SHARE = 0.5  # but no more than this share of a middling class, whose rows would otherwise vote for their neighbours' classes


def run(context: Context) -> RowScore:
    """The screen: as `neighbours`, in what the network learnt, with more votes.

    Cannot see poison that outnumbers half of the votes, nor one made against a network that sees other things; labels that the network
    has learnt by heart look right.
    """
    assert context.learnt is not None
    y = context.data.y[context.data.y != MISSING]
    votes = int(np.clip(SHARE * np.median(np.unique(y, return_counts=True)[1]), NEIGHBOURS, VOTES))
    reason = f"its {votes} nearest rows, as a network sees them that was trained on all, carry another label"
    return judged("learnt_neighbours", context, context.learnt, votes, reason)
