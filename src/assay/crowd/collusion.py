"""A group that errs together: several annotators, or several accounts of one, who give the same wrong labels by arrangement.

Under the null that an annotator judges alone, `collusion` gives each an e-value: P(e >= 1/alpha) <= alpha, as far as
`assay.crowd.expected` predicts honest votes (measured on real crowds in docs/crowd.md). Accused is who has e >= annotators / alpha:
then the chance that anybody honest is accused is at most alpha, under any dependence.

Rows are dealt at random into blocks. From the blocks seen so far a group is proposed: spectral seeds (the leading eigenvectors of
agreement beyond chance), grown and shrunk until nobody joins or leaves. On the next block each annotator bets that they will say what
the rest of that group says where it contradicts the others. The bets are fixed before their rows are looked at, so their
product over blocks is an e-value.

Cannot see: a group that holds the majority of a crowd (then it is the crowd), or that never contradicts; rows where fewer than
MIN_OUTSIDERS others vote say nothing, for between two and one nobody knows who lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse.linalg import eigsh
from scipy.special import logsumexp

from assay.crowd.expected import Bools, Expected, expect
from assay.crowd.pairs import excess
from assay.crowd.votes import Floats, Int, Votes, summed

# What is bet, and on what.
LAMBDAS = np.array([0.15, 0.3, 0.6, 0.9])  # chance of following the group: from now and then to always; each gets a quarter
MIN_OUTSIDERS = 3  # votes by others on a row: fewer cannot show who departs from the truth
LEAST_CHANCE = 0.1  # a vote counts as no more surprising than this: no single row convicts
BLOCKS = 5  # the first teaches, four test
MOST_VOTES = 100_000  # of a larger crowd, rows drawn at random up to so many votes: about a minute on one core
LEAST_MEMBERS = 3  # two who agree are a matter for assay.crowd.copies: honest pairs of one school of thought do too
ORDERS = 2  # random orders of the blocks; the geometric mean of their e-values, which no single lucky order carries
# How a group is looked for.
EIGENVECTORS = 2
SEED_SHARES = (0.05, 0.15)  # of the annotators, those with the largest loadings
MOST_SHARE = 0.4  # of the annotators: a larger group is the crowd
COST = 3.0  # log evidence a member must bring: one annotator in twenty is expected to collude
GROWTH = 8  # rounds of joining and leaving


@dataclass(frozen=True)
class Collusion:
    """`log_e` (a,) against "judges alone"; `accused` (a,); `followed`, `chances` (a,) how often each said what the
    rest of the group said where it contradicts the others, and in how many votes; `targets` the rows on which it does."""

    log_e: Floats
    accused: Bools
    followed: Int
    chances: Int
    targets: Int


def collusion(votes: Votes, rng: np.random.Generator, alpha: float = 0.01) -> Collusion:
    """Who errs together with others. `rng` deals rows into blocks, and draws rows where there are more than MOST_VOTES votes."""
    a = len(votes.annotators)
    drawn = _drawn(votes, rng) if len(votes) > MOST_VOTES else votes
    log_e = np.asarray(np.mean([_order(drawn, rng) for _ in range(ORDERS)], axis=0))  # at most the arithmetic mean's
    accused = log_e >= np.log(a / alpha)
    if accused.sum() < LEAST_MEMBERS:
        accused = np.zeros(a, bool)
    followed, chances = np.zeros(a, np.int64), np.zeros(a, np.int64)
    targets = np.zeros(0, np.int64)
    if accused.any():
        told = expect(votes, accused)
        use = contradictions(told)
        agrees = use & (votes.label == told.voice)
        followed = np.bincount(votes.annotator[agrees], minlength=a)
        chances = np.bincount(votes.annotator[use], minlength=a)
        targets = np.unique(votes.row[agrees & accused[votes.annotator]])
    return Collusion(log_e, accused, followed, chances, targets)


def _drawn(votes: Votes, rng: np.random.Generator) -> Votes:
    """All the votes on rows drawn at random; the other rows are gone."""
    order = rng.permutation(len(votes.rows))
    keep = np.sort(order[np.cumsum(votes.votes_on[order]) <= MOST_VOTES])
    place = np.full(len(votes.rows), -1)
    place[keep] = np.arange(len(keep))
    some = votes.take(place[votes.row] >= 0)
    return replace(some, row=place[some.row], rows=tuple(votes.rows[i] for i in keep.tolist()))


def _order(votes: Votes, rng: np.random.Generator) -> Floats:
    """(a,) log e-values from one random order of the rows."""
    block = rng.permutation(len(votes.rows)) * BLOCKS // max(1, len(votes.rows))
    sums = np.zeros((len(LAMBDAS), len(votes.annotators)))
    free, group = expect(votes), None
    for number in range(1, BLOCKS):
        group = propose(votes, (block < number)[votes.row], free, group)
        if group is not None:
            told = expect(votes, group, free.concentration)
            sums += bets(votes, told, (block == number)[votes.row])
    return np.asarray(logsumexp(sums, axis=0) - np.log(len(LAMBDAS)))


def contradictions(told: Expected) -> Bools:
    """(m,) the votes at which the rest of the group contradicts enough others."""
    return (told.voice >= 0) & (told.voice != told.consensus) & (told.outsiders >= MIN_OUTSIDERS)


def bets(votes: Votes, told: Expected, seen: Bools) -> Floats:
    """(lambdas, a) log wealth of each annotator's bets over the votes `seen` (m,)."""
    use = np.flatnonzero(contradictions(told) & seen)
    chance = np.maximum(told.chance[use, told.voice[use]], LEAST_CHANCE)
    agrees = votes.label[use] == told.voice[use]
    who, a = votes.annotator[use], len(votes.annotators)
    share = told.support[use]
    return np.stack([summed(who, np.log1p(rate * share * (agrees / chance - 1)), a) for rate in LAMBDAS])


