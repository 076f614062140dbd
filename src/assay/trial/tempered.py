"""How far a probe's word counts of pictures with so much taken out: as far as it counts for other rows that have lost the same.

A probe is taught on whole pictures. Of a digit of which a box of 20 by 18 pixels is filled in it still says something, and as surely as
before, though it is right no more often than by chance. Of 3,436 digits that share the ink of such a box, 90 threes were a surprise of 200
nats so.

Here the word is weighed: q ~ base^(1 - w) p^w, with w the power, from 0 to 1, under which the labels of other rows that lost the same
boxes are likeliest. A probe that keeps its word has w = 1, and nothing changes; the lesser of both surprises counts.

It assumes that other rows lose as much by the box as the carriers would, had they not the artefact there; few rows know w to a tenth or so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.trial.surprise import clip_probabilities

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

WEIGHTS = np.linspace(0.0, 1.0, 21)
EMPTY = 0.5  # rows that every label is given in advance, so that no share is 0


def label_shares(y: Int, classes: int) -> Floats:
    """(k,) of the labelled rows, each a little above 0."""
    count = np.bincount(y[y >= 0], minlength=classes) + EMPTY
    return np.asarray(count / count.sum())


def tempered(p: Floats, base: Floats, weight: float) -> Floats:
    """(m, k) what is left of the word `p` (m, k), beside the labels' shares `base` (k,).

    >>> tempered(np.array([[0.9, 0.1]]), np.array([0.5, 0.5]), 0.0).tolist()
    [[0.5, 0.5]]
    """
    logs = weight * np.log(clip_probabilities(p)) + (1 - weight) * np.log(base)
    q = np.exp(logs - logs.max(-1, keepdims=True))
    return np.asarray(q / q.sum(-1, keepdims=True))


def weight_of_word(p: Floats, y: Int, base: Floats) -> float:
    """The power under which labels `y` (r,) of rows of which `p` (r, k) is said are likeliest; 1 where there are none."""
    if not len(y):
        return 1.0
    own = np.arange(len(y)), y
    return float(max(WEIGHTS[::-1], key=lambda w: float(np.log(tempered(p, base, float(w))[own]).sum())))
