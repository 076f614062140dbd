"""Which rows of a label belong to its convicted part? Networks that are taught the part as a class of its own say so.

A part that networks set apart holds those of its rows that they saw most plainly. The others teach the next networks that what they carry
is natural, and are not found by them. So first those of the label's other rows that lie nearest to the part teach nothing (15 %, then 5 %,
then none); networks of four folds, which see three quarters of the rows each, take the place of halves. In the end three networks that end
in two ways (two by their largest answers, one by averages), each in four folds, are asked once more: a row belongs to the part where their
mean puts it there, and where it is likelier by the law of the part's rows than by that of the others, two normal laws.

CIFAR-10, input-aware at 5 %, seed 0, the one on which it was built: 75 to 96 % of the poison, 8 to 9 false rows of 9,500. It costs some
fifteen times what the networks cost that parted the label. It cannot see rows whose trigger no network sees, and counts among the part rows
that carry another row's trigger over their own contents (cover rows).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from assay.learn.images import CrossFit, deal
from assay.learn.images_net import NetLearner
from assay.learn.images_suspects import set_apart
from assay.trial.residuals import odds_of_strangers

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

DOUBTFUL = (0.15, 0.05, 0.0)  # of the label's other rows, those nearest to the part: the share that teaches the next round nothing
FOLDS = 4
KNOWN_AGAIN = 0.5  # share of the carriers that must be found again; else networks cannot tell, and the carriers stand
ENDS = (True, True, False)  # by peaks, by peaks, by averages: the networks that are asked in the end


def members(taught: CrossFit, y: Int, belonging: Floats, label: int, carriers: Int) -> Int:
    """The rows of the label (y (n,) equal to it) that belong to the part of which the carriers are rows.

    `taught`: the networks that parted it, their inputs kept; `belonging` (n,): how far contents support each row's label, from models that
    do not know the part. The carriers themselves, where networks do not know half of them again.
    """
    learner = taught.learner
    assert isinstance(learner, NetLearner)
    rng = np.random.default_rng([learner.seed, label])
    ours = np.flatnonzero(y == label)
    part, untaught = np.isin(ours, carriers), np.zeros(len(ours), bool)

    def margin(number: int, peaks: bool, fold: Int) -> Floats:
        """(m,) of the label's rows, by networks of these folds."""
        suspects, idle = np.zeros(len(y), bool), np.zeros(len(y), bool)
        suspects[ours[part]], idle[ours[untaught]] = True, True
        network = replace(learner, seed=learner.seed + number, peaks=peaks)
        assert taught.inputs is not None
        return set_apart(taught.inputs, y, taught.classes, network, fold, suspects, idle)[ours]

    for number, doubtful in enumerate(DOUBTFUL):
        told = margin(number, True, deal(taught.groups, FOLDS, rng) if number else taught.fold)
        told = told + odds_of_strangers(belonging[ours], belonging[ours[~part]])
        part = told > 0
        untaught = ~part & (told > np.quantile(told[~part], 1 - doubtful)) if doubtful and not part.all() else np.zeros(len(ours), bool)
    margins = [margin(len(DOUBTFUL) + number, peaks, deal(taught.groups, FOLDS, rng)) for number, peaks in enumerate(ENDS)]
    found = ours[of_the_part(np.mean(margins, axis=0))]
    return found if np.isin(carriers, found).mean() >= KNOWN_AGAIN else carriers


def of_the_part(margin: Floats) -> Bools:
    """(m,) rows that networks put with the part (margin above 0) and that the law of such rows explains better than that of the others.

    >>> of_the_part(np.array([-9.0, -8.5, -8.0, -7.5, 0.1, 7.5, 8.0, 8.5, 9.0])).tolist()
    [False, False, False, False, False, True, True, True, True]
    """
    above, known = margin > 0, np.isfinite(margin)
    if min(above.sum(), (known & ~above).sum()) < 2:
        return above
    centres = np.array([[np.median(margin[known & ~above])], [np.median(margin[above])]])
    laws = GaussianMixture(2, means_init=centres, random_state=0).fit(margin[known, None])
    likelier = np.zeros(len(margin), bool)
    likelier[known] = laws.predict_proba(margin[known, None])[:, 1] > 0.5
    return np.asarray(above & (likelier | (margin >= centres[1, 0])))