def propose(votes: Votes, seen: Bools, free: Expected, known: Bools | None = None) -> Bools | None:
    """(a,) the group that the votes `seen` (m,) show best, None if nobody is worth suspecting. `known` is where to begin: a
    group that fewer votes showed."""
    tried: set[bytes] = set()
    begun = [] if known is None else [known]
    for batch in _seeds(votes, seen, free):
        # what was begun competes with what is seen now: three who happened to agree early must not grow into the honest camp
        found = [_grow(votes, seed, seen, free.concentration, tried) for seed in [*begun, *batch]]
        best = max(found, key=lambda pair: pair[1])
        if best[0] is not None and best[1] > 0:
            return best[0]
        begun = []
    return None


def _seeds(votes: Votes, seen: Bools, free: Expected) -> Iterator[list[Bools]]:
    """For each leading eigenvector of agreement beyond chance, both its ends, cut at several sizes."""
    a = len(votes.annotators)
    agreement = excess(votes.take(seen), free.chance[seen])
    if not agreement.any():
        return
    _, vectors = eigsh(agreement, k=min(EIGENVECTORS, a - 1), which="LA", v0=np.ones(a))
    for vector in vectors.T[::-1]:
        found = []
        for sign in (1, -1):
            loading = sign * vector
            order = np.argsort(-loading, kind="stable")
            for share in SEED_SHARES:
                seed = np.zeros(a, bool)
                seed[order[: max(3, round(share * a))]] = True
                found.append(seed & (loading > 0))
        yield found


def _grow(votes: Votes, group: Bools, seen: Bools, concentration: float, tried: set[bytes]) -> tuple[Bools | None, float]:
    """The group once nobody joins or leaves, and its members' evidence beyond what they cost."""
    most = MOST_SHARE * len(votes.annotators)
    for _ in range(GROWTH):
        if group.sum() < 2 or group.sum() > most or group.tobytes() in tried:
            return None, -np.inf
        tried.add(group.tobytes())
        told = expect(votes, group, concentration)
        log_e = logsumexp(bets(votes, told, seen), axis=0) - np.log(len(LAMBDAS))
        now = log_e > COST
        if (now == group).all() and _minority(votes, told, seen):
            return group, float((log_e[group] - COST).sum())
        group = now
    return None, -np.inf


def _minority(votes: Votes, told: Expected, seen: Bools) -> bool:
    """Whether fewer annotators side with the group, where it contradicts, than against it: of two camps that contradict
    each other on the same rows nothing else tells which is the honest one."""
    use = (told.voice >= 0) & (told.voice != told.consensus) & seen
    sides, a = np.where(votes.label == told.voice, 1.0, -1.0) * use, len(votes.annotators)
    balance = summed(votes.annotator, sides, a)
    return int((balance > 0).sum()) < int((balance < 0).sum())
