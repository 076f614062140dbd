"""What the accused did to the labels: votes expected to be wrong, and labels that their votes turn.

Each unit of blame, an annotator or a whole group, is let back in among the trusted on its own, and the labels are worked out again, by
counting and by Dawid and Skene. What the trusted alone say stands for the truth, with its uncertainty.

Cannot see: rows on which only the accused voted; harm that two units do together and neither alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.crowd.aggregate import Aggregate, Method
from assay.crowd.dawid_skene import dawid_skene
from assay.crowd.majority import majority
from assay.crowd.votes import Floats, Int, Votes

MOST_VOTES = 20_000_000  # gone through by all refits together, some 20 s on one core; units after that are not estimated


@dataclass(frozen=True)
class Damage:
    """What the votes of `annotators` did. `wrong` of `votes` are expected to be wrong, and `usual` would be from average trusted people on
    the same rows. `turned`, `turned_counting`: labels that change when they alone are let in, by Dawid and Skene and by majority;
    `spoiled`, `spoiled_counting`: how many right labels that is expected to cost (below 0: it helps)."""

    annotators: tuple[int, ...]
    votes: int
    wrong: float
    usual: float
    turned: int
    spoiled: float
    turned_counting: int
    spoiled_counting: float


def damage(votes: Votes, units: Sequence[tuple[int, ...]], clean: Aggregate | None = None) -> list[Damage | None]:
    """For each unit of accused annotators, what it did; None for those beyond MOST_VOTES, and where nobody trusted is left.

    `clean`: what Dawid and Skene make of the votes of those in no unit, where that is known already.

    >>> from assay.crowd.votes import from_arrays
    >>> votes = from_arrays([0, 0, 0, 1, 1, 1], list("abc") * 2, ["x", "x", "y", "x", "x", "y"])
    >>> found = damage(votes, [(2,)])[0]
    >>> found.votes, round(found.wrong), found.turned
    (2, 2, 0)
    """
    accused = np.unique(np.array([who for unit in units for who in unit], np.int64))
    trusted = votes.without(accused)
    if not units or not len(trusted):
        return [None] * len(units)
    clean, counted = clean or dawid_skene(trusted), majority(trusted)
    usual = _usual(trusted, clean)
    found: list[Damage | None] = []
    spent = 0
    for unit in units:
        mine = np.isin(votes.annotator, unit)
        spent += len(trusted) + int(mine.sum())
        if spent > MOST_VOTES:
            found.append(None)
            continue
        known = mine & (trusted.votes_on > 0)[votes.row]
        wrong = float((1 - clean.posterior[votes.row[known], votes.label[known]]).sum())
        back = votes.take(mine | ~np.isin(votes.annotator, accused))
        turned, spoiled = _turned(back, clean.label, clean.posterior, dawid_skene)
        by_counting, lost = _turned(back, counted.label, clean.posterior, majority)
        expected = float((clean.posterior[votes.row[known]] @ usual).sum())
        found.append(Damage(unit, int(mine.sum()), wrong, expected, turned, spoiled, by_counting, lost))
    return found


def _usual(trusted: Votes, clean: Aggregate) -> Floats:
    """(k,) share of the trusted votes that are wrong, by the class of the row."""
    of_truth = clean.posterior[trusted.row].sum(0)
    right = np.bincount(trusted.label, clean.posterior[trusted.row, trusted.label], len(trusted.classes))
    return np.asarray(np.clip(1 - right / np.maximum(of_truth, 1e-9), 0, 1))


def _turned(back: Votes, label: Int, truth: Floats, method: Method) -> tuple[int, float]:
    """(labels that change, expected rights lost by it)."""
    now = method(back).label
    rows = np.flatnonzero((label >= 0) & (now != label))
    return len(rows), float((truth[rows, label[rows]] - truth[rows, now[rows]]).sum())
