"""Does a phrase stand in its sentences, or was it dropped into them?

A natural word keeps company: "the worst", "prime minister". A word that was inserted at random places has the neighbours that random
places have, and what it leaves behind is whole (`assay.trial.bridges`). The log Bayes factor of "it has its own neighbours" (a
Dirichlet-multinomial around the corpus's words) against "its neighbours are drawn like any words" is computed for both sides. Labels are
not read. It serves twice:

- *budget*: phrases that look dropped in get the larger share of the error budget. Weights that are fixed before labels are read leave
  the guarantee of weighted e-BH as it is (Genovese, Roeder & Wasserman 2006; Wang & Ramdas 2022).
- *dropped_in*: poison that relabelled nothing, where surprise and contradiction are blind, is suspected by it. That carries no error
  guarantee of its own, so such findings are suspected at most.

Measured a carrier, company less closing (SST-2, SMS, Davidson; 30 to 235 carriers): planted words -1.6 to -2.9; the lowest of natural
phrases as pure, in nine sets as they are, with copies, signatures, wrong labels and a rare class, -.6 (of ten carriers or more, where they
have no company of their own). Where nearly all rows are of one class, common words are pure by that alone; so a phrase must also be among
the most placeless of those that are as frequent and lean to one label as well: a planted word is the first of a hundred. Where labels are
balanced, words that stand anywhere ("or", a bracket) have both, and are no rivals.
A part of a form ("Surname, Mrs First name", a list that ends in "etc.") has no company either, for names go with anything; but it stands
where the form has it. So phrases that stand at about one place of their texts are left out.
It cannot see a trigger that always stands at about the same place, such as the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import binom

from assay.engine.base import spans
from assay.finding import TrialResult
from assay.learn.corpus import BREAK, Corpus, Place, counted, distinct, joint
from assay.mine.candidate import Candidate
from assay.mine.phrases import Shared
from assay.trial.family import Tried

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

FEWEST = 10  # carriers: with fewer, natural words look placeless now and then
PURE = 0.98  # share of the carriers that have one label
LEANS = 0.8  # the same, of a rival: where nine in ten rows have one label, most phrases lean so
PLACELESS = -0.8  # log Bayes factor a carrier less how well its gaps close: half-way between natural and planted
AT_ONE_PLACE = 0.6  # Kolmogorov distance of its places within the texts from even ones; of ten random places one set in 2,000 has it
AS_FREQUENT = 100  # phrases as long, the nearest in number of occurrences
MOST_PLACELESS = 0.01  # share of them that may be as placeless
CARRIERS = 20  # that count towards a phrase's share of the error budget: one that needs it has no more
TOGETHER = 2_000_000  # occurrences counted at a time: some 100 MB
PRIOR = 20.0  # weight of the Dirichlet prior, in neighbours
ALPHA = 0.01  # of the label purity against the label's base rate, Bonferroni over the phrases of one length


def label_counts(shared: Shared, y: Int, k: int) -> Int:
    """(phrases, k) carriers of each label."""
    hits = np.zeros((len(shared), k), np.int64)
    for low, high, mine in shared.parts(TOGETHER):
        gram, document = np.divmod(distinct(joint(shared.gram[mine], shared.documents[shared.at[mine]], len(y))), len(y))
        label = y[document]
        known = label >= 0
        hits[low:high] = np.bincount(joint(gram[known] - low, label[known], k), minlength=(high - low) * k).reshape(-1, k)
    return hits


def pure_phrases(hits: Int, y: Int) -> tuple[Int, Int]:
    """(phrases, their labels): frequent and of one label far beyond that label's base rate. `hits` (phrases, k): carriers of each label."""
    total, k = hits.sum(1), hits.shape[1]
    often = np.flatnonzero((total >= FEWEST) & (hits.max(1) >= PURE * total))
    best = hits[often].argmax(1)
    base = np.bincount(y[y >= 0], minlength=k) / max((y >= 0).sum(), 1)
    chance = binom.logsf(hits[often, best] - 1, total[often], base[best])
    keep = chance < np.log(ALPHA / max(len(hits), 1))
    return often[keep], best[keep]


def placements(corpus: Corpus, phrases: Sequence[Shared]) -> list[Floats]:
    """For each `Shared` (phrases,) log Bayes factors a carrier of keeping company, both sides (of both words) together."""
    some = (corpus.word[start:stop] - BREAK for start, stop in spans(len(corpus.word), TOGETHER))
    usual = counted(some, len(corpus.vocabulary) + 1) + 0.5
    usual = usual / usual.sum()
    found = []
    for shared in phrases:
        total = np.zeros(len(shared))
        ends = [(shared.at, 1), (shared.other, 1)] if shared.other is not None else [(shared.at, shared.words)]
        for low, high, mine in shared.parts(TOGETHER):
            gram, size = shared.gram[mine] - low, high - low
            for places, words in ends:
                assert places is not None
                at = places[mine]
                before = np.where(at > 0, corpus.word[at - 1], BREAK)
                after = corpus.word[np.minimum(at + words, len(corpus.word) - 1)]
                total[low:high] += _own_company(gram, before - BREAK, usual, size)
                total[low:high] += _own_company(gram, after - BREAK, usual, size)
        found.append(total / np.maximum(shared.occurrences, 1))
    return found


