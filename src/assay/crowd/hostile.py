"""Who cannot be trusted: every test of annotators, in order, with what each accusation rests on.

Groups come first: while one stands in the crowd, the honest look wrong on its rows. Then spammers, adversaries and sleepers among
the others, then pairs who are one. For the nulls stated in each module and under any dependence, the chance that anybody honest is
accused of colluding is at most `alpha`, and each other test's false discovery rate over all annotators: e-BH for e-values,
Benjamini-Yekutieli (2001) for p-values.

An accusation is not a proof of intent: a misread guideline, two labels swapped or a broken tool look the same. It says whose votes
to leave out until somebody has asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from assay.crowd.aggregate import Aggregate
from assay.crowd.collusion import MOST_VOTES, Collusion, collusion
from assay.crowd.copies import MOST_ANNOTATORS, copies
from assay.crowd.damage import Damage, damage
from assay.crowd.dawid_skene import dawid_skene
from assay.crowd.expected import Bools, Expected, expect, from_known
from assay.crowd.singles import adversaries, guesses, sleepers, spammers, usable
from assay.crowd.votes import Floats, Int, Votes
from assay.finding import Check
from assay.stats.multiple import bh

Kind = Literal["colluder", "spammer", "adversary", "sleeper", "copy-cat", "second account"]


@dataclass(frozen=True)
class Accusation:
    """One annotator, what they are taken for, and why. `p_value` is 1/e where the test gives an e-value."""

    annotator: int
    kind: Kind
    p_value: float
    evidence: str
    partners: tuple[int, ...] = ()  # the rest of a group, or the one copied
    rows: tuple[int, ...] = ()  # on which it shows: where a group contradicts the others
    since: float | None = None  # of a sleeper: the moment after which


@dataclass(frozen=True)
class Hostile:
    """Everybody accused, strongest first; the checks; `changed` is how many labels change when the accused are left out; `damage` of
    each unit of blame, a group being one, the strongest accusation's first."""

    accusations: tuple[Accusation, ...]
    checks: tuple[Check, ...]
    changed: int
    damage: tuple[Damage, ...] = ()

    @property
    def accused(self) -> Int:
        """Annotators, sorted."""
        return np.unique(np.array([a.annotator for a in self.accusations], np.int64))


def hostile(votes: Votes, rng: np.random.Generator, alpha: float = 0.01, known: Int | None = None) -> Hostile:
    """Tests every annotator in every way that the votes allow; what does not apply is listed with its reason.

    `known` (n,) are the classes of rows whose answer is known, -1 elsewhere. Against them everybody is tested too. Where they show that the
    crowd concludes what is wrong more often than not, or that an accused group is the one that is right, the crowd accuses nobody.
    """
    made: list[Accusation] = []
    checks: list[Check] = []

    def run(name: str, reason: str, test: Callable[[], list[Accusation]]) -> None:
        if reason:
            checks.append(Check(name, "not_applicable", reason))
            return
        began = time.perf_counter()
        found = test()
        made.extend(found)
        sampled = f", on {MOST_VOTES:,} of the votes" if name == "collusion" and len(votes) > MOST_VOTES else ""
        said = f"{len(found)} of {len(votes.annotators):,} annotators{sampled}"
        checks.append(Check(name, "ran", said, time.perf_counter() - began))

    few = "" if (votes.votes_on >= 3).any() else "no row has three votes: nobody can be outvoted"
    everybody = cache(lambda: dawid_skene(votes))
    few = few or _refuted(everybody, known)
    run("collusion", few, lambda: _colluders(votes, collusion(votes, rng, alpha)))
    if known is not None and not few and _group_is_right(votes, known, _mark(votes, made)):
        few = "an accused group is right on the known answers where it contradicts the others"
        made.clear()
        checks[-1] = Check("collusion", "not_applicable", few)
    group = _mark(votes, made)
    told = expect(votes, group) if not few else None
    run("spammers", few, lambda: _low(votes, _have(told), "spammer", spammers(votes, _have(told)), alpha, ~group))
    run("adversaries", few, lambda: _low(votes, _have(told), "adversary", adversaries(votes, _have(told)), alpha, ~group))
    timeless = few or ("" if votes.time is not None else "the votes have no times")
    caught = _mark(votes, made)
    run("sleepers", timeless, lambda: _sleepers(votes, _have(told), alpha, ~caught))
    crowded = few or ("" if len(votes.annotators) <= MOST_ANNOTATORS else f"more than {MOST_ANNOTATORS:,} annotators")
    run("copies", crowded, lambda: _copies(votes, _have(told), alpha, ~group))
    if known is not None:
        run("known answers", "", lambda: _against_known(votes, known, alpha, ~_mark(votes, made)))
    made.sort(key=lambda accusation: accusation.p_value)
    rest = votes.take(~_mark(votes, made)[votes.annotator])
    clean = dawid_skene(rest) if made and len(rest) else None
    harm = damage(votes, _units(made), clean)
    changed = 0 if clean is None else _changed(everybody, clean, harm)
    return Hostile(tuple(made), tuple(checks), changed, tuple(found for found in harm if found is not None))


def _units(made: list[Accusation]) -> list[tuple[int, ...]]:
    """Who is blamed together: colluders as one, everybody else alone, each once."""
    units: list[tuple[int, ...]] = []
    for accusation in made:
        together = accusation.partners if accusation.kind == "colluder" else ()
        unit = tuple(sorted((accusation.annotator, *together)))
        if unit not in units and not any(accusation.annotator in other for other in units):
            units.append(unit)
    return units


