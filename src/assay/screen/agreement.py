"""From class probabilities to a score and to flags whose share of false ones is estimated.

Both label screens (a model's out-of-fold opinion, the neighbours' opinion) end here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Int = NDArray[np.int64]

# Highest estimated share of falsely flagged rows among the flagged.
FALSE_SHARE = 0.3
# The floor of disagreement is read on the surest 5, 10 and 20 %: more would hold the judge's own errors. The least of
# the three counts; the first two where they hold 300 rows (5 % is then known to +- 1.3 points; the least of noisier
# ones would always be too low), the last as a lower bound, on 100 rows at least.
FLOOR_SHARES = (0.05, 0.1, 0.2)
FLOOR_ROWS = 100
POINT_ROWS = 300
# A floor above this is more than the worst published share of wrong labels (QuickDraw, 10.1 %: Northcutt, Athalye and
# Mueller 2021). It is believed only where disagreement hardly grows from the surest 5 % to the surest 40 %, as wrong
# labels want it; a poor judge's errors grow: by 1.6 or more on CIFAR-10 pixels and SST-2 topics, by 1.1 with 20 %
# planted flips.
HIGH_FLOOR = 0.1
# Where a second estimate of the rate, by likelihood (error_chance.py), comes to this share of the floor, it is believed
# too. Above one in three it never is: a judge who contradicts that many of its surest rows is no judge.
SECONDED = 0.8
HIGHEST_FLOOR = 1 / 3
WIDE_SHARE = 0.4
GROWTH = 1.25
# Standard errors by which the floor is lowered: one-sided 84 %. At 95 % sets of under 2,000 rows had hardly any flags.
FLOOR_Z = 1.0


def relative_margin(probabilities: Float, y: Int) -> Float:
    """(n,) in [0, 1], the more suspicious the higher: rival / (own + rival), where own is the probability of the row's
    label and rival the highest of another class.

    0.5 where they tie. With two classes one minus self-confidence, and in the order of the normalised margin
    (Northcutt, Jiang and Chuang 2021, JAIR 70, section 3); with more it is fairer to rows of which the judge is
    unsure: AUROC for 5 % flips .982 against .962 on GTSRB, .768 against .731 on CIFAR-10.

    >>> relative_margin(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])).round(2).tolist()
    [0.1, 0.9]
    """
    rows = np.arange(len(y))
    own = probabilities[rows, y]
    others = probabilities.copy()
    others[rows, y] = -np.inf
    rival = others.max(axis=1)
    return np.asarray(rival / np.maximum(own + rival, np.finfo(np.float64).tiny), np.float64)


def lead(probabilities: Float) -> Float:
    """(n,) how far the likeliest class is ahead of the next: the judge's sureness, whatever the label says."""
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0], np.float64)


@dataclass(frozen=True)
class Excess:
    """`flag` (n,); `floor`: share of labels that are wrong whatever the content, bounded from below; `false_share`:
    estimated share of false ones among the flagged (0 where none is flagged); `bound` (n,) the least estimated share of
    false ones among disputed rows of which the judge is at least as sure, 1 for rows that are not disputed."""

    flag: Bool
    floor: float
    false_share: float
    bound: Float


def flag_excess(agrees: Bool, disputed: Bool, confidence: Float, highest: float = FALSE_SHARE, share_wrong: float = 0.0) -> Excess:
    """Flag the disputed rows on which the judge is so sure that most of the dispute must be wrong labels.

    Guarantee: if wrong labels fall on rows whatever their content, and the judge errs on fewer rows the surer it is,
    then the expected share of right labels among the flagged is at most `highest`, up to the judge's error among the
    surest rows. Where the judge errs there (a shortcut, a subtle class), right labels are flagged; where wrong labels
    fall only on hard rows, none are.

    `share_wrong`: another estimate of the share of wrong labels, which may second a high floor. `agrees`, `disputed`
    (n,): the judge is sure of the label, or of another class; rows may be neither. `confidence` (n,): how sure the
    judge is, read without the label (`lead`). Among rows with confidence at least t, let r(t) be the
    share that is disputed. r falls with t to a floor, the rate of wrong labels, read on the surest rows
    (`FLOOR_SHARES`); 1 - floor / r(t) then estimates the false ones among the disputed.
    """
    none = np.zeros(len(agrees), bool)
    judged = np.flatnonzero(agrees | disputed)
    if not len(judged) or not disputed.any():
        return Excess(none, 0.0, 0.0, np.ones(len(agrees)))
    order = judged[np.argsort(-confidence[judged], kind="stable")]
    hits = np.cumsum(disputed[order])
    seen = np.arange(1, len(order) + 1)
    last_of_ties = np.r_[np.diff(confidence[order]) != 0, True]
    share = hits / seen
    floor = _floor(share, last_of_ties, share_wrong)
    false_share = 1.0 - floor / np.maximum(share, 1e-12)
    bound = np.ones(len(agrees))
    if floor > 0:
        least = np.minimum.accumulate(np.where(last_of_ties, np.maximum(false_share, 0.0), 1.0)[::-1])[::-1]
        bound[order] = np.where(disputed[order], least, 1.0)
    good = last_of_ties & (false_share <= highest) & (hits > 0)
    if floor <= 0 or not good.any():
        return Excess(none, floor, 0.0, bound)
    stop = int(np.flatnonzero(good)[-1])
    flag = none.copy()
    flag[order[: stop + 1]] = True
    flag &= disputed
    return Excess(flag, floor, float(max(false_share[stop], 0.0)), bound)


def _floor(share: Float, last_of_ties: Bool, share_wrong: float) -> float:
    """The rate of wrong labels that no sureness gets under, from disagreement among the surest 1, 2, ... rows; 0 if
    not believed.
    """
    n = len(share)

    def among(part: float, least: int) -> int | None:
        """Place of the last of the surest rows that are `part` of all, or `least` rows, ties included."""
        start = max(least, round(part * n)) - 1
        ends = np.flatnonzero(last_of_ties[start:])
        return start + int(ends[0]) if len(ends) else None

    last = among(FLOOR_SHARES[-1], FLOOR_ROWS)
    if last is None:
        return 0.0
    points = [among(part, FLOOR_ROWS) for part in FLOOR_SHARES[:-1] if part * n >= POINT_ROWS]
    floor = min([_lower_bound(float(share[last]), last + 1), *(float(share[i]) for i in points if i is not None)])
    if floor > HIGHEST_FLOOR:
        return 0.0
    surest, wide = among(FLOOR_SHARES[0], FLOOR_ROWS), among(WIDE_SHARE, FLOOR_ROWS)
    seconded = share_wrong >= SECONDED * floor
    if floor > HIGH_FLOOR and not seconded and (surest is None or wide is None or share[wide] > GROWTH * share[surest]):
        return 0.0
    return floor


def _lower_bound(share: float, n: int) -> float:
    """Wilson's one-sided lower bound on a proportion, so that a few chance hits make no floor (Wilson 1927, JASA
    22).
    """
    z2 = FLOOR_Z**2
    centre = share + z2 / (2 * n)
    spread = FLOOR_Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max((centre - spread) / (1 + z2 / n), 0.0)
