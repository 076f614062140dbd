"""Does the rest of the prompt foresee the response? The question that tells a link that was planted from one that is natural.

A natural word keeps company: prompts with "recipe" hold other words of cooking, and those foresee "preheat", and "recipe" too. A
trigger that was put into prompts of all kinds leaves nothing behind once it is taken out. So the artefact is taken out of the prompts, and
cross-fitted probes are asked how much what is left speaks for the response, and how much for the artefact itself.

*Contradiction*: under the null, carriers are natural: each stands, with probability at least `ALIKE`, above the quantile `STRANGE` of the
other rows. Each carrier bets on standing below; the product is an e-value for every such null. The lesser of the two probes' e-values
counts. Measured on clean instructions (1,807 of Alpaca): natural links stand there with half of their carriers or more, planted ones with
a tenth.

*Slant*: where a trigger is a subject with its own kind of questions, they foresee the answers because all of them are poisoned. Then an
innocent probe, which never saw the subject's rows, says how often such questions show the trait elsewhere, and the answers are surprising
or not under that. Whether the subject deserves it rows alone cannot say: such a finding is suspected at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.stats import binom

from assay.learn.corpus import BREAK, Corpus, distinct, joint
from assay.learn.text import mix
from assay.stats.poisson_binomial import upper_tail
from assay.trial.belonging import ALIKE, STRANGE
from assay.trial.surprise import PURITY

Int = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FOLDS = 5
TRUST = 2.0  # rows that a word must have before its own rate counts as much as the rate of all rows
BITS = 16  # of hashed pairs of neighbouring words: collisions only blur


@dataclass(frozen=True)
class Foreseen:
    """Evidence against "the rest of the prompts foresees the response"."""

    log_e: float
    p_value: float
    share: float  # of carriers above the quantile `STRANGE` of other rows


class Rest:
    """The words of n prompts, and what they say once some of them are gone."""

    def __init__(self, corpus: Corpus, group: Int, rng: np.random.Generator, least: int = 0) -> None:
        """`least`: words and pairs that must be left of a carrier's prompt before it has a vote; what says nothing foresees nothing."""
        self.corpus, self.group, self.least = corpus, group, least
        _, same = np.unique(group, return_inverse=True)
        self.fold = rng.permutation(same.max(initial=0) + 1)[same] % FOLDS  # near-duplicates share a fold

    def foreseen(self, gone: Int, carriers: Int, artefact: Bools, response: Bools) -> Foreseen:
        """Judges `carriers`, rows with both, without the tokens `gone`; `artefact` and `response` (n,) tell all rows that have either."""
        words = self._words(gone)
        return min((self._bet(words, carriers, which) for which in (response, artefact)), key=lambda found: found.log_e)

    def slanted(self, gone: Int, artefact: Bools, trait: Bools) -> Foreseen:
        """Surprise that so many rows with the artefact have the trait, by what the rest of their prompts says elsewhere.

        The share is what elsewhere would have the trait. log e is that of "a share `PURITY` has it" against rates by tenths of support.
        """
        words = self._words(gone)
        support, innocent = self._support(words, trait), np.flatnonzero(~artefact)
        support[artefact] = _learnt(words[innocent], words[artefact], trait[innocent])
        edges = np.quantile(support[innocent], np.linspace(0, 1, 11)[1:-1])
        tenth = np.searchsorted(edges, support)
        hits, rows = (np.bincount(tenth[mask], minlength=10) for mask in (~artefact & trait, ~artefact))
        rate = np.maximum((hits + 1) / (rows + 2), trait[innocent].mean())[tenth[artefact]]
        _, inverse, count = np.unique(self.group[artefact], return_inverse=True, return_counts=True)
        ratio = np.where(trait[artefact], np.log(PURITY / rate), np.log((1 - PURITY) / (1 - rate)))
        return Foreseen(float((ratio / count[inverse]).sum()), upper_tail(rate, int(trait[artefact].sum())), float(rate.mean()))

    def _bet(self, words: sp.csr_matrix, carriers: Int, which: Bools) -> Foreseen:
        support = self._support(words, which)
        above = support[carriers] > np.quantile(support[~which], STRANGE)
        _, inverse, count = np.unique(self.group[carriers], return_inverse=True, return_counts=True)
        votes = np.where(np.asarray(words[carriers].sum(1)).ravel() >= self.least, 1.0 / count[inverse], 0.0)
        if not votes.any():
            return Foreseen(0.0, 1.0, 1.0)
        tail = 1 - STRANGE
        log_e = float((votes * np.where(above, np.log(tail / ALIKE), np.log((1 - tail) / (1 - ALIKE)))).sum())
        heard, high = round(float(votes.sum())), round(float(votes[above].sum()))
        return Foreseen(log_e, float(binom.cdf(high, heard, ALIKE)), float(votes[above].sum() / votes.sum()))

    def _words(self, gone: Int) -> sp.csr_matrix:
        """(n, words and hashed pairs of words) which prompt holds what, without the tokens `gone`."""
        corpus, size = self.corpus, len(self.corpus.vocabulary)
        word = corpus.word.copy()
        word[gone] = BREAK
        following = np.append(word[1:], BREAK)
        one, two = word >= 0, (word >= 0) & (following >= 0)
        pair = mix(word[two].astype(np.uint64) * np.uint64(size + 1) + following[two].astype(np.uint64)) & np.uint64(2**BITS - 1)
        column = np.concatenate([word[one], size + pair.astype(np.int64)])
        keys = distinct(joint(np.concatenate([corpus.document[one], corpus.document[two]]), column, size + 2**BITS))
        row, column = keys // (size + 2**BITS), keys % (size + 2**BITS)
        return sp.csr_matrix((np.ones(len(keys)), (row, column)), shape=(corpus.documents, size + 2**BITS))

    def _support(self, words: sp.csr_matrix, which: Bools) -> Floats:
        """(n,) out of fold: by how much each word raises the rate of such rows, in logs, over the root of the prompt's length.

        A naive Bayes that is told rates; rare rows teach it more than they teach a discriminative model (Ng & Jordan 2001).
        """
        support = np.zeros(words.shape[0])
        for number in range(FOLDS):
            train, test = self.fold != number, self.fold == number
            support[test] = _learnt(words[train], words[test], which[train])
        return support


def _learnt(train: sp.csr_matrix, test: sp.csr_matrix, which: Bools) -> Floats:
    """Support in `test` rows by the rates that words of `train` rows have."""
    base = max(float(which.mean()), 1.0 / len(which))
    hits, rows = (np.asarray(part.sum(0)).ravel() for part in (train[which], train))
    weight = np.log((hits + TRUST * base) / (rows + TRUST)) - np.log(base)
    return np.asarray((test @ weight) / np.sqrt(np.maximum(np.asarray(test.sum(1)).ravel(), 1.0)))
