"""The two trials that convict: surprise and contradiction.

Either alone convicts clean data (every natural good word moves the label); both together do not, as measured. An artefact's
evidence is the *lesser* of the two e-values, averaged over the targets it could have and over "one target" and "any wrong label":
an average of e-values is an e-value, and the minimum of two is one too, so e-BH may pool the result with every other family.

*Surprise* asks: with the artefact removed, are the carriers' labels unlikely? Of texts it is asked twice, by what the probe states and by
how many of the other rows that say as much have the label (`assay.trial.foreseen`), and the lesser counts. *Contradiction* asks: among
rows of one label, does the carriers' remaining content support that label less than the other rows' does, each with its own most
supporting part removed? It cannot see poison whose labels agree with the content (clean-label).

*Belonging* acquits: where most carriers plainly are what their label says, the artefact is a natural one that the probe underrates,
unless *two kinds* shows it is not (`assay.stats.two_kinds`): a trigger in rows of any class has carriers that are just like the label's
other rows and carriers that are strangers among them; a natural kind stands lower as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import chi2

from assay.finding import TrialResult
from assay.mine.candidate import Candidate
from assay.stats.poisson_binomial import upper_tail
from assay.stats.ranks import KAPPAS, log_mixture, log_order_ratios, stands_low
from assay.stats.two_kinds import ENOUGH, two_kinds
from assay.trial.accused import accused
from assay.trial.family import Tried

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

PURITY = 0.95  # the share of carriers that an attacker's target takes, in the alternative of surprise
PLANTED = np.array([0.25, 0.5, 1.0])  # share of carriers that are, where natural or cover rows are among them: bet on alike
HIDDEN = 0.05  # of what is bet on a target of phrases and cells: on an attacker's cover rows. It costs a pure trigger .05 nats, others 3
FLOOR = 0.005  # no probe is trusted to be surer than this: bounds what one row can say to log(.95 / .005)
STRANGE = 0.9  # quantile of other labels' rows: a carrier above it is no more like them than one in ten of them is
MISTAKEN = 0.1  # of other labels' rows that may be this label's, wrongly labelled: 5 % wrong labels, of two the one twice the other
ALIKE = 0.5  # share of carriers above that quantile from which they must be of two kinds: poison taken from other labels has about 0.1
FEW = 20  # other rows of a label, below which their ranks can hardly convict anybody: of ten, 20 strangers give e^14 at the very best
NOMINATE = np.log(100.0)  # surprise alone at least this: worth naming as a natural shortcut


@dataclass(frozen=True)
class Surprise:
    """Natural logs of e-values against "the labels are drawn from what the rest of the content says"."""

    log_e_targeted: Floats  # (k,) for each target
    log_e_untargeted: float

    @property
    def target(self) -> int:
        return int(self.log_e_targeted.argmax())


@dataclass(frozen=True)
class Contradiction:
    """Natural log of an e-value, and a p-value, against "the carriers are like the other rows of their label"."""

    log_e: float
    p_value: float


def clip_probabilities(p: Floats) -> Floats:
    """(m, k) probabilities no surer than `FLOOR` allows, rows summing to 1."""
    p = np.clip(p, FLOOR, 1.0)
    return p / p.sum(-1, keepdims=True)


def surprise(p: Floats, y: Int, votes: Floats | None = None, covered: bool = False) -> Surprise:
    """Surprise of labels `y` (m,) under out-of-fold probabilities `p` (m, k) of the carriers with the artefact removed.

    `votes` (m,) at most 1 each: near-duplicates share one vote. A vote below 1 takes a power of a likelihood ratio, which stays an
    e-value. With `covered` the alternative is a mixture over `PLANTED`: an attacker may lay an artefact over rows that keep their label
    too, and by what is bet on a pure target each of them speaks as loudly for a clean set as a planted one does against it.
    """
    p = clip_probabilities(p)
    k, own = p.shape[1], p[np.arange(len(y)), y]
    votes = np.ones(len(y)) if votes is None else votes
    wrong = y != p.argmax(1)
    untargeted = np.where(wrong, PURITY / (1 - p.max(1)) + (1 - PURITY), 1 - PURITY)
    if covered:
        aimed = (np.where(y == t, PURITY, (1 - PURITY) / max(k - 1, 1)) / own for t in range(k))
        return Surprise(np.array([_bet(ratio, votes) for ratio in aimed]), _bet(untargeted, votes))
    counts = np.bincount(y, votes, minlength=k)
    targeted = -(votes * np.log(own)).sum() + counts * np.log(PURITY) + (counts.sum() - counts) * np.log((1 - PURITY) / max(k - 1, 1))
    return Surprise(targeted, float((votes * np.log(untargeted)).sum()))


def _bet(ratio: Floats, votes: Floats, parts: Floats = PLANTED) -> float:
    """The log e-value of likelihood ratios (m,) of which a share of the rows, each of `parts` alike, has any part."""
    return float(logsumexp(np.log1p(parts[:, None] * (ratio - 1)) @ votes) - np.log(len(parts)))


def covered_surprise(p: Floats, y: Int, votes: Floats) -> Floats:
    """(k,) natural logs of the targeted e-values of `surprise`, if some of the carriers keep their label: `PLANTED` but the whole."""
    p = clip_probabilities(p)
    k, own = p.shape[1], p[np.arange(len(y)), y]
    return np.array([_bet(np.where(y == t, PURITY, (1 - PURITY) / max(k - 1, 1)) / own, votes, PLANTED[:-1]) for t in range(k)])


def checked_surprise(p: Floats, y: Int, checked: Callable[[int], Floats], votes: Floats | None = None) -> Surprise:
    """Surprise under what other rows that say as much make of it, where that is likelier than what the probe states.

    `checked(t)` (m,): how likely that is to be label t (`assay.trial.foreseen`). Untargeted, every label but the likeliest is as likely as
    that, all together. The alternative is a mixture over `PLANTED`: of a common word some carriers are natural.
    """
    p = clip_probabilities(p)
    k, own = p.shape[1], p[np.arange(len(y)), y]
    votes = np.ones(len(y)) if votes is None else votes
    shares = np.stack([np.maximum(p[:, t], np.minimum(checked(t), 1 - FLOOR)) for t in range(k)], 1)
    targeted = np.empty(k)
    for t in range(k):
        left = own * (1 - shares[:, t]) / (1 - p[:, t])
        targeted[t] = _bet(np.where(y == t, PURITY / shares[:, t], (1 - PURITY) / max(k - 1, 1) / left), votes)
    likeliest = p.argmax(1)
    another = np.minimum(shares.sum(1) - shares[np.arange(len(y)), likeliest], 1 - FLOOR)
    return Surprise(targeted, _bet(np.where(y != likeliest, PURITY / another + 1 - PURITY, 1 - PURITY), votes))


def contradiction(carriers: Floats, others: Floats, votes: Floats | None = None) -> Contradiction:
    """Whether `carriers` (a,), their support for their own label with the artefact removed, stand low among `others` (b,).

    `others`: support for the same label in the other rows of that label, each with its own most supporting part removed. `votes` as in
    `surprise`; the e-value is raised to their mean.
    """
    if not len(carriers) or not len(others):
        return Contradiction(0.0, 1.0)
    weight = 1.0 if votes is None else float(votes.mean())
    log_e = weight * float(log_mixture(log_order_ratios(carriers, others)))
    return Contradiction(log_e, stands_low(carriers, others))


def pooled_contradiction(p: Floats, y: Int, others: Callable[[int], Floats], votes: Floats | None = None) -> Contradiction:
    """Contradiction over carriers of any label, each ranked among the other rows of its own label (all-to-all, untargeted).

    Given the labels the classes are independent, so their likelihood ratios multiply; the p-value is Fisher's combination.
    """
    weight = 1.0 if votes is None else float(votes.mean())
    sums, logs = np.zeros(len(KAPPAS)), []
    for label in np.unique(y):
        mine, reference = p[y == label, label], others(int(label))
        if len(reference):
            sums = sums + log_order_ratios(mine, reference)
            logs.append(np.log(max(stands_low(mine, reference), 1e-300)))
    if not logs:
        return Contradiction(0.0, 1.0)
    return Contradiction(weight * float(log_mixture(sums)), float(chi2.sf(-2 * sum(logs), 2 * len(logs))))


def _of_any_label(p: Floats, y: Int, others: Callable[[int], Floats], votes: Floats, asked: Mapping[int, Contradiction]) -> Contradiction:
    """`pooled_contradiction`; where one label has most of the carriers, no more than that label's own, which may have been `asked`.

    What most of them have by nature (a slanted stroke, in ones) takes the meaning of the few others with it when it is taken out: of clean
    MNIST 386 ones with 20 other digits were convicted by the 20.
    """
    pooled = pooled_contradiction(p, y, others, votes)
    main = int(np.bincount(y).argmax())
    mine = y == main
    if 2 * mine.sum() <= len(y):
        return pooled
    own = asked.get(main) or contradiction(p[mine, main], others(main), votes[mine])
    return min(pooled, own, key=lambda c: c.log_e)


def belonging(own: Floats, strangers: Floats) -> Floats:
    """(m,) the share of `strangers` (c,), rows of other labels, that support a label less than `own` (m,) do.

    >>> belonging(np.array([0.1, 0.9]), np.array([0.2, 0.3, 0.4, 0.5])).tolist()
    [0.0, 1.0]
    """
    return np.asarray(np.searchsorted(np.sort(strangers), own) / max(len(strangers), 1))


def unlike_ordinary(own: Floats, strangers: Floats, ordinary: Floats, votes: Floats | None = None) -> Contradiction:
    """Whether carriers stand above strangers less than ordinary rows do, each for its own label.

    `own` (m,): their support for one label; `strangers` as in `strangers_share`; `ordinary` (b,): `belonging` of rows of any label. Against
    a broader null than contradiction's: that labels are alike in how far their rows stand above strangers.
    """
    return contradiction(belonging(own, strangers), ordinary, votes)


def _either(a: Contradiction, b: Contradiction) -> Contradiction:
    """The mean of two e-values; twice the lesser p-value."""
    return Contradiction(float(np.logaddexp(a.log_e, b.log_e) - np.log(2)), min(1.0, 2 * min(a.p_value, b.p_value)))


def strangers_share(p: Floats, y: Int, strangers: Callable[[int], Floats], others: Callable[[int], Floats]) -> float:
    """Share of carriers that support their own label more than nine in ten rows of *other* labels do, and than its base rate.

    Where a probe is very sure, a natural artefact's carriers may stand low among their label's rows and still plainly belong to it.
    `strangers(t)` (c,) is the support for t of the rows that are not labelled t, as they are; `others` as in `judge`. Below the base rate
    the content speaks against the label, wherever a very sure probe puts the rows of other labels. Those of them that support this label
    more than half of its own rows do are taken for its own, wrongly labelled, up to `MISTAKEN` of them.
    """
    above = 0
    for label in np.unique(y):
        above += int(_belong(p[y == label, label], strangers(int(label)), others(int(label))).sum())
    return above / max(len(y), 1)


def _belong(own: Floats, strangers: Floats, ordinary: Floats) -> NDArray[np.bool_]:
    """(m,) which carriers, of one label, support it more than nine in ten strangers do and than its base rate."""
    base = len(ordinary) / max(len(ordinary) + len(strangers), 1)
    return own > max(_strange(np.sort(strangers), ordinary), base) if len(strangers) else np.zeros(len(own), bool)


def _strange(strangers: Floats, ordinary: Floats) -> float:
    """The support that nine in ten `strangers` (c,), ascending, stay below, without those that may belong to the `ordinary` (b,)."""
    count = len(strangers)
    like = count - int(np.searchsorted(strangers, np.median(ordinary), side="right")) if len(ordinary) else 0
    return float(np.quantile(strangers[: count - min(like, int(MISTAKEN * count))], STRANGE))


def unlike_covers(p: Floats, y: Int, target: int, others: Callable[[int], Floats], votes: Floats) -> Contradiction:
    """Whether the target's carriers stand lower in their label than the carriers of other labels do in theirs, by rank; as in `judge`.

    Against "what they share says little of any label": a teaser's dots, a form. Cover rows are rows like any, and stand as others do.
    """
    ranks = np.ones(len(y))
    for label in np.unique(y):
        ranks[y == label] = belonging(p[y == label, label], others(int(label)))
    return contradiction(ranks[y == target], ranks[y != target], votes[y == target])


def _unlike_covers(
    p: Floats, y: Int, target: int, others: Callable[[int], Floats], strangers: Callable[[int], Floats], votes: Floats
) -> float:
    """Log e-value of `unlike_covers`; nothing is won where most of the target's carriers belong to it."""
    mine = y == target
    share = strangers_share(p[mine], y[mine], strangers, others)
    return -np.inf if share > ALIKE else unlike_covers(p, y, target, others, votes).log_e