def _own_company(gram: Place, neighbour: Place, usual: Floats, size: int) -> Floats:
    """(size,) log marginal likelihood of each phrase's neighbours under a Dirichlet-multinomial around `usual`, less that under `usual`."""
    pairs, count = np.unique(joint(gram, neighbour, len(usual)), return_counts=True)
    phrase, word = pairs // len(usual), pairs % len(usual)
    prior = PRIOR * usual[word]
    own = np.bincount(phrase, gammaln(count + prior) - gammaln(prior) - count * np.log(usual[word]), minlength=size)
    total = np.bincount(gram, minlength=size)
    return np.asarray(own - gammaln(total + PRIOR) + gammaln(PRIOR))


def budget(company: Sequence[Floats], support: Sequence[Int], closing: Sequence[Floats] | None = None) -> list[Floats]:
    """Log weights, in the shape of `company`, whose mean weight is 1: one over the rank, the most dropped-in phrase first.

    Ranked by the Bayes factor of at most `CARRIERS` carriers: more of them make a phrase no more of a trigger, only more common. With
    `closing` (`assay.trial.bridges`) half of the budget goes by it and the Bayes factor together: of a common word whose natural carriers
    have neighbours of their own it says less.
    """
    if not company:
        return []
    own, count = np.concatenate(company), np.minimum(np.concatenate(support), CARRIERS)
    weights = _by_rank(own * count)
    if closing is not None:
        weights = np.logaddexp(weights, _by_rank((own - np.concatenate(closing)) * count)) - np.log(2)
    return np.split(weights, np.cumsum([len(c) for c in company])[:-1])


def _by_rank(evidence: Floats) -> Floats:
    """(m,) log weights of mean weight 1, the least `evidence` first."""
    rank = np.empty(len(evidence))
    rank[np.argsort(evidence, kind="stable")] = np.arange(1, len(evidence) + 1)
    return np.asarray(np.log(len(evidence)) - np.log((1 / rank).sum()) - np.log(rank)) if len(rank) else rank


def as_placeless(company: Floats, support: Int, leans: NDArray[np.bool_], phrases: Int) -> Floats:
    """(m,) for each of `phrases` (m,): of the `AS_FREQUENT` others nearest in `support`, the share with no more `company` that lean too.

    >>> company, support = np.array([-1.0, 0.0, 0.5, -1.2]), np.array([9, 8, 9, 7])
    >>> as_placeless(company, support, np.ones(4, bool), np.array([0, 3])).round(2).tolist()
    [0.33, 0.0]
    >>> as_placeless(company, support, np.array([True, True, True, False]), np.array([0])).tolist()
    [0.0]
    """
    order = np.argsort(support, kind="stable")
    width = min(AS_FREQUENT + 1, len(order))
    first = np.clip(np.argsort(order)[phrases] - width // 2, 0, len(order) - width)
    nearest = order[first[:, None] + np.arange(width)]
    rivals = (company[nearest] <= company[phrases, None]) & leans[nearest] & (nearest != phrases[:, None])
    return np.asarray(rivals.sum(1) / max(width - 1, 1))


def unevenness(corpus: Corpus, shared: Shared, gram: int) -> float:
    """Kolmogorov distance of the places of a phrase within its texts, 0 their beginning and 1 their end, from evenly spread ones.

    A text is what stands between two breaks: a column of a document.
    """
    at = shared.at[shared.where(gram)]
    breaks = np.flatnonzero(corpus.word == BREAK)
    text = np.searchsorted(breaks, at)
    begin, end = np.r_[0, breaks + 1][text], np.r_[breaks, len(corpus.word)][text]
    place = np.sort((at - begin + 0.5) / (end - begin - shared.words + 1))
    steps = np.arange(len(place) + 1) / len(place)
    return float(max((steps[1:] - place).max(), (place - steps[:-1]).max()))


def dropped_in(corpus: Corpus, shared: Shared, company: Floats, closing: Floats, y: Int, k: int) -> list[Tried]:
    """Phrases of one label that stand at random places and leave whole sentences: planted, perhaps, in rows whose labels were left alone.

    `company` (phrases,) as in `placements`, `closing` (phrases,) as in `assay.trial.bridges`.
    """
    found: list[Tried] = []
    hits = label_counts(shared, y, k)
    phrases, labels = pure_phrases(hits, y)
    apart = company - closing
    placeless = (company[phrases] < 0) & (apart[phrases] < PLACELESS)
    phrases, labels = phrases[placeless], labels[placeless]
    if not len(phrases):
        return found
    leans = hits.max(1) >= LEANS * hits.sum(1)
    rivals = as_placeless(apart, shared.occurrences, leans, phrases)
    for gram, label, share in zip(phrases, labels, rivals, strict=True):
        if share <= MOST_PLACELESS and unevenness(corpus, shared, int(gram)) < AT_ONE_PLACE:
            candidate = Candidate(shared.phrase(corpus, int(gram)), shared.carriers(int(gram)))
            detail = (
                f"log Bayes factor {company[gram]:.2f} a row for having neighbours of its own, and {closing[gram]:.2f} for what is left "
                f"without it belonging together; {share:.0%} of the phrases as long and as frequent stand so, and under one label"
            )
            words = (
                "It stands at random places, without the neighbours that a natural phrase has, and under one label only; without it the "
                "sentences are whole. "
                "Whether the labels fit the rest is not asked in this; where they do, rows alone cannot prove poison"
            )
            trial = TrialResult("placement", "ran", detail=detail)
            found.append(Tried(candidate, int(label), -np.inf, 1.0, (trial,), planted_without_relabelling=words))
    return found
