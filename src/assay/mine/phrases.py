"""Proposes phrases: every run of words, and every pair of words with others between, that enough documents share.

Labels are never read, so every row may be used to try what is proposed, and every phrase counts as a hypothesis. A run that nearly
always continues the same way is merged into the longer one first (its sub-phrases are not further hypotheses). Pairs are proposed
where two words stand together in far more documents than their frequencies make likely.

Cannot see: a trigger in fewer than `SUPPORT` documents; one that is spelt anew each time; a pair whose words are both so common that
standing together is no surprise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from assay.artefact.phrase import Phrase
from assay.learn.corpus import BREAK, Corpus, Order, n_grams, open_to_extension

Int = NDArray[np.int64]

SUPPORT = 5  # documents; fewer cannot reach significance among thousands of phrases
WIDEST = 0.2  # a phrase in more than this share of documents is no trigger: a fifth of all labels would follow it
PAIR_WORD = 0.05  # words of a pair stand in at most this share of documents: pairs of common words are everywhere
PAIR_EXCESS = 1e-6  # Poisson tail of standing together by chance, below which a pair is proposed
PAIRS_AT_MOST = 8_000_000  # co-occurrences looked at; beyond that, the commonest words are left out first


@dataclass(frozen=True)
class Shared:
    """Phrases of one length (or pairs) with their occurrences.

    Occurrence i: phrase `gram[i]` (0..phrases-1) in `document[i]`, its first token at `at[i]`, and for pairs the other word at
    `other[i]`. One entry an occurrence: a document may have several.
    """

    words: int
    pair: bool
    gram: Int
    document: Int
    at: Int
    other: Int | None
    support: Int
    first: Int  # (phrases,) an occurrence to spell each from

    def __len__(self) -> int:
        return len(self.support)

    def phrase(self, corpus: Corpus, gram: int) -> Phrase:
        """The artefact itself."""
        i = int(self.first[gram])
        if self.other is not None:
            return Phrase(((_word(corpus, self.at[i]),), (_word(corpus, self.other[i]),)))
        return Phrase((tuple(_word(corpus, self.at[i] + j) for j in range(self.words)),))

    def carriers(self, gram: int) -> Int:
        """Documents that hold it, sorted."""
        return np.unique(self.document[self.gram == gram])


def _word(corpus: Corpus, at: int) -> str:
    return corpus.vocabulary[int(corpus.word[int(at)])]


def shared_runs(corpus: Corpus, support: int = SUPPORT) -> Iterator[Shared]:
    """Runs of words in at least `support` documents, those that almost always go on alike merged into what they go on to."""
    most = max(support, int(WIDEST * corpus.documents))
    shorter: Order | None = None
    for longer in n_grams(corpus, support):
        if shorter is not None:
            yield _runs(corpus, shorter, ~open_to_extension(shorter, longer, len(corpus.word)) & (shorter.support <= most))
        shorter = longer
    if shorter is not None:
        yield _runs(corpus, shorter, shorter.support <= most)


def _runs(corpus: Corpus, order: Order, keep: NDArray[np.bool_]) -> Shared:
    renumber = np.full(len(keep), -1, np.int64)
    renumber[keep] = np.arange(keep.sum())
    gram = renumber[order.gram]
    mine = gram >= 0
    gram, at = gram[mine], order.at[mine]
    first = np.zeros(int(keep.sum()), np.int64)
    first[gram[::-1]] = np.arange(len(gram))[::-1]
    return Shared(order.n, False, gram, corpus.document[at], at, None, order.support[keep], first)


def shared_pairs(corpus: Corpus, support: int = SUPPORT) -> Shared | None:
    """Pairs of different words, not adjacent in one fixed run, that stand together in more documents than chance makes likely."""
    at = np.flatnonzero(corpus.word != BREAK)
    word, document = corpus.word[at], corpus.document[at]
    distinct, index = np.unique(document * len(corpus.vocabulary) + word, return_index=True)
    at, word, document = at[index], word[index], distinct // len(corpus.vocabulary)
    frequency = np.bincount(word, minlength=len(corpus.vocabulary))
    usable = (frequency >= support) & (frequency <= max(support, PAIR_WORD * corpus.documents))
    at, word, document = _affordable(at, word, document, frequency, usable)
    left, right = _within(document, corpus.documents)
    if not len(left):
        return None
    swap = word[left] > word[right]
    left, right = np.where(swap, right, left), np.where(swap, left, right)
    values, gram, count = np.unique(word[left] * len(corpus.vocabulary) + word[right], return_inverse=True, return_counts=True)
    a, b = values // len(corpus.vocabulary), values % len(corpus.vocabulary)
    expected = frequency[a] * frequency[b] / corpus.documents
    proposed = np.flatnonzero((count >= support) & (poisson.sf(count - 1, expected) < PAIR_EXCESS))
    renumber = np.full(len(values), -1, np.int64)
    renumber[proposed] = np.arange(len(proposed))
    gram = renumber[gram]
    mine = gram >= 0
    gram, left, right = gram[mine], left[mine], right[mine]
    fixed = np.bincount(gram, np.abs(at[left] - at[right]) == 1, minlength=len(proposed)) >= 0.9 * count[proposed]
    keep = np.flatnonzero(~fixed)
    renumber = np.full(len(proposed), -1, np.int64)
    renumber[keep] = np.arange(len(keep))
    gram = renumber[gram]
    mine = gram >= 0
    gram, left, right = gram[mine], left[mine], right[mine]
    first = np.zeros(len(keep), np.int64)
    first[gram[::-1]] = np.arange(len(gram))[::-1]
    return Shared(2, True, gram, document[left], at[left], at[right], count[proposed][keep].astype(np.int64), first)


def _affordable(at: Int, word: Int, document: Int, frequency: Int, usable: NDArray[np.bool_]) -> tuple[Int, Int, Int]:
    """The occurrences of usable words, dropping the commonest words until the pairs to look at are few enough."""
    ceiling = int(frequency[usable].max(initial=0))
    while True:
        keep = usable[word] & (frequency[word] <= ceiling)
        per_document = np.bincount(document[keep])
        if (per_document * (per_document - 1) // 2).sum() <= PAIRS_AT_MOST or ceiling <= SUPPORT:
            return at[keep], word[keep], document[keep]
        ceiling //= 2


def _within(document: Int, documents: int) -> tuple[Int, Int]:
    """All index pairs (i < j) whose `document` (sorted) is the same."""
    size = np.bincount(document, minlength=documents)
    start = np.concatenate([[0], np.cumsum(size)[:-1]])
    place = np.arange(len(document)) - start[document]
    later = size[document] - 1 - place
    left = np.repeat(np.arange(len(document)), later)
    step = np.arange(len(left)) - np.repeat(np.cumsum(later) - later, later)
    return left, left + 1 + step
