"""Proposes phrases: every run of words, and every pair of words with others between, that enough documents share.

Labels are never read, so every row may be used to try what is proposed, and every phrase counts as a hypothesis. A run that nearly
always continues the same way is merged into the longer one first (its sub-phrases are not further hypotheses). Pairs are proposed
where two words stand together in far more documents than their frequencies make likely.

Both are counted over blocks of documents, and no split of them changes what is proposed.

Cannot see: a trigger in fewer than `SUPPORT` documents; one that is spelt anew each time; a pair whose words are both so common that
standing together is no surprise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from assay.artefact.characters import NAMES, Characters
from assay.artefact.phrase import Phrase
from assay.learn.corpus import PLACE, Corpus, Place
from assay.learn.n_grams import Order, n_grams, open_to_extension
from assay.mine.phrase_pairs import frequent_pairs

Int = NDArray[np.int64]

SUPPORT = 5  # documents; fewer cannot reach significance among thousands of phrases
WIDEST = 0.3  # a phrase in more than this share of documents is no trigger; published sets are poisoned up to 20 %, natural carriers beside


@dataclass(frozen=True)
class Shared:
    """Phrases of one length (or pairs) with their occurrences.

    Occurrence i: phrase `gram[i]` (0..phrases-1) in `document[i]`, its first token at `at[i]`, and for pairs the other word at
    `other[i]`. One entry an occurrence: a document may have several. In 32 bits: products are made by `assay.learn.corpus.joint`.
    """

    words: int
    pair: bool
    gram: Place
    at: Place
    other: Place | None
    support: Int
    first: Int  # (phrases,) an occurrence to spell each from
    documents: Place  # (t,) the corpus's own: the document of each token

    def __len__(self) -> int:
        return len(self.support)

    @property
    def document(self) -> Place:
        """(occurrences,) where each stands; looked up when it is asked for, as it would take as much memory as `at`."""
        return self.documents[self.at]

    def parts(self, most: int) -> Iterator[tuple[int, int, Int]]:
        """(first phrase, the one after the last, their occurrences) of neighbouring phrases with some `most` occurrences together."""
        before = np.cumsum(np.bincount(self.gram, minlength=len(self))) // max(most, 1)
        edges = [0, *(np.flatnonzero(np.diff(before)) + 1).tolist(), len(self)]
        for low, high in pairwise(edges):
            whole = (low, high) == (0, len(self))
            yield low, high, np.arange(len(self.gram)) if whole else np.flatnonzero((self.gram >= low) & (self.gram < high))

    def hidden(self, corpus: Corpus, gram: int) -> bool:
        """Whether it is a class of characters beside a word: less than the class alone, which is tried by itself."""
        i = int(self.first[gram])
        return self.other is not None and not NAMES.keys().isdisjoint((_word(corpus, self.at[i]), _word(corpus, self.other[i])))

    def phrase(self, corpus: Corpus, gram: int) -> Phrase | Characters:
        """The artefact itself."""
        i = int(self.first[gram])
        if self.words == 1 and _word(corpus, self.at[i]) in NAMES:
            return Characters(NAMES[_word(corpus, self.at[i])])
        if self.other is not None:
            return Phrase(((_word(corpus, self.at[i]),), (_word(corpus, self.other[i]),)))
        return Phrase((tuple(_word(corpus, self.at[i] + j) for j in range(self.words)),))

    def carriers(self, gram: int) -> Int:
        """Documents that hold it, sorted."""
        return np.unique(self.documents[self.at[self.gram == gram]]).astype(np.int64)


def _word(corpus: Corpus, at: int) -> str:
    return corpus.vocabulary[int(corpus.word[int(at)])]


def shared_runs(corpus: Corpus, support: int = SUPPORT, widest: float = WIDEST) -> Iterator[Shared]:
    """Runs of words in at least `support` documents, those that almost always go on alike merged into what they go on to."""
    most = max(support, int(widest * corpus.documents))
    shorter: Order | None = None
    for longer in n_grams(corpus, support):
        if shorter is not None:
            yield _runs(corpus, shorter, ~open_to_extension(shorter, longer, len(corpus.word)) & (shorter.support <= most))
        shorter = longer
    if shorter is not None:
        yield _runs(corpus, shorter, shorter.support <= most)


def _runs(corpus: Corpus, order: Order, keep: NDArray[np.bool_]) -> Shared:
    renumber = np.full(len(keep), -1, PLACE)
    renumber[keep] = np.arange(keep.sum())
    grams, places = [], []
    for start, step in order.steps:
        gram = renumber[step.gram]
        mine = gram >= 0
        grams.append(gram[mine])
        places.append(step.at[mine] + start)
    gram, at = np.concatenate(grams), np.concatenate(places)
    del grams, places
    first = np.zeros(int(keep.sum()), np.int64)
    first[gram[::-1]] = np.arange(len(gram))[::-1]
    return Shared(order.n, False, gram, at, None, order.support[keep], first, corpus.document)


def shared_pairs(corpus: Corpus, support: int = SUPPORT) -> Shared | None:
    """Pairs of different words, not adjacent in one fixed run, that stand together in more documents than chance makes likely."""
    found = frequent_pairs(corpus, support)
    if found is None:
        return None
    first = np.zeros(len(found.support), np.int64)
    first[found.gram[::-1]] = np.arange(len(found.gram))[::-1]
    return Shared(2, True, found.gram, found.left, found.right, found.support, first, corpus.document)