def combine(targeted: Floats, untargeted: float) -> float:
    """Log e-value of one artefact: the mean over "some one target" (itself a mean over targets) and "any wrong label"."""
    some_target = float(logsumexp(targeted) - np.log(len(targeted)))
    return float(np.logaddexp(some_target, untargeted) - np.log(2))


def _of_two_kinds(log_e: float) -> TrialResult:
    if not np.isfinite(log_e):
        few = f"the label, or the others together, have fewer than {ENOUGH} rows to compare the carriers with"
        return TrialResult("two kinds", "not_applicable", detail=few)
    said = (
        "some carriers are just like their label's other rows and some are strangers: a trigger put into rows of any class"
        if log_e > 0
        else "they stand lower among their label's other rows as a whole, as a natural kind does"
    )
    return TrialResult("two kinds", "ran", log_e, float(np.exp(-max(log_e, 0.0))), said)


def _of_rows_alike(log_e: float) -> TrialResult:
    said = (
        "of other rows that say as much, each without its most telling part, far fewer have the label"
        if log_e > 0
        else "of other rows that say as much, each without its most telling part, about as many have the label"
    )
    return TrialResult("rows alike", "ran", log_e, float(np.exp(-max(log_e, 0.0))), said)


def judge(
    candidate: Candidate,
    p_removed: Floats,
    y: Int,
    others: Callable[[int], Floats],
    *,
    strangers: Callable[[int], Floats] | None = None,
    ordinary: Callable[[], Floats] | None = None,
    votes: Floats | None = None,
    checked: Callable[[int], Floats] | None = None,
    odds: Callable[[int], float] | None = None,
    family_key: str | None = None,
    lenient: bool = False,
    covered: bool = False,
    hidden: float = 0.0,
) -> Tried:
    """Put one candidate through both trials.

    `p_removed` (m, k) and `y` (m,) are the carriers' out-of-fold probabilities with the artefact removed, and their labels;
    `others(t)` (b,) is the support for t of the other rows labelled t, each with its own most t-supporting part of the same size
    removed. Only targets whose surprise speaks for them are tried (the rest count as e = 0, which only loses power). With `strangers`
    (see `strangers_share`), carriers that plainly belong to their label acquit the artefact, however low they stand in it, but for what
    `two_kinds` says: the evidence is then the least of three e-values (`Tried.odd` are the carriers that do not belong). A `lenient` trial
    acquits them whatever that says: of a group that was left out of what the probe learnt, with no artefact to take out, a natural one
    may be known in part. With `checked` (see `checked_surprise`) surprise is asked again of what rows say that have lost as much, and the
    lesser counts. With `covered` (see `surprise`) a share of the carriers may keep their label; so with `hidden`, the part of the bet
    that is on cover rows: what that part wins is the least of three, `unlike_covers` too, and nothing where the target's carriers belong.
    With `ordinary` too (see `unlike_ordinary`), a label with few other rows is helped out by the rows of all labels. `odds` as in
    `accused`.
    """
    k = p_removed.shape[1]
    asked = surprise(p_removed, y, votes, covered)
    weights = np.ones(len(y)) if votes is None else votes
    targeted = np.full(k, -np.inf)
    trials: dict[int, Contradiction] = {}
    mixed = covered_surprise(p_removed, y, weights) if hidden else targeted.copy()
    for t in np.flatnonzero(np.maximum(asked.log_e_targeted, mixed) > 0):
        mine = y == t
        reference = others(int(t))
        trials[int(t)] = contradiction(p_removed[mine, t], reference, weights[mine])
        if len(reference) < FEW and strangers is not None and ordinary is not None:
            broad = unlike_ordinary(p_removed[mine, t], strangers(int(t)), ordinary(), weights[mine])
            trials[int(t)] = _either(trials[int(t)], broad)
        targeted[t] = min(asked.log_e_targeted[t], trials[int(t)].log_e) + np.log1p(-hidden)
        won = min(mixed[t], trials[int(t)].log_e)
        if hidden and won > -np.log(hidden) and strangers is not None:
            won = min(won, _unlike_covers(p_removed, y, int(t), others, strangers, weights))
            targeted[t] = np.logaddexp(targeted[t], np.log(hidden) + won)
    if hidden:
        asked = replace(asked, log_e_targeted=np.maximum(asked.log_e_targeted, np.log(hidden) + mixed))
    any_wrong = -np.inf
    pooled: Contradiction | None = None
    if asked.log_e_untargeted > 0:
        pooled = _of_any_label(p_removed, y, others, weights, trials)
        any_wrong = min(asked.log_e_untargeted, pooled.log_e)
    again = None
    if checked is not None and max(targeted.max(), any_wrong) > 0:
        again = checked_surprise(p_removed, y, checked, votes)
        targeted, any_wrong = np.minimum(targeted, again.log_e_targeted), min(any_wrong, again.log_e_untargeted)
    best = int(targeted.argmax())
    least = any_wrong + np.log1p(-hidden) - 1e-9  # the part that is not bet on cover rows: one label's carriers say as much either way
    aimed = targeted[best] >= least or not np.isfinite(any_wrong)
    target = best if aimed and np.isfinite(targeted[best]) else (asked.target if aimed else None)
    verdict = trials.get(best) if aimed else pooled
    log_surprise = float(asked.log_e_targeted[target]) if target is not None else asked.log_e_untargeted
    chance = clip_probabilities(p_removed)[:, target] if target is not None else 1 - clip_probabilities(p_removed).max(1)
    hits = int((y == target).sum()) if target is not None else int((y != p_removed.argmax(1)).sum())
    p_surprise = upper_tail(chance, hits)
    p_contradiction = verdict.p_value if verdict else 1.0
    log_contradiction = verdict.log_e if verdict else 0.0
    results: tuple[TrialResult, ...] = (
        TrialResult(
            "surprise",
            "ran",
            log_surprise,
            p_surprise,
            f"{hits} of {len(y)} carriers have the label; the rest of their content foresees {chance.sum():.1f}",
        ),
        TrialResult(
            "contradiction",
            "ran",
            log_contradiction,
            p_contradiction,
            "without it the carriers look less like their label than its other rows do"
            if log_contradiction > 0
            else "without it the carriers look as much like their label as its other rows do",
        ),
    )
    if again is not None:
        log_again = float(again.log_e_targeted[target]) if target is not None else again.log_e_untargeted
        results = (*results, _of_rows_alike(log_again))
    odd = None
    log_e = combine(targeted, any_wrong) if np.isfinite(max(targeted.max(), any_wrong)) else -np.inf
    p_value = max(p_surprise, p_contradiction, *(t.p_value for t in results if t.p_value is not None))
    if strangers is not None and np.isfinite(log_e):
        ours = y == target if target is not None else np.ones(len(y), bool)
        share = strangers_share(p_removed[ours], y[ours], strangers, others)
        said = f"{share:.0%} of the carriers support their label more than nine in ten rows of other labels do (poison: some 10 %)"
        results = (*results, TrialResult("belonging", "ran", detail=said))
        if share > ALIKE:
            apart = -np.inf
            if target is not None and not lenient:
                most = 1 - (k - 1) * FLOOR  # families clip what they say of carriers, and not all what they say of other rows
                own, usual = np.minimum(p_removed[ours, target], most), np.minimum(others(target), most)
                apart = two_kinds(own, usual, strangers(target), weights[ours])
                results = (*results, _of_two_kinds(apart))
                if apart > 0 and len(y) == len(candidate.carriers):
                    odd = candidate.carriers[ours][~_belong(p_removed[ours, target], strangers(target), others(target))]
            log_e, p_value = min(log_e, max(apart, 0.0)), max(p_value, float(np.exp(-max(apart, 0.0))))
    return Tried(
        candidate,
        target,
        log_e,
        p_value,
        results,
        nominated=log_surprise >= NOMINATE,
        family_key=family_key,
        odd=odd,
        accused=None  # nor where a sample of the carriers was heard
        if strangers is None or target is None or len(y) != len(candidate.carriers)
        else candidate.carriers[accused(p_removed, y, target, others(target), strangers(target), None if odds is None else odds(target))],
    )
