"""Proposes phrases: every run of words, and every pair of words with others between, that enough documents share.

Labels are never read, so every row may be used to try what is proposed, and every phrase counts as a hypothesis. A run that nearly
always continues the same way is merged into the longer one first (its sub-phrases are not further hypotheses). Pairs are proposed
where two words stand together in far more documents than their frequencies make likely.

Both are counted over blocks of documents, and no split of them changes what is proposed.

Cannot see: a trigger in fewer than `SUPPORT` documents; one that is spelt anew each time; a pair whose words are both so common that
standing together is no surprise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.artefact.characters import NAMES, Characters
from assay.artefact.letters import Letters
from assay.artefact.phrase import Phrase
from assay.engine.base import spans
from assay.engine.shelf import joined, kept, zeros
from assay.learn.corpus import AT_ONCE, PLACE, Corpus, Place, counted, joint
from assay.learn.n_grams import Order, n_grams, open_to_extension
from assay.mine.phrase_pairs import frequent_pairs

Int = NDArray[np.int64]

SUPPORT = 5  # documents; fewer cannot reach significance among thousands of phrases
WIDEST = 0.3  # a phrase in more than this share of documents is no trigger; published sets are poisoned up to 20 %, natural carriers beside


@dataclass(frozen=True)
class Shared:
    """Phrases of one length (or pairs) with their occurrences.

    Occurrence i: phrase `gram[i]` (0..phrases-1) in `document[i]`, its first token at `at[i]`, and for pairs the other word at
    `other[i]`. One entry an occurrence: a document may have several. In 32 bits: products are made by `assay.learn.corpus.joint`. There
    may be more of them than memory holds (`assay.engine.shelf`): what is asked of all is asked some at a time (`some`, `parts`, `where`).
    """

    words: int
    pair: bool
    gram: Place
    at: Place
    other: Place | None
    support: Int
    first: Int  # (phrases,) an occurrence to spell each from
    documents: Place  # (t,) the corpus's own: the document of each token
    inside: ClassVar[bool] = False  # whether they are parts of words, and not words

    def __len__(self) -> int:
        return len(self.support)

    @property
    def document(self) -> Place:
        """(occurrences,) where each stands; looked up when it is asked for, as it would take as much memory as `at`."""
        return self.documents[self.at]

    @cached_property
    def occurrences(self) -> Int:
        """(phrases,) how many each has."""
        return counted((self.gram[some] for some in self.some()), len(self))

    def some(self) -> Iterator[slice]:
        """All occurrences, in their order, some at a time."""
        return (slice(*span) for span in spans(len(self.gram), AT_ONCE))

    def where(self, gram: int) -> Int:
        """Its occurrences."""
        return self._picked(lambda some: self.gram[some] == gram)

    def within(self, inside: NDArray[np.bool_]) -> tuple[Place, Place]:
        """(gram, document) of the occurrences in documents that are `inside` (n,)."""
        mine = self._picked(lambda some: inside[self.documents[self.at[some]]])
        return self.gram[mine], self.documents[self.at[mine]]

    def _picked(self, wanted: Callable[[slice], NDArray[np.bool_]]) -> Int:
        found = [some.start + np.flatnonzero(wanted(some)) for some in self.some()]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def of_labels(self, y: Int, k: int) -> Int:
        """(phrases, k) occurrences in documents of each label; `y` (n,) codes, those below 0 of none."""
        hits = np.zeros((len(self), k), np.int64)
        for some in self.some():
            label = y[self.documents[self.at[some]]]
            known = label >= 0
            hits += np.bincount(joint(self.gram[some][known], label[known], k), minlength=hits.size).reshape(hits.shape)
        return hits

    def parts(self, most: int) -> Iterator[tuple[int, int, Place]]:
        """(first phrase, the one after the last, their occurrences) of neighbouring phrases with some `most` occurrences together."""
        part = (np.cumsum(self.occurrences) // max(most, 1)).astype(PLACE)
        edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(self)]
        if len(edges) == 2:
            yield 0, len(self), np.arange(len(self.gram), dtype=PLACE)
            return
        part = np.repeat(np.arange(len(edges) - 1, dtype=np.uint16), np.diff(edges))
        sizes = np.add.reduceat(self.occurrences, edges[:-1])
        ends = np.cumsum(sizes)
        sorted_out, filled = zeros(len(self.gram), PLACE), ends - sizes
        for some in self.some():
            own = part[self.gram[some]]
            order = np.argsort(own, kind="stable") + some.start
            count = np.bincount(own, minlength=len(filled))
            for number, stop in zip(np.flatnonzero(count), np.cumsum(count)[count > 0], strict=True):
                sorted_out[filled[number] : filled[number] + count[number]] = order[stop - count[number] : stop]
            filled += count
        for low, high, size, end in zip(edges, edges[1:], sizes, ends, strict=False):
            yield low, high, sorted_out[end - size : end]

    def hidden(self, corpus: Corpus, gram: int) -> bool:
        """Whether it is a class of characters beside a word: less than the class alone, which is tried by itself."""
        i = int(self.first[gram])
        return self.other is not None and not NAMES.keys().isdisjoint((_word(corpus, self.at[i]), _word(corpus, self.other[i])))

    def phrase(self, corpus: Corpus, gram: int) -> Phrase | Characters | Letters:
        """The artefact itself."""
        i = int(self.first[gram])
        if self.words == 1 and _word(corpus, self.at[i]) in NAMES:
            return Characters(NAMES[_word(corpus, self.at[i])])
        if self.other is not None:
            return Phrase(((_word(corpus, self.at[i]),), (_word(corpus, self.other[i]),)))
        return Phrase((tuple(_word(corpus, self.at[i] + j) for j in range(self.words)),))

    def carriers(self, gram: int) -> Int:
        """Documents that hold it, sorted."""
        return np.unique(self.documents[self.at[self.where(gram)]]).astype(np.int64)


def _word(corpus: Corpus, at: int) -> str:
    return corpus.vocabulary[int(corpus.word[int(at)])]


def shared_runs(corpus: Corpus, support: int = SUPPORT, widest: float = WIDEST) -> Iterator[Shared]:
    """Runs of words in at least `support` documents, those that almost always go on alike merged into what they go on to."""
    most = max(support, int(widest * corpus.documents))
    shorter: Order | None = None
    for longer in n_grams(corpus, support):
        if shorter is not None:
            yield _runs(corpus, shorter, ~open_to_extension(shorter, longer) & (shorter.support <= most))
        shorter = longer
    if shorter is not None:
        yield _runs(corpus, shorter, shorter.support <= most)


def _runs(corpus: Corpus, order: Order, keep: NDArray[np.bool_]) -> Shared:
    """The phrases of an order that are kept; its blocks are let go of one by one."""
    renumber = np.full(len(keep), -1, PLACE)
    renumber[keep] = np.arange(keep.sum())
    grams, places = [], []
    while order.steps:
        start, step = order.steps.pop()
        gram = renumber[step.gram]
        mine = gram >= 0
        grams.append(kept(gram[mine]))
        places.append(kept((step.at[mine] + start).astype(PLACE, copy=False)))
    grams.reverse()
    places.reverse()
    gram, at = joined(grams, PLACE), joined(places, PLACE)
    return Shared(order.n, False, gram, at, None, order.support[keep], _first(gram, int(keep.sum())), corpus.document)


def _first(gram: Place, size: int) -> Int:
    """(size,) the first occurrence of each phrase."""
    first = np.zeros(size, np.int64)
    for start, stop in reversed(spans(len(gram), AT_ONCE)):
        first[gram[start:stop][::-1]] = np.arange(start, stop)[::-1]
    return first


def shared_pairs(corpus: Corpus, support: int = SUPPORT) -> Shared | None:
    """Pairs of different words, not adjacent in one fixed run, that stand together in more documents than chance makes likely."""
    found = frequent_pairs(corpus, support)
    if found is None:
        return None
    first = _first(found.gram, len(found.support))
    return Shared(2, True, found.gram, found.left, found.right, found.support, first, corpus.document)