def _have(told: Expected | None) -> Expected:
    assert told is not None
    return told


def _mark(votes: Votes, made: list[Accusation]) -> Bools:
    marked = np.zeros(len(votes.annotators), bool)
    marked[[accusation.annotator for accusation in made]] = True
    return marked


def by(p: Floats, alpha: float) -> Bools:
    """(n,) which p-values Benjamini-Yekutieli rejects at level `alpha`, whatever their dependence.

    >>> by(np.array([1e-6, 0.01, 0.5]), 0.01)
    array([ True, False, False])
    """
    return np.asarray(bh(p, alpha / (1 / np.arange(1, len(p) + 1)).sum()))


def _colluders(votes: Votes, found: Collusion) -> list[Accusation]:
    members = np.flatnonzero(found.accused)
    made = []
    for who in members.tolist():
        mine = np.intersect1d(found.targets, votes.row[votes.annotator == who])
        made.append(
            Accusation(
                who,
                "colluder",
                float(np.exp(-max(found.log_e[who], 0.0))),
                f"on {found.chances[who]:,} rows where the rest of a group of {len(members)} contradicts the others, says what the group "
                f"says {found.followed[who]:,} times",
                tuple(m for m in members.tolist() if m != who),
                tuple(mine.tolist()),
            )
        )
    return made


def _refuted(everybody: Callable[[], Aggregate], known: Int | None) -> str:
    """The reason why this crowd can accuse nobody: what it concludes is mostly wrong; empty where it is not."""
    if known is None:
        return ""
    label = everybody().label
    rows = np.flatnonzero((known >= 0) & (label >= 0))
    right = int((label[rows] == known[rows]).sum())
    return f"the crowd is right on {right:,} of {len(rows):,} known answers only" if 2 * right < len(rows) else ""


def _group_is_right(votes: Votes, known: Int, group: Bools) -> bool:
    """Whether a group's members are right more often than the others conclude it, on known answers where they contradict them."""
    if not group.any():
        return False
    told, truth = expect(votes, group), known[votes.row]
    use = group[votes.annotator] & (truth >= 0) & (votes.label != told.consensus) & (told.outsiders > 0)
    return int((votes.label[use] == truth[use]).sum()) > int((told.consensus[use] == truth[use]).sum())


def _against_known(votes: Votes, known: Int, alpha: float, eligible: Bools) -> list[Accusation]:
    """The tests of spammers and adversaries with known answers in the place of what the others conclude; half of alpha each."""
    told = from_known(votes, known)
    worse = _low(votes, told, "adversary", adversaries(votes, told), alpha / 2, eligible, "the known answers")
    rest = eligible & ~_mark(votes, worse)
    return worse + _low(votes, told, "spammer", spammers(votes, told), alpha / 2, rest, "the known answers")


def _low(
    votes: Votes, told: Expected, kind: Kind, p: Floats, alpha: float, eligible: Bools, beside: str = "the others"
) -> list[Accusation]:
    convicted = np.flatnonzero(by(np.where(eligible, p, 1.0), alpha))
    guess, use, agrees = guesses(votes, told), usable(told), votes.label == told.consensus
    made = []
    for who in convicted.tolist():
        mine = use & (votes.annotator == who)
        made.append(
            Accusation(
                who,
                kind,
                float(p[who]),
                f"agrees with {beside} on {agrees[mine].mean():.0%} of {mine.sum():,} rows; guessing by the same habit would on "
                f"{guess[mine].mean():.0%}, an average annotator on {told.typical[mine, told.consensus[mine]].mean():.0%}",
            )
        )
    return made


def _sleepers(votes: Votes, told: Expected, alpha: float, eligible: Bools) -> list[Accusation]:
    assert votes.time is not None
    p, moment = sleepers(votes, told)
    use, agrees = usable(told), votes.label == told.consensus
    made = []
    for who in np.flatnonzero(by(np.where(eligible, p, 1.0), alpha)).tolist():
        mine = use & (votes.annotator == who)
        before, after = mine & (votes.time < moment[who]), mine & (votes.time >= moment[who])
        made.append(
            Accusation(
                who,
                "sleeper",
                float(p[who]),
                f"agrees with the others on {agrees[before].mean():.0%} of the first {before.sum():,} rows and on "
                f"{agrees[after].mean():.0%} of the {after.sum():,} since",
                since=float(moment[who]),
            )
        )
    return made


def _copies(votes: Votes, told: Expected, alpha: float, eligible: Bools) -> list[Accusation]:
    found = copies(votes, told, alpha)
    made = []
    for who in np.flatnonzero(found.accused & eligible).tolist():
        partner = int(found.partner[who])
        kind: Kind = "copy-cat" if found.later[who] else "second account"
        order = "and says it later" if found.later[who] else "who of the two was first is not known"
        made.append(
            Accusation(
                who,
                kind,
                float(np.exp(-max(found.log_e[who], 0.0))),
                f"says what {votes.annotators[partner]!r} says on {found.same[who]:,} of {found.shared[who]:,} rows, where others differ "
                f"too; {order}",
                (partner,),
            )
        )
    return made


def _changed(everybody: Callable[[], Aggregate], clean: Aggregate, harm: Sequence[Damage | None]) -> int:
    """How many labels are others without the accused."""
    if len(harm) == 1 and harm[0] is not None:
        return harm[0].turned  # who is let back in alone makes the crowd whole
    before, after = everybody().label, clean.label
    return int(((before != after) & (after >= 0)).sum())
