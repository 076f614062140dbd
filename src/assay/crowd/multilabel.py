"""Several labels a row: one crowd of yes and no for each label, over the same rows and annotators.

A vote is a set of labels, and says yes or no to each. Each label is aggregated on its own, so that an annotator may be good at one and
bad at another, and a set that nobody gave as a whole may come out. Annotators are tested on each label at alpha over the number of
labels, and accused if any of them accuses: the chance that anybody honest is accused of colluding stays at most alpha, and the rate of
false discoveries of each other test, whatever the dependence between labels.

Cannot see: that labels exclude or imply one another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from assay.crowd.aggregate import Aggregate, Method
from assay.crowd.damage import Damage
from assay.crowd.disputes import Disputes, disputes
from assay.crowd.hostile import Accusation, Hostile, hostile
from assay.crowd.sets import members
from assay.crowd.votes import Floats, Int, Votes
from assay.dataset.errors import DataError
from assay.dataset.labels import JOIN, NO_LABEL
from assay.finding import Check

ANSWERS = ("no", "yes")


@dataclass(frozen=True)
class Labels:
    """What a crowd says of n rows and k labels. `votes` have a class for each set; `each` is one aggregate of no and yes a label."""

    votes: Votes
    names: tuple[str, ...]
    each: tuple[Aggregate, ...]

    @cached_property
    def posterior(self) -> Floats:
        """(n, k) chance that the row has the label."""
        return np.stack([found.posterior[:, 1] for found in self.each], axis=1)

    @cached_property
    def holds(self) -> NDArray[np.bool_]:
        """(n, k) which labels each row has; none for rows without votes."""
        return np.stack([found.label == 1 for found in self.each], axis=1)

    @cached_property
    def confidence(self) -> Floats:
        """(n,) the chance that the whole set is right, were the labels independent of one another."""
        return np.asarray(np.prod(np.maximum(self.posterior, 1 - self.posterior), axis=1))

    @property
    def method(self) -> str:
        return self.each[0].method

    @property
    def rounds(self) -> int:
        return max(found.rounds for found in self.each)

    def confusion(self) -> Floats:
        """(a, k, 2, 2) for each annotator and label: no and yes by what was said."""
        return np.stack([found.confusion() for found in self.each], axis=1)

    def reliability(self) -> dict[str, float]:
        """Krippendorff's alpha of the answers to each label."""
        return {name: found.reliability()["nominal"] for name, found in zip(self.names, self.each, strict=True)}

    @cached_property
    def skill(self) -> Floats:
        """(a,) expected share of right answers over all labels; NaN for whoever gave no vote."""
        return np.asarray(np.mean([found.skill for found in self.each], axis=0))

    def text(self) -> list[str | None]:
        """(n,) the labels of each row, joined as data sets of several labels have them; None without votes."""
        return [
            (JOIN.join(name for name, has in zip(self.names, row, strict=True) if has) or NO_LABEL) if voted else None
            for row, voted in zip(self.holds.tolist(), (self.votes.votes_on > 0).tolist(), strict=True)
        ]


def yes_or_no(votes: Votes) -> tuple[tuple[str, ...], list[Votes]]:
    """(names of the labels, for each the votes on it as no and yes).

    >>> from assay.crowd.votes import from_arrays
    >>> names, parts = yes_or_no(from_arrays([0, 0], ["x", "y"], ["a", "a + b"]))
    >>> names, [part.label.tolist() for part in parts]
    (('a', 'b'), [[1, 1], [0, 1]])
    """
    holds, names = members(votes.classes)
    if not names:
        raise DataError("no vote gives any label", remedy="check the column of labels (--label)")
    return names, [
        replace(votes, label=holds[votes.label, place].astype(np.int64), classes=ANSWERS, notes=()) for place in range(len(names))
    ]


def aggregate(votes: Votes, method: Method) -> Labels:
    """Each label by `method`, on its own."""
    names, parts = yes_or_no(votes)
    return Labels(votes, names, tuple(method(part) for part in parts))


def hostile_labels(votes: Votes, rng: np.random.Generator, alpha: float = 0.01) -> Hostile:
    """Every test of `assay.crowd.hostile` on every label. p-values are times the number of labels."""
    names, parts = yes_or_no(votes)
    found = [hostile(part, rng, alpha / len(names)) for part in parts]
    made: dict[tuple[int, str], Accusation] = {}
    for name, one in zip(names, found, strict=True):
        for a in one.accusations:
            p = min(1.0, a.p_value * len(names))
            before = made.get((a.annotator, a.kind))
            rows = a.rows if before is None else tuple(sorted({*before.rows, *a.rows}))
            strongest = before if before is not None and before.p_value <= p else replace(a, p_value=p, evidence=f"{name!r}: {a.evidence}")
            made[a.annotator, a.kind] = replace(strongest, rows=rows)
    accusations = tuple(sorted(made.values(), key=lambda a: a.p_value))
    checks = tuple(_over_labels([one.checks[place] for one in found], names) for place in range(len(found[0].checks)))
    return Hostile(accusations, checks, sum(one.changed for one in found), _added([unit for one in found for unit in one.damage]))


def _over_labels(checks: list[Check], names: tuple[str, ...]) -> Check:
    ran = [check for check in checks if check.state == "ran"]
    if not ran:
        return checks[0]
    return Check(ran[0].name, "ran", f"over {len(ran)} of {len(names)} labels", sum(check.seconds for check in ran))


def _added(units: list[Damage]) -> tuple[Damage, ...]:
    """The damage of the same people over all the labels that accuse them."""
    total: dict[tuple[int, ...], Damage] = {}
    for unit in units:
        one = total.get(unit.annotators)
        total[unit.annotators] = unit if one is None else _sum(one, unit)
    return tuple(total.values())


def _sum(one: Damage, other: Damage) -> Damage:
    return Damage(
        annotators=one.annotators,
        votes=one.votes + other.votes,
        wrong=one.wrong + other.wrong,
        usual=one.usual + other.usual,
        turned=one.turned + other.turned,
        spoiled=one.spoiled + other.spoiled,
        turned_counting=one.turned_counting + other.turned_counting,
        spoiled_counting=one.spoiled_counting + other.spoiled_counting,
    )


@dataclass(frozen=True)
class Open:
    """The disputed rows of a crowd of several labels: of each row the label that is least sure. `row` (d,) sorted."""

    row: Int
    reading: tuple[str, ...]
    chance: Floats
    evidence: tuple[str, ...]
    confused: tuple[tuple[int, int], ...] = ()  # no pair of sets is read as left open by the guideline

    def __len__(self) -> int:
        return len(self.row)


def disputed_labels(found: Labels, votes: Votes, accused: Hostile) -> Open:
    """Why annotators disagree on each row, read on the disputed label whose answer is least sure."""
    _, parts = yes_or_no(votes)
    read: list[Disputes] = [disputes(one, part, accused) for one, part in zip(found.each, parts, strict=True)]
    best: dict[int, tuple[float, int, int]] = {}
    for label, (one, made) in enumerate(zip(found.each, read, strict=True)):
        for place, row in enumerate(made.row.tolist()):
            best[row] = min(best.get(row, (2.0, 0, 0)), (float(one.confidence[row]), label, place))
    order = sorted(best)
    chosen = [(best[row][1], best[row][2]) for row in order]
    return Open(
        row=np.array(order, np.int64),
        reading=tuple(read[label].reading[place] for label, place in chosen),
        chance=np.array([read[label].chance[place] for label, place in chosen], float),
        evidence=tuple(f"{found.names[label]!r}: {read[label].evidence[place]}" for label, place in chosen),
    )
