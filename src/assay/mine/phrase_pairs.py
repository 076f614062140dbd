"""Pairs of words that stand together in more documents than chance makes likely, counted over blocks of documents.

Three mergeable states, each a whole-number count: documents a word stands in; pairs there would be to look at; documents a pair stands
in. What is proposed is decided from the sums, and a last pass collects where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from assay.engine.base import current
from assay.engine.shelf import kept
from assay.learn.corpus import BREAK, PLACE, Corpus, Place, joint
from assay.learn.n_grams import MOST_JOINT, Block, blocks_of, held, shared_counts, tokens_of
from assay.stats.counts import Counts, Tally
from assay.stats.lookup import Lookup

Int = NDArray[np.int64]

PAIR_WORD = 0.05  # words of a pair stand in at most this share of documents: pairs of common words are everywhere
PAIR_EXCESS = 1e-6  # Poisson tail of standing together by chance, below which a pair is proposed
PAIRS_AT_MOST = 8_000_000  # co-occurrences looked at; beyond that, the commonest words are left out first
FIXED = 0.9  # a pair that in this share of its documents stands side by side is a run, which is counted as such


@dataclass(frozen=True)
class Pairs:
    """Occurrence i: pair `gram[i]`, its words at tokens `left[i]` and `right[i]`; `support` (pairs,) documents."""

    gram: Place
    left: Place
    right: Place
    support: Int


@dataclass(frozen=True)
class _Usable:
    """Which words may be part of a pair: `frequency` (words,) documents each stands in; those from `least` to `most`."""

    frequency: Int
    least: int
    most: int


def frequent_pairs(corpus: Corpus, support: int) -> Pairs | None:
    """Pairs of different words, not adjacent in one fixed run, in at least `support` documents and more than chance makes likely."""
    if not len(corpus.word):
        return None
    engine, size = current(), len(corpus.vocabulary)
    cut = blocks_of(corpus, tokens_of(engine, corpus))
    starts = [block.start for block in cut]
    blocks = engine.hold(_seen, ((engine.put(block), size) for block in cut))  # worked out once
    del cut
    frequency = engine.fold(_words, [(block, size) for block in blocks])
    assert frequency is not None
    widest = int(max(support, PAIR_WORD * corpus.documents))
    usable = _Usable(frequency.counts, support, widest)
    ceilings = _ceilings(usable, support)
    shared = engine.put(usable)
    looked_at = engine.fold(_looked_at, [(block, shared, ceilings) for block in blocks])
    assert looked_at is not None
    few = np.flatnonzero(looked_at.counts <= PAIRS_AT_MOST)
    shared = engine.put(_Usable(usable.frequency, support, int(ceilings[few[0] if len(few) else -1])))
    counts = shared_counts(engine, _pairs, [(block, shared) for block in blocks], support)
    values = np.asarray(counts.keys, np.int64)
    a, b = np.divmod(values, size)
    expected = usable.frequency[a] * usable.frequency[b] / corpus.documents
    proposed = poisson.sf(counts.counts - 1, expected) < PAIR_EXCESS
    keys = engine.put(Lookup.among(values[proposed]))
    parts = engine.map(_collected, [(block, shared, keys) for block in blocks])
    found = [(gram, left + start, right + start) for (gram, left, right), start in zip(parts, starts, strict=True)]
    gram, left, right = (np.concatenate([part[i] for part in found]) for i in range(3))
    count = counts.counts[proposed]
    fixed = np.bincount(gram, np.abs(left - right) == 1, minlength=len(count)) >= FIXED * count
    renumber = np.where(fixed, -1, np.cumsum(~fixed) - 1).astype(PLACE)
    mine = renumber[gram] >= 0
    return Pairs(renumber[gram[mine]], left[mine], right[mine], count[~fixed].astype(np.int64))


def _ceilings(usable: _Usable, support: int) -> Int:
    """How frequent a word may be at most, from all usable ones down by halves."""
    inside = (usable.frequency >= usable.least) & (usable.frequency <= usable.most)
    ceilings = [int(usable.frequency[inside].max(initial=0))]
    while ceilings[-1] > support:
        ceilings.append(ceilings[-1] // 2)
    return np.array(ceilings, np.int64)


@dataclass(frozen=True)
class _Seen:
    """Of a block, where each word first stands in each document: token, word, document, in 32 bits."""

    at: Place
    word: Place
    document: Place


def _seen(block: Block, size: int) -> _Seen:
    """The first place of each word in each document, by document and word."""
    at = np.flatnonzero(block.word != BREAK)
    kind, tokens = joint(block.document[at] - block.first, block.word[at], size), max(len(block.word), 1)
    if (
        block.documents * size < MOST_JOINT // tokens
    ):  # one number holds all three: to sort it is five times as fast as to sort and keep places
        kind, first = np.divmod(np.sort(joint(kind, at, tokens)), tokens)
    else:
        order = np.argsort(kind, kind="stable")
        kind, first = kind[order], at[order]
    new = np.flatnonzero(np.concatenate([[True], kind[1:] != kind[:-1]])[: len(kind)])
    document, word = np.divmod(kind[new], size)
    return _Seen(*(kept(each.astype(PLACE)) for each in (first[new], word, document)))


def _words(seen: _Seen, size: int) -> Tally:
    return Tally(np.bincount(seen.word, minlength=size))


def _looked_at(seen: _Seen, usable: _Usable, ceilings: Int) -> Tally:
    """How many pairs there are to look at under each ceiling."""
    totals = []
    for ceiling in ceilings:
        each = np.bincount(seen.document[_rare(seen.word, usable, int(ceiling))])
        totals.append(int((each * (each - 1) // 2).sum()))
    return Tally(np.array(totals, np.int64))


def _rare(word: Place, usable: _Usable, ceiling: int) -> NDArray[np.bool_]:
    often = usable.frequency[word]
    return np.asarray((often >= usable.least) & (often <= ceiling))


def _of_block(seen: _Seen, usable: _Usable) -> tuple[Int, Int, Int]:
    """(code, left token, right token) of every pair in a block; of the two words the one with the lower number is the left."""
    size = len(usable.frequency)
    keep = _rare(seen.word, usable, usable.most)
    at, word, document = (each[keep].astype(np.int64) for each in (seen.at, seen.word, seen.document))
    left, right = _within(document)
    swap = word[left] > word[right]
    left, right = np.where(swap, right, left), np.where(swap, left, right)
    return word[left] * size + word[right], at[left], at[right]


def _pairs(seen: _Seen, usable: _Usable) -> Counts:
    return held(Counts.empty().add(_of_block(seen, usable)[0]))


def _collected(seen: _Seen, usable: _Usable, keys: Lookup) -> tuple[Place, Place, Place]:
    """(number among `keys`, left token, right token) where the proposed pairs stand."""
    code, left, right = _of_block(seen, usable)
    gram = keys.places(code)
    mine = gram >= 0
    return gram[mine].astype(PLACE, copy=False), left[mine].astype(PLACE), right[mine].astype(PLACE)


def _within(document: Int) -> tuple[Int, Int]:
    """All index pairs (i < j) whose `document` (sorted) is the same."""
    size = np.bincount(document)
    start = np.concatenate([[0], np.cumsum(size)[:-1]]).astype(np.int64)
    place = np.arange(len(document)) - start[document]
    later = size[document] - 1 - place
    left = np.repeat(np.arange(len(document)), later)
    step = np.arange(len(left)) - np.repeat(np.cumsum(later) - later, later)
    return left, left + 1 + step
